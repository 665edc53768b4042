"""Short trainings of several lanes at once: rates and seeds side by side, on the same batches."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from ravine.fleet import Diverged, Evaluated, Evaluations, Fleet, Lane, LossBlock, Mode
from ravine.rules import resolve
from ravine.schedules import Schedule, create

NO_DECAY = ("weight_decay", "l2")
TOO_SHORT: Mapping[Mode, str] = {"compiled": "a training of a few hundred steps would not pay for torch.compile"}
"""Compiling a convolutional network of usual size takes longer than all that the doctor trains of it."""


@dataclass(slots=True)
class Curves:
    """What lanes did.

    Attributes:
        losses: (steps, lanes) float64, each before its step's update; NaN for steps that were not taken.
        evaluations: step -> metric -> (lanes,); of the test split, "test " stands before the metric.
        diverged: position of a lane -> the step, counted from 1, and why.
    """

    losses: np.ndarray
    evaluations: dict[int, dict[str, np.ndarray]] = field(default_factory=dict)
    diverged: dict[int, tuple[int, str]] = field(default_factory=dict)


def lanes_of(
    optimizer: str,
    rates: Sequence[float],
    seeds: Sequence[int],
    *,
    schedule: Schedule | None = None,
    hypers: Mapping[str, float] | None = None,
    is_decaying: bool = True,
) -> list[Lane]:
    """A lane for every rate and seed, the seeds of a rate side by side.

    Args:
        optimizer: registry name.
        rates: peak rates.
        seeds: lane seeds.
        schedule: of the rate; constant if None.
        hypers: besides the rate.
        is_decaying: whether the weights decay as the optimiser has it by default.
    """
    found = []
    for rate in rates:
        rule, values = resolve(optimizer, dict(hypers or {}) | {"lr": rate})
        if not is_decaying:
            rule, values = resolve(optimizer, {"lr": rate} | {name: 0.0 for name in NO_DECAY if name in values})
        found += [(rule, values, seed) for seed in seeds]
    shape = schedule or create("constant")
    return [Lane(number, rule, values, shape, seed) for number, (rule, values, seed) in enumerate(found)]


def train(
    fleet: Fleet,
    lanes: Sequence[Lane],
    steps: int,
    evaluations: Evaluations | None = None,
    *,
    until: Callable[[Mapping[str, np.ndarray]], bool] | None = None,
) -> Curves:
    """Train lanes of a fleet, in whichever way is the fastest here.

    Args:
        fleet: of the task.
        lanes: numbered from 0 without gaps.
        steps: of each.
        evaluations: when which split is evaluated.
        until: told of every evaluation; once it says so, no lane needs to go on.
    """
    wanted = evaluations or Evaluations({}, {})
    curves = Curves(np.full((steps, len(lanes)), np.nan))
    for event in fleet.run(lanes, steps, wanted, fleet.calibrate(lanes, steps, wanted, without=TOO_SHORT)):
        match event:
            case LossBlock():
                block = event.losses.astype(np.float64)
                curves.losses[event.first_step : event.first_step + len(block), list(event.lanes)] = block
            case Diverged():
                curves.diverged[event.lane] = (event.step, event.reason)
            case Evaluated():
                _enter(curves, event, len(lanes))
                if until is not None and until(event.values):
                    break
    return curves


def _enter(curves: Curves, event: Evaluated, count: int) -> None:
    held = curves.evaluations.setdefault(event.step, {})
    before = "" if event.split == "validation" else f"{event.split} "
    for metric, values in event.values.items():
        held.setdefault(before + metric, np.full(count, np.nan))[list(event.lanes)] = values


def marks(steps: int, number: int) -> frozenset[int]:
    """So many steps at which something is evaluated, evenly spread, the first and the last among them."""
    return frozenset(int(step) for step in np.linspace(0, steps, number + 1).round())


def best(curves: Curves, metric: str = "loss", *, held: int = 1) -> np.ndarray:
    """The lowest value of every lane that so many evaluations in a row stay at or below, (lanes,); infinite where there is none."""
    known = np.stack([values[metric] for values in curves.evaluations.values()])
    rows = np.where(np.isnan(known), np.inf, known)
    return np.asarray(np.stack([rows[place : len(rows) - held + 1 + place] for place in range(held)]).max(axis=0).min(axis=0))
