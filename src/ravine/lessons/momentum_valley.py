"""How much momentum helps, from a round bowl to a long valley."""

import math
from dataclasses import dataclass

import numpy as np

from ravine import surfaces
from ravine.lessons._criterion import Part, Sample, exact, over_seeds
from ravine.lessons._lesson import Lesson, Measured
from ravine.lessons._paths import starts
from ravine.report.panels import Curve, Panel, Picture

ROUND, LITTLE = 1, 10
FACTORS = tuple(float(factor) for factor in np.geomspace(0.25, 4.0, 9))
"""Rates that are tried, as multiples of one over the greatest curvature: 1 is among them, and for SGD 2 is the limit."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Sizes of the experiment.

    Attributes:
        conditions: condition numbers, 1 and 10 first; the last is the long valley.
        starts: places to start from.
    """

    conditions: tuple[int, ...]
    starts: int


PARTS = (
    Part(
        number="long",
        says="in the longest valley momentum takes fewer steps",
        measures="log10 of SGD's steps to the minimum over momentum's, longest valley",
        above=0.0,
    ),
    Part(number="round", says="on the round bowl momentum takes no fewer steps", measures="the same on the round bowl", below=0.0),
    Part(
        number="grows",
        says="momentum helps more the longer the valley",
        measures="the same, longest valley less condition number 10",
        above=0.0,
    ),
)


def experiment(settings: Settings) -> Measured:
    """Count steps to the minimum of both, each at its best rate, at every condition number from every start."""
    places = starts(settings.starts, 0, x=(2.0, 4.5), y=(0.5, 2.0))
    steps = {condition: np.array([_steps(condition, place) for place in places]) for condition in settings.conditions}
    gains = {condition: np.log10(found[:, 0] / found[:, 1]) for condition, found in steps.items()}
    longest = settings.conditions[-1]
    numbers: dict[str, Sample] = {
        "long": over_seeds(gains[longest]),
        "round": over_seeds(gains[ROUND]),
        "grows": over_seeds(gains[longest] - gains[LITTLE]),
    }
    also: dict[str, Sample] = {}
    for condition, found in steps.items():
        also |= {
            f"steps of {name} at condition {condition:,}": over_seeds(found[:, place]) for place, name in enumerate(("SGD", "momentum"))
        }
        if condition > ROUND:
            also[f"times fewer that theory grants the best momentum at condition {condition:,}"] = exact(_theory(condition))
    return Measured(numbers=numbers, also=also, picture=_picture(steps))


def _steps(condition: int, start: tuple[float, float]) -> tuple[float, float]:
    """Of SGD and of momentum, the fewest over the rates; the whole run where none arrived."""
    steps = 4 * condition + 200
    rates = [factor / condition for factor in FACTORS]
    race = surfaces.race(f"ravine:condition={condition}", ["sgd", "momentum"], lr=rates, steps=steps, start=start)
    first, second = (race.path(name).steps_to_minimum or steps for name in ("sgd", "momentum"))
    return float(first), float(second)


def _theory(condition: int) -> float:
    """Times fewer steps with the best momentum: the ratio of log rates of convergence (Polyak 1964)."""
    root = math.sqrt(condition)
    return math.log((root - 1) / (root + 1)) / math.log((condition - 1) / (condition + 1))


def _picture(steps: dict[int, np.ndarray]) -> Picture:
    conditions = np.array(list(steps), dtype=np.float64)
    curves = []
    for place, name in enumerate(("sgd", "momentum")):
        found = np.array([values[:, place] for values in steps.values()])
        curves.append(Curve(name=name, x=conditions, y=np.median(found, axis=1), low=found.min(axis=1), high=found.max(axis=1)))
    # Of the theory only the slopes are drawn: it counts no steps, but factors a step.
    anchor = float(np.median(list(steps.values())[-1][:, 0]))
    curves.append(
        Curve(name="best momentum in theory", x=conditions[1:], y=[anchor * c / conditions[-1] / _theory(int(c)) for c in conditions[1:]])
    )
    panel = Panel(
        title="steps to the minimum, each at its best rate",
        across="condition number",
        up="steps",
        curves=tuple(curves),
        log_x=True,
        log_y=True,
    )
    return Picture(panels=(panel,), caption="Steps to the minimum against the condition number: median and range of the starts.")


LESSON = Lesson(
    name="momentum-valley",
    claim="Momentum helps most in long valleys and least on round bowls.",
    question="When is momentum worth its memory?",
    source="Polyak (1964), Some methods of speeding up the convergence of iteration methods",
    setup="0.5 (x^2 + k y^2) for k of {conditions}, from {starts} places, each of SGD and momentum 0.9 at the best of 9 rates from 0.25/k "
    "to 4/k by steps until it stays at the minimum",
    parts=PARTS,
    experiment=experiment,
    quick=Settings(conditions=(1, 10, 100), starts=6),
    full=Settings(conditions=(1, 10, 100, 1000, 10000), starts=6),
    full_s=280.0,
    explanation="At its best rate SGD shrinks the error by (k - 1)/(k + 1) a step, so its steps grow like k. Momentum with the best factor "
    "shrinks it by (root k - 1)/(root k + 1), so its steps grow like the root of k (Polyak 1964). A fixed factor of 0.9 is the best one "
    "only near k = 1,400: in longer valleys it still saves its up to twentyfold, but grows like k again, and on a round bowl, which "
    "SGD crosses in one step, it only has to be slowed down.",
)
