"""What has become of the lanes of a running stage, in numbers and in words."""

import time
from collections.abc import Sequence

import numpy as np

from ravine.fleet import Choice, Culled, Diverged, Evaluated, Event, Finished, LossBlock
from ravine.race.stage import Entry


class Tally:
    """What has become of the lanes of one stage.

    Args:
        name: the stage.
        entries: its lanes.
        steps: optimiser steps of each.

    Attributes:
        lanes, alive: lanes in all, and neither diverged nor culled, by optimiser in the order of entry.
        best: lowest evaluated loss and its step, by optimiser; absent before the first finite one.
    """

    def __init__(self, name: str, entries: Sequence[Entry], steps: int) -> None:
        self.name, self.steps, self.started = name, steps, time.perf_counter()
        self._optimizer = {entry.row.lane: entry.row.optimizer for entry in entries}
        self._steps_done = dict.fromkeys(self._optimizer, 0)
        self._finished: set[int] = set()
        self._diverged: set[int] = set()
        self._culled: set[int] = set()
        names = list(self._optimizer.values())
        self.lanes = {optimizer: names.count(optimizer) for optimizer in dict.fromkeys(names)}
        self.alive = dict(self.lanes)
        self.best: dict[str, tuple[float, int]] = {}

    @property
    def total(self) -> int:
        """Lane-steps of the whole stage."""
        return self.steps * len(self._optimizer)

    @property
    def done(self) -> int:
        """Lane-steps behind us; those that a culled lane will not take, and a tile whose lanes have all diverged, count as run."""
        return sum(self.steps if lane in self._culled else steps for lane, steps in self._steps_done.items())

    @property
    def diverged(self) -> int:
        """Lanes that diverged."""
        return len(self._diverged)

    @property
    def is_over(self) -> bool:
        """Whether every lane is finished."""
        return len(self._finished) == len(self._optimizer)

    def take(self, event: Event) -> None:
        """Count one event."""
        match event:
            case LossBlock():
                for lane in event.lanes:
                    self._steps_done[lane] = event.first_step + len(event.losses)
            case Evaluated():
                self._evaluated(event)
            case Diverged():
                self._end((event.lane,), self._diverged)
            case Culled():
                self._end(event.lanes, self._culled)
            case Finished():
                self._finished.update(event.lanes)
                self._steps_done.update(dict.fromkeys(event.lanes, self.steps))

    def _end(self, lanes: Sequence[int], ended: set[int]) -> None:
        for lane in lanes:
            if lane not in self._diverged | self._culled:
                ended.add(lane)
                self.alive[self._optimizer[lane]] -= 1

    def _evaluated(self, event: Evaluated) -> None:
        for lane, loss in zip(event.lanes, event.values["loss"], strict=True):
            optimizer = self._optimizer[lane]
            if np.isfinite(loss) and (optimizer not in self.best or loss < self.best[optimizer][0]):
                self.best[optimizer] = (float(loss), event.step)

    def ending(self) -> str:
        """How the stage ended."""
        lost = f"; {self.diverged} of {len(self._optimizer)} lanes diverged" if self.diverged else ""
        fewer = f"; {len(self._culled)} were culled" if self._culled else ""
        return f"{self.name}: done in {duration(time.perf_counter() - self.started)}{lost}{fewer}"


def beginning(name: str, lanes: int, steps: int, choice: Choice, memory_bytes: int) -> str:
    """How a stage is about to be run, why so, and what it is expected to cost."""
    together = f"{choice.mode}, up to {choice.tile} at a time" if choice.tile > 1 else "one at a time"
    cost = f"about {duration(choice.seconds)}, {size(memory_bytes)}"
    return f"{name}: {lanes} {'lane' if lanes == 1 else 'lanes'} of {steps:,} steps, {together}; {cost} ({choice.reason})"


def duration(seconds: float) -> str:
    """Seconds in the unit that people would say."""
    if seconds < 1:
        return "1 s" if seconds > 0.95 else f"{seconds:.1f} s"
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def size(num_bytes: float) -> str:
    """Bytes in the unit that people would say."""
    for unit in ("B", "kB", "MB"):
        if num_bytes < 1000:
            return f"{num_bytes:.3g} {unit}"
        num_bytes /= 1000
    return f"{num_bytes:.3g} GB"
