"""What lessons read of a race: final values and curves of every entrant, over the fresh seeds."""

import math
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import ravine
from ravine.records.statistics import steps_to_target
from ravine.report.facts import read_facts
from ravine.report.panels import Curve, Panel


@dataclass(frozen=True, slots=True)
class Reading:
    """One entrant of a race at its ranked rate; arrays are over the seeds, in their order.

    Attributes:
        name: of the entrant.
        lr: its rate.
        finals: last value of the metric; that at the start where the lane diverged, for it has nothing to show.
        steps: evaluated steps, (T,).
        values: the metric there, (seeds, T); NaN after a divergence.
        diverged: number of lanes that did.
    """

    name: str
    lr: float
    finals: np.ndarray
    steps: np.ndarray
    values: np.ndarray
    diverged: int

    @property
    def log_finals(self) -> np.ndarray:
        """log10 of the final values."""
        return np.asarray(np.log10(self.finals))

    def times(self, target: float, *, higher_is_better: bool = False) -> np.ndarray:
        """Steps to a target that is held for two evaluations; infinite where it never was."""
        sign = -1.0 if higher_is_better else 1.0
        return np.array([steps_to_target(self.steps, sign * row, sign * target) for row in self.values])

    def curve(self, name: str = "") -> Curve:
        """The median over the seeds with the range as its band, for a figure; it ends where half of the seeds have diverged."""
        middle = np.median(np.where(np.isfinite(self.values), self.values, math.inf), axis=0)
        known = np.isfinite(middle)
        inside = self.values[:, known]
        low, high = np.nanmin(inside, axis=0), np.nanmax(inside, axis=0)
        return Curve(name=name or self.name, x=self.steps[known], y=middle[known], low=low, high=high, is_broken=not known.all())


@contextmanager
def raced(task: "ravine.Task | str", **options: Any) -> Iterator["ravine.Result"]:
    """A race whose record lasts as long as the block; for options see `ravine.race`."""
    with tempfile.TemporaryDirectory(prefix="ravine-lesson-") as folder:
        yield ravine.race(task, out=Path(folder) / "race.ravine", **options)


def race(task: "ravine.Task | str", metric: str = "loss", **options: Any) -> Mapping[str, Reading]:
    """Race, and read every entrant by name, best first.

    Args:
        task: as for `ravine.race`.
        metric: "loss", or one of the task's, on the split that ranks.
        options: of `ravine.race`.
    """
    with raced(task, **options) as result:
        return read(result, metric)


def read(result: "ravine.Result", metric: str = "loss") -> Mapping[str, Reading]:
    """Every entrant of a finished race by name, best first.

    Args:
        result: of `ravine.race`.
        metric: "loss", or one of the task's, on the split that ranks.
    """
    found = {}
    with result.record() as record:
        facts = read_facts(record)
        for entrant in facts.ranking:
            lanes = sorted(facts.final_lanes(entrant), key=lambda lane: lane.seed)
            steps, values = record.curves(lanes, facts.split, metric)
            finals = np.where(np.isfinite(values[:, -1]), values[:, -1], values[:, 0])
            diverged = sum(lane.status == "diverged" for lane in lanes)
            found[entrant.optimizer] = Reading(entrant.optimizer, entrant.lr, finals, steps, values, diverged)
    return found


def loss_panel(title: str, readings: Mapping[str, Reading], names: Sequence[str] | None = None, *, up: str = "loss") -> Panel:
    """Loss against steps of the entrants, by what they are called; a curve that blew up leaves the panel at twice its start."""
    shown = {name: readings[name] for name in names or readings}
    values = np.concatenate([reading.values.ravel() for reading in shown.values()])
    start = max(float(np.nanmedian(reading.values[:, 0])) for reading in shown.values())
    low = float(np.nanmin(values[values > 0]))
    curves = tuple(reading.curve(name) for name, reading in shown.items())
    horizon = float(max(reading.steps[-1] for reading in shown.values()))
    limits = (-0.02 * horizon, 1.02 * horizon), (low / 1.3, 2 * start)
    return Panel(title=title, across="step", up=up, curves=curves, log_y=True, x_range=limits[0], y_range=limits[1])


def decades(better: Reading, worse: Reading) -> np.ndarray:
    """Powers of ten by which one entrant's final values lie below another's, one a seed."""
    return np.asarray(worse.log_finals - better.log_finals)


def divergences(readings: Mapping[str, Reading]) -> list[str]:
    """A note for every entrant that lost lanes."""
    lost = {name: reading for name, reading in readings.items() if reading.diverged}
    return [
        f"{name} diverged in {one.diverged} of {len(one.values)} seeds, which count with their loss at the start."
        for name, one in lost.items()
    ]
