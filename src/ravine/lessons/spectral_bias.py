"""Low frequencies are learnt first, and whether any of three optimisers changes that."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import ravine
from ravine.lessons._criterion import Part, median_over_seeds
from ravine.lessons._lesson import Lesson, Measured
from ravine.lessons._readings import Reading, raced, read
from ravine.report.panels import Curve, Panel, Picture

OPTIMIZERS = ("sgd", "momentum", "adam")
LOW, HIGH = 1, 4
LEARNT = 0.5
"""Share of a wave's amplitude that may be missing when it counts as learnt: half of it."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Sizes of the experiment.

    Attributes:
        frequencies: waves in the unit interval that the target is the sum of.
        points: to train on.
        width: features of the two hidden layers.
        steps: of every lane.
        seeds: fresh seeds at the tuned rates.
    """

    frequencies: tuple[int, ...]
    points: int
    width: int
    steps: int
    seeds: int


PARTS = tuple(
    Part(
        number=name,
        says=f"with tuned {name} the wave of frequency {LOW} is learnt before that of {HIGH}",
        measures=f"log2 of the steps until frequency {HIGH} is learnt, all of them if never, over those of {LOW}",
        above=0.0,
    )
    for name in OPTIMIZERS
)


def experiment(settings: Settings) -> Measured:
    """Race the three on a sum of waves of one amplitude, and take the errors apart by frequency."""
    with raced(waves(settings), optimizers=OPTIMIZERS, steps=settings.steps, seeds=settings.seeds) as result:
        errors = {k: read(result, f"wave {k}") for k in settings.frequencies}
    times = {(name, k): learnt_at(errors[k][name]) for name in OPTIMIZERS for k in settings.frequencies}
    numbers = {name: median_over_seeds(later(times[name, LOW], times[name, HIGH], settings.steps)) for name in OPTIMIZERS}
    also = {
        f"{name}: steps until frequency {k} is learnt": median_over_seeds(times[name, k])
        for name in OPTIMIZERS
        for k in settings.frequencies
    }
    rates = ", ".join(f"{name} {errors[LOW][name].lr:.3g}" for name in OPTIMIZERS)
    return Measured(numbers=numbers, also=also, picture=_picture(errors), notes=(f"The tuned rates are: {rates}.",))


def waves(settings: Settings) -> ravine.Task:
    """Fit the sum of sin(2 pi k x); each metric is what is missing of one wave, as a share of its amplitude."""

    def split(offset: float) -> tuple[Tensor, Tensor]:
        x = (torch.arange(settings.points) + offset) / settings.points
        return x[:, None], torch.stack([torch.sin(2 * torch.pi * k * x) for k in settings.frequencies]).sum(0)[:, None]

    def model() -> nn.Module:
        width = settings.width
        return nn.Sequential(nn.Linear(1, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 1))

    metrics = {f"wave {k}": _missing(k) for k in settings.frequencies}
    return ravine.Task("waves", model, split(0.0), split(0.5), step=_step, metrics=metrics, batch_size=None)


def _step(model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
    return F.mse_loss(model(batch[0]), batch[1])


def _missing(frequency: int) -> Callable[[nn.Module, tuple[Tensor, Tensor]], Tensor]:
    def missing(model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
        # A mean over rows of a product, so that batches of an evaluation add up; on a whole grid waves are orthogonal.
        x, y = batch
        projected: Tensor = (y - model(x)) * torch.sin(2 * torch.pi * frequency * x)
        return 2 * projected.mean()

    missing.lower_is_better = True  # type: ignore[attr-defined]
    return missing


def learnt_at(reading: Reading) -> np.ndarray:
    """First evaluated step from which on no more than `LEARNT` of a wave is ever missing; infinite where there is none."""
    missing = np.abs(np.where(np.isfinite(reading.values), reading.values, np.inf)) > LEARNT
    found = []
    for row in missing:
        last = int(np.flatnonzero(row)[-1]) if row.any() else -1
        found.append(float(reading.steps[last + 1]) if last + 1 < len(row) else np.inf)
    return np.array(found)


def later(low: np.ndarray, high: np.ndarray, horizon: int) -> np.ndarray:
    """log2 of how many times later the second was learnt; what never was counts as learnt at the horizon, which it was not before."""
    first, second = (np.clip(times, 1, horizon) for times in (low, high))
    return np.asarray(np.log2(second / first))


def _picture(errors: Mapping[int, Mapping[str, Reading]]) -> Picture:
    panels = []
    for name in OPTIMIZERS:
        curves = []
        for k, readings in errors.items():
            reading = readings[name]
            values = np.abs(reading.values)
            curves.append(Curve(name=f"frequency {k}", x=reading.steps, y=np.nanmedian(values, axis=0)))
        title = f"{name}, rate {errors[LOW][name].lr:.3g}"
        panels.append(Panel(title=title, across="step", up="share of the wave missing", curves=tuple(curves), levels={"learnt": LEARNT}))
    return Picture(panels=tuple(panels), caption="What is missing of each wave, per optimiser: medians of the seeds.", across=3)


LESSON = Lesson(
    name="spectral-bias",
    claim="A network learns low frequencies first, and none of SGD, momentum and Adam removes that.",
    question="Does a better optimiser help with fine detail?",
    source="Rahaman et al. (2019)",
    setup="1-{width}-{width}-1 ReLU networks fit a sum of sines of frequencies {frequencies} at {points} points of the unit "
    "interval, full batch, {steps} steps; rates tuned over twelve half-decades, then {seeds} fresh seeds; learnt means that less "
    "than half is missing for good",
    parts=PARTS,
    experiment=experiment,
    quick=Settings(frequencies=(1, 2, 4), points=64, width=32, steps=600, seeds=10),
    full=Settings(frequencies=(1, 2, 4, 8), points=128, width=64, steps=3000, seeds=10),
    full_s=100.0,
    explanation="A gradient step moves the outputs along the kernel of the network's slopes, and an error shrinks at the rate of "
    "the eigenvalue that it lies on. For such networks these kernels are smooth, so that their large eigenvalues belong to low "
    "frequencies (Rahaman et al. 2019; Ronen et al. 2019): a wave of frequency k comes later by a power of k. Adam changes the "
    "metric in the space of the weights and with it the kernel, which moves all the rates but need not change their order. What "
    "does change it is the input: features sin(2 pi k x) make the kernel flat over the frequencies that they hold (Tancik et al. "
    "2020).",
)
