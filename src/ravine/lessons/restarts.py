"""Warm restarts: for one long run, and for an ensemble."""

from dataclasses import dataclass
from typing import Any

import numpy as np

import ravine
from ravine.lessons._criterion import Part, Sample, over_seeds
from ravine.lessons._lesson import Lesson, Measured
from ravine.lessons._readings import decades, loss_panel, race
from ravine.report.panels import Bar, Panel, Picture

COSINE, RESTARTS = "adamw+cosine", "adamw+cosine_restarts"


@dataclass(frozen=True, slots=True)
class Settings:
    """Sizes of the experiment.

    Attributes:
        steps: of every training, whatever its schedule.
        seeds: of the race.
        snapshots: cycles of a training with snapshots.
        trainings: seeds of these, and of the single runs beside them.
        lr: rate of the trainings.
    """

    steps: int
    seeds: int
    snapshots: int
    trainings: int
    lr: float


PARTS = (
    Part(
        number="one run",
        says="restarts do not lower the loss of one run of the same length by a quarter, each at its best rate",
        measures="log10 of the cosine's final loss over that with restarts",
        below=0.1,
    ),
    Part(
        number="ensemble",
        says="the mean prediction of its snapshots ends below the one cosine, for the same steps",
        measures="log10 of the cosine's final loss over the ensemble's",
        above=0.0,
    ),
)


def experiment(settings: Settings) -> Measured:
    """Race the two schedules, and train with snapshots beside single runs from the same weights on the same batches."""
    readings = race("digits", optimizers=[COSINE, RESTARTS], steps=settings.steps, seeds=settings.seeds)
    single, last, together = (
        np.array(values) for values in zip(*(_pair(settings, seed) for seed in range(settings.trainings)), strict=True)
    )
    numbers: dict[str, Sample] = {
        "one run": over_seeds(decades(readings[RESTARTS], readings[COSINE])),
        "ensemble": over_seeds(np.log10(single / together)),
    }
    losses = {"one cosine": single, "the last snapshot": last, "the ensemble": together}
    also = {f"test loss of {name}": over_seeds(values) for name, values in losses.items()}
    bars = []
    for name, sample in zip(losses, also.values(), strict=True):
        interval = sample.interval()
        bars.append(Bar(label=name, value=interval.estimate, low=interval.low, high=interval.high))
    panels = (
        loss_panel("digits, each at its best rate", readings),
        Panel(title=f"test loss, {settings.steps:,} steps each", across="test loss", bars=tuple(bars)),
    )
    return Measured(
        numbers=numbers, also=also, picture=Picture(panels=panels, caption="Restarts against one cosine, and what snapshots add.")
    )


def _pair(settings: Settings, seed: int) -> tuple[float, float, float]:
    """Test losses of one cosine, of the last of the snapshots, and of their ensemble."""
    rest: dict[str, Any] = {"optimizer": "adamw", "lr": settings.lr, "steps": settings.steps, "warmup": 0, "seed": seed, "check": False}
    rest["evaluate_every"] = settings.steps
    single = ravine.train("digits", **rest)
    several = ravine.train("digits", snapshots=settings.snapshots, **rest)
    assert several.ensemble is not None
    return single.metrics["test"]["loss"], several.metrics["test"]["loss"], several.ensemble.metrics["test"]["loss"]


LESSON = Lesson(
    name="restarts",
    claim="Restarts rarely help one long run, but snapshots at their ends make a cheap ensemble.",
    question="What are warm restarts good for?",
    source="Loshchilov and Hutter (2017), SGDR, arXiv:1608.03983; Huang et al. (2017), Snapshot ensembles, arXiv:1704.00109",
    setup="digits, AdamW, {steps} steps: tuned rates and {seeds} seeds for one cosine against three cycles, each twice as long as the one "
    "before; then {snapshots} equal cycles with snapshots against one cosine at {lr}, {trainings} seeds",
    parts=PARTS,
    experiment=experiment,
    quick=Settings(steps=300, seeds=10, snapshots=4, trainings=6, lr=0.01),
    full=Settings(steps=3000, seeds=20, snapshots=5, trainings=20, lr=0.01),
    full_s=180.0,
    explanation="A restart throws away the low loss that the small rates had bought and pays for it again, so at a fixed length the last "
    "cycle is simply a shorter run from a better start; what SGDR gains is a good model at any time, not a better one at the end "
    "(Loshchilov and Hutter 2017). The ends of the cycles differ from each other, though, and models that err in different places err "
    "less together (Huang et al. 2017): the mean of their predictions costs no further training.",
)
