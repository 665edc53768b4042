"""Whether a shorter memory of the second moment makes the training of a transformer steadier."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

import ravine
from ravine.lessons._criterion import Part, over_seeds
from ravine.lessons._lesson import Lesson, Measured
from ravine.report.panels import Bar, Curve, Panel, Picture
from ravine.tasks import load

SHORT, LONG = 0.95, 0.999
USUAL, HOT = 1e-3, 1e-2
WINDOW = 20
"""Steps before each that its loss is compared with."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Sizes of the experiment.

    Attributes:
        task: a small GPT.
        steps: of every training.
        seeds: of weights and order.
    """

    task: str
    steps: int
    seeds: int


PARTS = (
    Part(
        number="steadier",
        says=f"at a rate of {HOT:g} the loss leaps less with beta2 = {SHORT}",
        measures=f"log2 of the largest leap with {LONG} over that with {SHORT}",
        above=0.0,
    ),
    Part(
        number="steadier, usual",
        says=f"so it does at the usual rate of {USUAL:g}",
        measures=f"log2 of the largest leap with {LONG} over that with {SHORT}",
        above=0.0,
        elsewhere=True,
    ),
)


def experiment(settings: Settings) -> Measured:
    """Train pairs from the same weights on the same batches."""
    task = load(settings.task)
    losses = {(rate, beta2): _losses(task, settings, rate, beta2) for rate in (HOT, USUAL) for beta2 in (SHORT, LONG)}
    leaps = {key: np.array([leap(row) for row in rows]) for key, rows in losses.items()}
    also = {f"largest leap, rate {rate:g}, beta2 {beta2:g}": over_seeds(values) for (rate, beta2), values in leaps.items()}
    for (rate, beta2), rows in losses.items():
        also[f"mean loss of the last {WINDOW} steps, rate {rate:g}, beta2 {beta2:g}"] = over_seeds(rows[:, -WINDOW:].mean(axis=1))
    numbers = {
        name: over_seeds(np.log2(leaps[rate, LONG] / leaps[rate, SHORT])) for name, rate in (("steadier", HOT), ("steadier, usual", USUAL))
    }
    return Measured(numbers=numbers, also=also, picture=_picture(losses, leaps))


def _losses(task: ravine.Task, settings: Settings, rate: float, beta2: float) -> np.ndarray:
    """Training loss of every step, (seeds, steps)."""
    options: dict[str, Any] = {"optimizer": "adamw", "lr": rate, "schedule": "constant", "warmup": 0, "clip": 0, "check": False}
    options |= {"steps": settings.steps, "evaluate_every": settings.steps}
    trained = [ravine.train(task, seed=seed, hypers={"beta2": beta2}, **options) for seed in range(settings.seeds)]
    return np.array([run.history.loss for run in trained])


def leap(losses: Sequence[float] | np.ndarray) -> float:
    """The largest rise of a loss above the median of the steps before it."""
    values = np.asarray(losses, dtype=np.float64)
    before = np.lib.stride_tricks.sliding_window_view(values[:-1], WINDOW)
    return float(np.max(values[WINDOW:] - np.median(before, axis=-1)))


def _picture(losses: dict[tuple[float, float], np.ndarray], leaps: dict[tuple[float, float], np.ndarray]) -> Picture:
    curves = tuple(
        Curve(name=f"beta2 = {beta2:g}", x=np.arange(1, losses[HOT, beta2].shape[1] + 1), y=losses[HOT, beta2][0])
        for beta2 in (LONG, SHORT)
    )
    bars = tuple(
        Bar(
            label=f"{beta2:g} at {rate:g}",
            value=float(np.mean(values)),
            low=float(values.min()),
            high=float(values.max()),
            name=f"beta2 = {beta2:g}",
        )
        for (rate, beta2), values in leaps.items()
    )
    panels = (
        Panel(title=f"one seed at a rate of {HOT:g}", across="step", up="training loss", curves=curves),
        Panel(title="largest leap of the loss", across="nats", bars=bars),
    )
    caption = "Training loss of a small GPT with two values of beta2, and its largest leap: mean and range of the seeds."
    return Picture(panels=panels, caption=caption)


LESSON = Lesson(
    name="beta2",
    claim="On transformers beta2 = 0.95 is steadier than 0.999.",
    question="Does a shorter memory of the second moment keep the loss from leaping?",
    source="Zhai et al. (2023), Sigmoid loss for language image pre-training; Brown et al. (2020)",
    setup="{task}, AdamW without warm-up or clipping, {steps} steps, {seeds} seeds; a leap is a rise of the training loss above "
    "the median of the 20 steps before; the claim's rate is 0.01, and 0.001 stands beside it",
    parts=PARTS,
    experiment=experiment,
    quick=Settings(task="chars:layers=2,heads=2,width=16,context=16", steps=100, seeds=4),
    full=Settings(task="chars:layers=2,heads=2,width=64,context=32", steps=1000, seeds=6),
    full_s=300.0,
    explanation="Adam divides by the root of a mean of squared gradients over about 1 / (1 - beta2) steps: a thousand for 0.999, "
    "twenty for 0.95. When gradients suddenly grow, as they do where a feature of the network begins to be used, the long mean "
    "still holds the small ones and the step is too large for dozens of steps. A short mean follows at once, at the price of a "
    "noisier division. Zhai et al. (2023) lowered beta2 to 0.95 to end the spikes of large image and text transformers, and Brown "
    "et al. (2020) trained GPT-3 with it. In a short run bias correction makes both means short at the start, which narrows the "
    "difference.",
)
