"""A fleet: many copies of one task's model, each with its own optimiser, trained in this process."""

import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.utils import _pytree as pytree

from ravine.base._seeds import derive
from ravine.base.errors import TaskError
from ravine.fleet.calibration import Candidates, Choice, Mode, calibrate, tile_size
from ravine.fleet.data import gather, size, to_device
from ravine.fleet.divergence import DivergenceWatch
from ravine.fleet.events import Diverged, Evaluated, Event, Finished, LossBlock, Started
from ravine.fleet.lanes import Lane, group_lanes, tile_lanes
from ravine.fleet.loop_tile import LoopTile
from ravine.fleet.memory import forecast
from ravine.fleet.stacked_tile import StackedTile
from ravine.fleet.support import Support, probe
from ravine.fleet.tiles import Tile, Training
from ravine.fleet.tracing import Step
from ravine.tasks import Objective, Task
from ravine.tasks._randomness import isolated

EVALUATION_BYTES = 64 * 2**20
"""Activations that an evaluation may hold at once."""


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


class Fleet:
    """Trains lanes of one task.

    Args:
        task: what is trained.
        race_seed: seed of everything random; a lane's randomness depends on it and on the lane's own seed only.
        device: where lanes live.
        train: the training split; the task's own when left out.
    """

    def __init__(self, task: Task, *, race_seed: int = 0, device: str | torch.device = "cpu", train: Any = None) -> None:
        self.task, self.race_seed, self.device = task, race_seed, torch.device(device)
        self.train = to_device(task.data.train if train is None else train, self.device)
        self._compiled: dict[Any, Step] = {}
        self._support: Support | None = None
        self.compile_seconds = 0.0

    @property
    def batch_size(self) -> int:
        """Examples in a batch."""
        return min(self.task.batch_size or size(self.train), size(self.train))

    def model(self, seed: int) -> nn.Module:
        """The objective that lanes of `seed` start from, on the device."""
        return Objective(self.task.build(derive(self.race_seed, seed, "init")), self.task).to(self.device)

    @property
    def support(self) -> Support:
        """What the engine may do with this model, probed once."""
        if self._support is None:
            rows = torch.arange(self.batch_size, device=self.device)
            batch, second = gather(self.train, rows), gather(self.train, (rows + self.batch_size) % size(self.train))
            with quiet_threads():
                self._support = probe(self.model(0), batch, self.model(1), second=second, build=lambda: self.model(0))
        return self._support

    def calibrate(self, lanes: Sequence[Lane], steps: int, *, evaluated: int = 0) -> Choice:
        """Choose how to run `lanes`, by measurement on throw-away tiles.

        Args:
            lanes: the lanes of the run.
            steps: optimiser steps of each.
            evaluated: examples that each lane is evaluated on over the run; a forward pass costs a third of a step.
        """
        stackable = self.support.stackable
        tiles = tile_lanes(lanes, self.tile_size(lanes) if stackable else 1, by_seed=self.support.by_seed)
        shapes = {tuple((group.rule.key, group.size) for group in group_lanes(tile)): len(group_lanes(tile)) for tile in tiles}

        def make(mode: Mode) -> Tile:
            # A lane that diverges stops early and would look fast: throw-away lanes stand still.
            still = [replace(lane, hypers={**lane.hypers, "lr": 0.0}) for lane in tiles[0]]
            return self._tile(still[:1] if mode == "loop" else still, mode, steps)

        candidates = Candidates(
            work=len(lanes) * (steps + evaluated / (3 * self.batch_size)),
            tile=len(tiles[0]) if stackable else 0,
            groups=tuple(shapes.values()),
            can_compile=stackable and (self.device.type != "cpu" or shutil.which("g++") is not None),
            make=make,
        )
        with quiet_threads():
            return calibrate(candidates)

    def tile_size(self, lanes: Sequence[Lane]) -> int:
        """Most lanes that may step together within the cache."""
        slots = max((len(lane.rule.active_slots) for lane in lanes), default=0)
        return tile_size(self.support.footprint.lane(slots))

    def memory(self, lanes: Sequence[Lane], choice: Choice, splits: Mapping[str, Any]) -> int:
        """Forecast of the peak bytes of running `lanes`."""
        data = sum(leaf.nbytes for tree in (self.train, *splits.values()) for leaf in pytree.tree_leaves(tree))
        return forecast(self.support.footprint, self._cut(lanes, choice), data)

    def run(self, lanes: Sequence[Lane], steps: int, evaluations: Evaluations, choice: Choice) -> Iterator[Event]:
        """Train lanes, tile after tile, and report what happens as it happens.

        Args:
            lanes: any order; numbers must be distinct.
            steps: optimiser steps of each.
            evaluations: when which split is evaluated.
            choice: how, from `calibrate` or by hand.
        """
        splits = {name: to_device(tree, self.device) for name, tree in evaluations.splits.items()}
        evaluations = Evaluations(evaluations.at, splits)
        for members in self._cut(lanes, choice):
            with quiet_threads():
                tile = self._tile(members, choice.mode, steps)
            yield from self._run_tile(tile, steps, evaluations, choice.mode)

    def _cut(self, lanes: Sequence[Lane], choice: Choice) -> list[tuple[Lane, ...]]:
        return tile_lanes(lanes, 1 if choice.mode == "loop" else choice.tile, by_seed=self.support.by_seed)

    def _run_tile(self, tile: Tile, steps: int, evaluations: Evaluations, mode: Mode) -> Iterator[Event]:
        numbers = [lane.number for lane in tile.lanes]
        watch, alive, busy = DivergenceWatch(len(numbers)), np.ones(len(numbers), dtype=bool), 0.0
        yield Started(tuple(numbers), mode)
        for mark in evaluations.marks(steps):
            started = time.perf_counter()
            first, ended = tile.done, []
            with quiet_threads():
                if mark > first and alive.any():
                    losses, finite = tile.run(mark - first)
                    ended = watch.observe(losses, finite)
            busy += time.perf_counter() - started
            block = _until_the_end(losses, alive, ended, first) if mark > first and alive.any() else None
            for end in ended:
                tile.freeze(end.position)
                alive[end.position] = False
                yield Diverged(numbers[end.position], end.step, end.reason)
            if block is not None:
                yield LossBlock(tuple(numbers), first, block)
            for name in (name for name, grid in evaluations.at.items() if mark in grid):
                values = self._evaluate(tile, evaluations.splits[name], alive)
                if mark == 0:
                    watch.start_from(values["loss"])
                yield Evaluated(tuple(numbers), mark, name, values)
        yield Finished(tuple(numbers), busy)

    def _evaluate(self, tile: Tile, split: Any, alive: np.ndarray) -> dict[str, np.ndarray]:
        footprint = self.support.footprint
        per_example = max(1, 2 * footprint.activations // footprint.examples) * len(tile.lanes)
        with quiet_threads():
            values = tile.metrics(split, max(1, EVALUATION_BYTES // per_example))
        return {name: np.where(alive, column, np.nan) for name, column in values.items()}

    def _tile(self, lanes: Sequence[Lane], mode: Mode, steps: int) -> Tile:
        models = {seed: self.model(seed) for seed in sorted({lane.seed for lane in lanes})}
        training = Training(self.train, self.batch_size, steps, self.race_seed, self.support)
        if mode == "loop":
            return LoopTile(lanes, models, training)
        if mode == "compiled" and not self.support.is_mixable:
            raise TaskError(f"task {self.task.name!r} cannot be compiled: its forward looks at values of the batch. Leave it stacked.")
        tile = StackedTile(lanes, models, training)
        if mode == "compiled":
            self.compile_seconds += tile.compile(self._compiled)
        return tile


def _until_the_end(losses: np.ndarray, alive: np.ndarray, ended: Sequence[Any], first: int) -> np.ndarray:
    """Losses with NaN for steps after a lane's divergence, which it did not take."""
    kept = losses.copy()
    kept[:, ~alive] = np.nan
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
        with isolated(0):
            yield
    finally:
        torch.set_flush_denormal(flushes)
        torch.set_num_threads(threads)
