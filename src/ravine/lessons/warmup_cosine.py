"""Warm-up and cosine: the numbers of the formula, and what they are good for."""

from dataclasses import dataclass
from typing import Any

import numpy as np

import ravine
from ravine.lessons._criterion import Part, Sample, exact, over_seeds
from ravine.lessons._lesson import Lesson, Measured
from ravine.lessons._readings import decades, loss_panel, race
from ravine.report.panels import Curve, Panel, Picture

HORIZON, WARMUP, PEAK = 1000, 50, 1e-3


@dataclass(frozen=True, slots=True)
class Settings:
    """Sizes of the trainings.

    Attributes:
        steps: of the race of schedules.
        seeds: fresh seeds of it.
        early: steps in which a blow-up is looked for; the warm-up takes the first half of them.
        starts: seeds of the blow-ups.
        lr: rate of the blow-ups, for Adam.
    """

    steps: int
    seeds: int
    early: int
    starts: int
    lr: float


PARTS = (
    Part(number="first", says="the rate is 0 at step 0", measures="rate at step 0", below=1e-12),
    Part(number="peak", says="the rate is 0.001 at step 50", measures="rate at step 50 over the peak", above=0.999999, below=1.000001),
    Part(
        number="half",
        says="the rate is half of the peak at step 525",
        measures="rate at step 525 over the peak",
        above=0.499999,
        below=0.500001,
    ),
    Part(number="last", says="the rate is near 0 at step 999", measures="rate at step 999 over the peak", below=1e-4),
    Part(
        number="cosine",
        says="trained, a cosine ends below a step decay, each with AdamW at its best rate",
        measures="log10 of the step decay's final loss over the cosine's",
        above=0.0,
    ),
    Part(
        number="blow-up",
        says="at a rate that is too large to begin with, a warm-up lowers the highest early loss",
        measures="log10 of the highest early loss without a warm-up over that with one",
        above=0.0,
    ),
)


def experiment(settings: Settings) -> Measured:
    """Evaluate the schedule, race it against a step decay, and begin with and without a warm-up."""
    schedule = ravine.schedules.create("cosine", horizon=HORIZON, warmup=WARMUP, warmup_start=0.0)
    rates = PEAK * np.asarray(schedule(np.arange(HORIZON)))
    readings = race("digits", optimizers=["adamw+cosine", "adamw+step"], steps=settings.steps, seeds=settings.seeds)
    early = {warmup: [_early(settings, seed, warmup) for seed in range(settings.starts)] for warmup in (0, settings.early // 2)}
    without, with_one = (np.log10(np.max(losses, axis=1)) for losses in early.values())
    numbers: dict[str, Sample] = {
        "first": exact(rates[0]),
        "peak": exact(rates[50] / PEAK),
        "half": exact(rates[525] / PEAK),
        "last": exact(rates[999] / PEAK),
        "cosine": over_seeds(decades(readings["adamw+cosine"], readings["adamw+step"])),
        "blow-up": over_seeds(without - with_one),
    }
    usual = ravine.schedules.create("cosine", horizon=HORIZON, warmup=WARMUP)
    also = {"share of the peak at step 0 in a warm-up that begins at its first step, ravine's own": exact(float(usual(0)))}
    also |= {f"final loss of {name} at {reading.lr:.3g}": over_seeds(reading.finals) for name, reading in readings.items()}
    also |= {f"highest early loss, warm-up of {warmup} steps": over_seeds(np.max(losses, axis=1)) for warmup, losses in early.items()}
    panels = (
        Panel(title="the schedule", across="step", up="learning rate", curves=(Curve(name="rate", x=np.arange(HORIZON), y=rates),)),
        loss_panel("digits, AdamW tuned for each", readings),
        _early_panel(early, settings),
    )
    caption = "The rate; the test loss under a cosine and a step decay; and the first training losses with and without a warm-up."
    return Measured(numbers=numbers, also=also, picture=Picture(panels=panels, caption=caption, across=3))


def _early(settings: Settings, seed: int, warmup: int) -> np.ndarray:
    """The first training losses at the full rate, reached at once or by a warm-up."""
    rest: dict[str, Any] = {"schedule": "constant", "clip": 0.0, "evaluate_every": settings.early, "check": False}
    trained = ravine.train("digits", optimizer="adam", lr=settings.lr, steps=settings.early, warmup=warmup, seed=seed, **rest)
    return np.array(trained.history.loss)


def _early_panel(early: dict[int, list[np.ndarray]], settings: Settings) -> Panel:
    curves = []
    for warmup, losses in early.items():
        found = np.array(losses)
        name = f"warm-up of {warmup} steps" if warmup else "no warm-up"
        curves.append(
            Curve(name=name, x=np.arange(settings.early), y=np.median(found, axis=0), low=found.min(axis=0), high=found.max(axis=0))
        )
    return Panel(title=f"digits, Adam at {settings.lr:g}", across="step", up="training loss", curves=tuple(curves), log_y=True)


LESSON = Lesson(
    name="warmup-cosine",
    claim="Over 1,000 steps with a warm-up of 50 and a peak of 0.001 the rate is 0 at step 0, 0.001 at 50, half at 525 and near 0 at 999; "
    "a cosine beats a step decay, and a warm-up prevents early blow-ups.",
    question="What do the two halves of the usual schedule do?",
    source="Loshchilov and Hutter (2017), SGDR, arXiv:1608.03983; Goyal et al. (2017), Accurate, large minibatch SGD, arXiv:1706.02677",
    setup="the formula in float64; AdamW on digits, {steps} steps, {seeds} seeds, each schedule at its tuned rate (step decay: a tenth "
    "after each 30 %); Adam at {lr} for {early} steps with and without a warm-up over their first half, {starts} seeds",
    parts=PARTS,
    experiment=experiment,
    quick=Settings(steps=300, seeds=8, early=60, starts=8, lr=0.1),
    full=Settings(steps=3000, seeds=20, early=60, starts=20, lr=0.1),
    full_s=40.0,
    explanation="The end of a schedule decides the final loss: a small rate lets the noise of the batches average out, and a cosine "
    "spends more steps between the large rate and none than a stair does (Loshchilov and Hutter 2017). At the start Adam's second moment "
    "rests on a few gradients, so that its first steps are all about as long as the rate whatever the slope (Liu et al. 2020, "
    "arXiv:1908.03265), and curvature is at its highest; a rate that the trained network bears throws a new one far off (Goyal et al. "
    "2017). A warm-up that is 0 at step 0 takes a first step that changes nothing; ravine's own begins with one part of it instead.",
)
