"""The race of the shared rate again, each optimiser at its own."""

from dataclasses import dataclass

import numpy as np

from ravine.lessons._criterion import Part, over_seeds
from ravine.lessons._lesson import Lesson, Measured
from ravine.lessons._readings import decades, loss_panel, race
from ravine.lessons.same_rate_three_fates import OPTIMIZERS, TIE
from ravine.report.panels import Picture


@dataclass(frozen=True, slots=True)
class Settings:
    """Sizes of the experiment.

    Attributes:
        steps: of every lane.
        seeds: fresh seeds at the tuned rates.
        targets: curves.
    """

    steps: int
    seeds: int
    targets: tuple[str, ...]


PARTS = (
    Part(
        number="momentum",
        says="tuned momentum ends below tuned SGD",
        measures="log10 of SGD's final loss over momentum's, mean of the curves",
        above=0.0,
    ),
    Part(
        number="adam",
        says="tuned Adam ends below tuned momentum or tied with it",
        measures="log10 of momentum's final loss over Adam's, mean of the curves",
        above=TIE,
    ),
)


def experiment(settings: Settings) -> Measured:
    """Tune and race the three on every curve."""
    found = {
        target: race(f"curve:{target}", optimizers=OPTIMIZERS, steps=settings.steps, seeds=settings.seeds) for target in settings.targets
    }

    def gap(better: str, worse: str) -> np.ndarray:
        return np.asarray(np.mean([decades(readings[better], readings[worse]) for readings in found.values()], axis=0))

    panels = [
        loss_panel(f"{target}: " + ", ".join(f"{name} {readings[name].lr:.2g}" for name in OPTIMIZERS), readings, OPTIMIZERS)
        for target, readings in found.items()
    ]
    return Measured(
        numbers={"momentum": over_seeds(gap("momentum", "sgd")), "adam": over_seeds(gap("adam", "momentum"))},
        also={
            f"log10 of {name}'s final loss on {target} at its rate {reading.lr:.3g}": over_seeds(reading.log_finals)
            for target, readings in found.items()
            for name, reading in readings.items()
        },
        picture=Picture(panels=tuple(panels), caption="Loss of each optimiser at its own tuned rate: median and range of the seeds."),
    )


LESSON = Lesson(
    name="tuned-rates",
    claim="Each at its own rate, the order of the shared rate stays: SGD is the slowest, momentum faster, Adam first or tied.",
    question="How much of the gap at a shared rate is the rate's?",
    source="textbook",
    setup="1-32-1 tanh networks fit {targets}, full batch, {steps} steps; rates tuned over twelve half-decades with an equal budget, then "
    "{seeds} fresh seeds",
    parts=PARTS,
    experiment=experiment,
    quick=Settings(steps=500, seeds=8, targets=("sine", "sawtooth")),
    full=Settings(steps=4000, seeds=12, targets=("sine", "step", "two-bumps", "sawtooth")),
    full_s=30.0,
    explanation="On a quadratic of condition number k, SGD at its best rate shrinks the error by (k - 1)/(k + 1) a step and momentum, with "
    "its best factor, by the same of the root of k (Polyak 1964): that difference is the method's and no rate removes it. What tuning "
    "removes is the accident that one number is too small for SGD and right for Adam. How much is then left depends on how badly the "
    "problem is scaled, which Adam's division by the root of the second moment corrects in part (Kingma and Ba 2015).",
)
