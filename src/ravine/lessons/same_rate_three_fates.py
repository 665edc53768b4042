"""One shared rate for SGD, momentum and Adam: how far the order in the textbook's figure is the optimisers', and how far the rate's."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ravine.lessons._criterion import Part, Sample, over_seeds
from ravine.lessons._lesson import Lesson, Measured
from ravine.lessons._readings import Reading, decades, divergences, loss_panel, race
from ravine.report.panels import Picture

STATED = 0.01
RATES = (0.001, STATED, 0.1, 0.3)
OPTIMIZERS = ("sgd", "momentum", "adam")
TIE = -0.1
"""Decades by which Adam's loss may lie above momentum's and still count as tied: a quarter."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Sizes of the experiment.

    Attributes:
        steps: of every lane.
        seeds: starts, the same for all three.
        targets: curves, the easiest first.
    """

    steps: int
    seeds: int
    targets: tuple[str, ...]


def _order(rate: float) -> tuple[Part, Part]:
    """Momentum ahead of SGD, and Adam of momentum or tied with it, at one rate."""
    return (
        Part(
            number=f"momentum at {rate:g}",
            says=f"at {rate:g} momentum ends below SGD",
            measures="log10 of SGD's final loss over momentum's, mean of the curves",
            above=0.0,
            elsewhere=rate != STATED,
        ),
        Part(
            number=f"adam at {rate:g}",
            says=f"at {rate:g} Adam ends below momentum or tied with it",
            measures="log10 of momentum's final loss over Adam's, mean of the curves",
            above=TIE,
            elsewhere=rate != STATED,
        ),
    )


PARTS = (
    *_order(STATED),
    Part(
        number="widens",
        says="the gap between SGD and Adam is wider on the hardest curve than on the easiest",
        measures=f"log10 of SGD's loss over Adam's at {STATED:g}, hardest curve less easiest",
        above=0.0,
    ),
    Part(
        number="slows",
        says="from 0.01 to 0.001 SGD loses more than Adam does",
        measures="decades of loss lost by SGD less those lost by Adam, mean of the curves",
        above=0.0,
    ),
    Part(
        number="holds up",
        says="at 0.3 Adam holds up where SGD oscillates: it ends below SGD",
        measures="log10 of SGD's final loss over Adam's at 0.3, mean of the curves",
        above=0.0,
    ),
    *(part for rate in (0.001, 0.1) for part in _order(rate)),
)

Finals = Mapping[tuple[str, float], Mapping[str, Reading]]


def experiment(settings: Settings) -> Measured:
    """Race the three on every curve at every rate."""
    found = {(target, rate): _race(target, rate, settings) for target in settings.targets for rate in RATES}

    def gap(better: str, worse: str, rate: float) -> np.ndarray:
        """Decades by which `better` ends below `worse`, one a seed."""
        return np.asarray(
            np.mean([decades(found[target, rate][better], found[target, rate][worse]) for target in settings.targets], axis=0)
        )

    def lost(optimizer: str) -> np.ndarray:
        slow, usual = ([found[target, rate][optimizer].log_finals for target in settings.targets] for rate in (0.001, STATED))
        return np.asarray(np.mean(slow, axis=0) - np.mean(usual, axis=0))

    easiest, hardest = (
        decades(found[target, STATED]["adam"], found[target, STATED]["sgd"]) for target in (settings.targets[0], settings.targets[-1])
    )
    numbers: dict[str, Sample] = {
        "widens": over_seeds(hardest - easiest),
        "slows": over_seeds(lost("sgd") - lost("adam")),
        "holds up": over_seeds(gap("adam", "sgd", 0.3)),
    }
    for rate in (0.001, STATED, 0.1):
        numbers[f"momentum at {rate:g}"] = over_seeds(gap("momentum", "sgd", rate))
        numbers[f"adam at {rate:g}"] = over_seeds(gap("adam", "momentum", rate))
    also = {
        f"log10 of {name}'s final loss at {rate:g}, mean of the curves": over_seeds(
            np.mean([found[target, rate][name].log_finals for target in settings.targets], axis=0)
        )
        for rate in RATES
        for name in OPTIMIZERS
    }
    notes = [f"{target} at {rate:g}: {note}" for (target, rate), readings in found.items() for note in divergences(readings)]
    return Measured(numbers=numbers, also=also, picture=_picture(found, settings.targets[0]), notes=tuple(notes))


def _race(target: str, rate: float, settings: Settings) -> Mapping[str, Reading]:
    return race(f"curve:{target}", optimizers=OPTIMIZERS, shared_lr=rate, steps=settings.steps, seeds=settings.seeds)


def _picture(found: Finals, target: str) -> Picture:
    panels = [loss_panel(f"rate {rate:g}", found[target, rate], OPTIMIZERS) for rate in RATES]
    return Picture(panels=tuple(panels), caption=f"Loss on {target} at four shared rates: median and range of the seeds.")


LESSON = Lesson(
    name="same-rate-three-fates",
    claim="At one shared rate SGD is the slowest, momentum is faster and Adam first or tied, the more so the harder the target; at 0.001 "
    "SGD slows most, and at 0.3 it oscillates while Adam holds up.",
    question="Does one shared rate show what the optimisers are like?",
    source="textbook",
    setup="1-32-1 tanh networks fit {targets}, full batch, {steps} steps, {seeds} seeds; the claim's rate is 0.01, and 0.001, 0.1 and 0.3 "
    "stand beside it",
    parts=PARTS,
    experiment=experiment,
    quick=Settings(steps=500, seeds=8, targets=("sine", "sawtooth")),
    full=Settings(steps=4000, seeds=12, targets=("sine", "step", "two-bumps", "sawtooth")),
    full_s=45.0,
    explanation="The same number means different things to the three. SGD's step is the rate times the gradient; momentum with 0.9 moves, "
    "once under way, ten times as far (Polyak 1964); Adam's step is about the rate itself in every coordinate, however small the gradient "
    "(Kingma and Ba 2015, section 2.1). A shared rate therefore compares step lengths before it compares optimisers: at a small one "
    "whoever multiplies the gradient least comes last, and at a large one whoever ignores the gradient's size overshoots first. Choi et "
    "al. (2019) show that rankings of optimisers turn with how they were tuned.",
)
