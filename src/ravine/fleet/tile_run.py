"""One tile from its first step, or from a snapshot, to its last: steps, evaluations, divergence and snapshots."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ravine.fleet.devices import repeatable
from ravine.fleet.divergence import Divergence, DivergenceWatch
from ravine.fleet.events import Diverged, Evaluated, Event, Finished, LossBlock, Paused, Remark, Saved, Started
from ravine.fleet.rungs import Rungs
from ravine.fleet.snapshot import Snapshot, Snapshots
from ravine.fleet.tiles import Tile
from ravine.tasks._randomness import isolated

BLOCK_S = 1.0
"""Seconds that steps run without a break: at each break a snapshot may be taken, and the run may be stopped."""

FIRST_BLOCK = 16
"""Steps before the first break, while nothing is known of their speed; each block may be twice as long as the one before."""


@dataclass(frozen=True, slots=True)
class Evaluations:
    """When which split is evaluated.

    Attributes:
        at: split name ("validation" or "test") -> steps, counted after the update; 0 is before the first.
        splits: split name -> tree of tensors.
    """

    at: Mapping[str, frozenset[int]]
    splits: Mapping[str, Any] = field(repr=False)

    def marks(self, steps: int) -> list[int]:
        """Every step at which something is evaluated, and the last."""
        return sorted({step for grid in self.at.values() for step in grid} | {steps})


class TileRun:
    """Runs a tile and reports what happens as it happens.

    Between two marks the steps are cut into blocks of about a second; a cut changes no bit, since every step is a
    function of the state and of its number alone.

    Args:
        tile: a fresh tile.
        mode: how it runs, for the record.
        steps: optimiser steps of each lane.
        evaluations: when which split is evaluated.
        evaluate: values of every lane on a split: metric -> (lanes,) float64.
        snapshots: where the state goes now and then; nowhere if None.
        rungs: where it waits; nowhere if None.
    """

    def __init__(
        self,
        tile: Tile,
        mode: str,
        steps: int,
        evaluations: Evaluations,
        *,
        evaluate: Callable[[Tile, Any], Mapping[str, np.ndarray]],
        snapshots: Snapshots | None = None,
        rungs: Rungs | None = None,
    ) -> None:
        self._tile, self._mode, self._steps, self._evaluations = tile, mode, steps, evaluations
        self._evaluate_split, self._snapshots = evaluate, snapshots
        self._numbers = tuple(lane.number for lane in tile.lanes)
        self._watch, self._alive_L = DivergenceWatch(len(self._numbers)), np.ones(len(self._numbers), dtype=bool)
        self._position, self._busy_s, self._block = -1, 0.0, FIRST_BLOCK
        self._rungs, self._names = rungs or Rungs(), dict[str, tuple[str, ...]]()
        self._saved_at, self._saved_s = -1, 0.0

    @property
    def is_saved(self) -> bool:
        """Whether a snapshot holds the tile as it is."""
        return self._saved_at == self._position

    def restore(self, snapshot: Snapshot) -> None:
        """Go on from a snapshot of the same lanes: events from its step on follow, the ones before it do not come again."""
        parts: dict[str, dict[str, Tensor]] = {"tile": {}, "watch": {}, "run": {}}
        for name, tensor in snapshot.tensors.items():
            part, _, rest = name.partition("/")
            parts[part][rest] = tensor
        with quiet_threads():
            self._tile.restore(parts["tile"])
        self._watch.restore({name: tensor.numpy() for name, tensor in parts["watch"].items()})
        self._alive_L = parts["run"]["alive"].numpy().copy()
        self._position, self._busy_s = snapshot.header["step"], snapshot.header["busy_s"]
        self._saved_at, self._saved_s = self._position, self._busy_s

    def events(self) -> Iterator[Event]:
        """Run to the end."""
        yield Started(self._numbers, self._mode)
        for mark in sorted({*self._evaluations.marks(self._steps), *self._rungs.steps}):
            # A snapshot is taken after everything that is due at its step, but for what is decided there.
            if mark > self._position:
                yield from self._reach(mark)
            if mark == self._position and mark in self._rungs.steps:
                yield from self._wait(mark)
        yield Finished(self._numbers, self._busy_s)

    def _reach(self, mark: int) -> Iterator[Event]:
        self._position = max(self._position, 0)
        while self._position < mark:
            yield from self._advance(mark)
            if self._position < mark:
                yield from self._save()
        yield from self._evaluate(mark)
        if mark < self._steps:
            yield from self._save()

    def _wait(self, step: int) -> Iterator[Event]:
        """Wait at a rung until it is decided, and stop the lanes that end there."""
        if step not in self._rungs.decided:
            yield from self._save(waits=True)
            yield Paused(self._numbers, step)
        dropped = self._rungs.decided[step]
        positions = [position for position, number in enumerate(self._numbers) if number in dropped]
        self._tile.drop(dropped)
        self._watch.drop(positions)
        self._alive_L[positions] = False

    def _advance(self, mark: int) -> Iterator[Event]:
        """One block of steps towards `mark`; nothing is left to do once every lane has ended."""
        first = self._position
        if not self._alive_L.any():
            self._position = mark
            return
        started = time.perf_counter()
        count = min(mark - first, self._block)
        with quiet_threads():
            losses, finite = self._tile.run(count)
            ended = self._watch.observe(losses, finite)
        spent = time.perf_counter() - started
        self._busy_s += spent
        self._block = max(1, min(2 * self._block, int(count * BLOCK_S / max(spent, 1e-9))))
        self._position = first + count
        block = _until_the_end(losses, self._alive_L, ended, first)
        for end in ended:
            self._tile.freeze(end.position)
            self._alive_L[end.position] = False
        # Only now, with the state consistent, may a reader of events stop reading.
        yield from (Diverged(self._numbers[end.position], end.step, end.reason) for end in ended)
        yield LossBlock(self._numbers, first, block)

    def _evaluate(self, mark: int) -> Iterator[Event]:
        for name in (name for name, grid in self._evaluations.at.items() if mark in grid):
            if name in self._names and not self._alive_L.any():
                yield Evaluated(self._numbers, mark, name, {metric: np.full(len(self._numbers), np.nan) for metric in self._names[name]})
                continue
            with quiet_threads():
                found = self._evaluate_split(self._tile, self._evaluations.splits[name])
            values = {metric: np.where(self._alive_L, column, np.nan) for metric, column in found.items()}
            self._names[name] = tuple(values)
            if mark == 0:
                self._watch.start_from(values["loss"])
            yield Evaluated(self._numbers, mark, name, values)

    def _save(self, *, waits: bool = False) -> Iterator[Saved | Remark]:
        """Take a snapshot if it is time for one, or, of a tile that waits for others, if its work is worth one."""
        snapshots = self._snapshots
        if snapshots is None:
            return
        is_ending = snapshots.is_ending()
        is_due = is_ending or snapshots.is_due
        if waits and not is_due:
            is_due = (self._rungs.parks and not snapshots.is_broken) or snapshots.pays(self._busy_s - self._saved_s)
        if is_due and self._position > 0 and not self.is_saved and self._tile.is_savable:
            header = {"mode": self._mode, "busy_s": self._busy_s}
            with quiet_threads():
                event = snapshots.write(self._numbers, self._position, header, self._state)
            if isinstance(event, Saved):
                self._saved_at, self._saved_s = self._position, self._busy_s
            yield event
        if is_ending:
            raise KeyboardInterrupt

    def _state(self) -> dict[str, Tensor]:
        tile = {f"tile/{name}": tensor for name, tensor in self._tile.save().items()}
        watch = {f"watch/{name}": torch.from_numpy(np.asarray(array)) for name, array in self._watch.save().items()}
        return tile | watch | {"run/alive": torch.from_numpy(self._alive_L)}


def _until_the_end(losses: np.ndarray, alive_L: np.ndarray, ended: Sequence[Divergence], first: int) -> np.ndarray:
    """Losses with NaN for steps after a lane's divergence, which it did not take."""
    kept = losses.copy()
    kept[:, ~alive_L] = np.nan
    for end in ended:
        kept[end.step - first :, end.position] = np.nan
    return kept


@contextmanager
def quiet_threads() -> Iterator[None]:
    """One torch thread, denormals flushed and random streams of our own; all as before afterwards.

    Two threads on two busy cores can be hundreds of times slower than one, and denormal numbers, which lanes with
    vanishing gradients produce, cost a hundred times a normal operation. It surrounds only our own work, never a
    `yield`: the caller's code runs under the caller's settings.
    """
    threads, flushes = torch.get_num_threads(), float(torch.tensor(1e-40) * 1.0) == 0.0
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    try:
        with isolated(0), repeatable():
            yield
    finally:
        torch.set_flush_denormal(flushes)
        torch.set_num_threads(threads)
