"""A fleet: many copies of one task's model, each with its own optimiser, trained in this process."""

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.utils import _pytree as pytree

from ravine.base._seeds import derive
from ravine.base.errors import TaskError
from ravine.fleet.calibration import Choice, Mode, calibrate, tile_size
from ravine.fleet.candidates import Trials
from ravine.fleet.data import aligned, duplicate, gather, size, to_device
from ravine.fleet.devices import lanes_on_cuda, whole_precision
from ravine.fleet.events import Event, Paused, Remark
from ravine.fleet.lanes import Lane, tile_lanes
from ravine.fleet.loop_tile import LoopTile
from ravine.fleet.memory import evaluation_rows, forecast, held_bytes
from ravine.fleet.native import Functions, Unsupported
from ravine.fleet.native_tile import NativeTile
from ravine.fleet.past import NOTHING_PAST, Past
from ravine.fleet.room import SHARE, check_room, free_bytes, in_words, lanes_that_fit, workers_that_fit
from ravine.fleet.rungs import Rungs, in_step
from ravine.fleet.shrinking import Shrinking, is_out_of_memory
from ravine.fleet.snapshot import Snapshots
from ravine.fleet.stacked_tile import StackedTile
from ravine.fleet.support import Support, probe
from ravine.fleet.tile_run import Evaluations, TileRun, quiet_threads
from ravine.fleet.tiles import Tile, Training
from ravine.fleet.tracing import Step
from ravine.tasks import Objective, Task


class Fleet:
    """Trains lanes of one task.

    Args:
        task: what is trained.
        race_seed: seed of everything random; a lane's randomness depends on it and on the lane's own seed only.
        device: where lanes live.
        train: the training split; the task's own when left out.
        room_bytes: memory that the fleet may use; what is free when left out.
    """

    def __init__(
        self, task: Task, *, race_seed: int = 0, device: str | torch.device = "cpu", train: Any = None, room_bytes: int | None = None
    ) -> None:
        self.task, self.race_seed, self.device = task, race_seed, torch.device(device)
        self.train = to_device(task.data.train if train is None else train, self.device)
        if self.batch_size == size(self.train):
            self.train = aligned(self.train)
        self._compiled: dict[Any, Step] = {}
        self._functions: Functions | None = None
        self._support: Support | None = None
        self._shrinking, self.room_bytes = Shrinking(), room_bytes
        self.compile_seconds = self.probe_seconds = 0.0
        self._remarks: set[str] = set()

    @property
    def batch_size(self) -> int:
        """Examples in a batch."""
        return min(self.task.batch_size or size(self.train), size(self.train))

    def model(self, seed: int) -> nn.Module:
        """The objective that lanes of `seed` start from, on the device."""
        return Objective(self.task.build(derive(self.race_seed, seed, "init")), self.task).to(self.device)

    def first_loss(self) -> float | None:
        """Loss of a fresh model on the first batch; None if it has none, one that is not finite, or another one each time."""
        found = []
        try:
            batch = gather(self.train, torch.arange(self.batch_size, device=self.device))
            for _ in range(2):
                with quiet_threads(), whole_precision():
                    found.append(float(self.model(0).train()(duplicate(batch)).detach()))
        except Exception:  # whatever the user's code raises, it raises in the race too, where it is answered
            return None
        return found[0] if math.isfinite(found[0]) and found[0] == found[1] else None

    @property
    def functions(self) -> Functions:
        """The native functions of the model and of rules, built when first asked for."""
        if self._functions is None:
            self._functions = Functions(lambda: self.model(0), self.support.unused)
        return self._functions

    @property
    def support(self) -> Support:
        """What the engine may do with this model, probed once."""
        if self._support is None:
            rows = torch.arange(self.batch_size, device=self.device)
            batch, second = gather(self.train, rows), gather(self.train, (rows + self.batch_size) % size(self.train))
            started = time.perf_counter()
            with quiet_threads(), whole_precision():
                try:
                    self._support = probe(self.model(0), batch, self.model(1), second=second, build=lambda: self.model(0))
                except Exception as error:
                    if not is_out_of_memory(error):
                        raise
                    sentence = f"memory does not suffice for one batch of {self.batch_size} examples"
                    raise TaskError(f"{sentence} of task {self.task.name!r}: use a smaller batch or a smaller model.") from error
            self.probe_seconds = time.perf_counter() - started
        return self._support

    def calibrate(
        self, lanes: Sequence[Lane], steps: int, evaluations: Evaluations | None = None, *, without: Mapping[Mode, str] | None = None
    ) -> Choice:
        """Choose how to run `lanes`, by measurement on throw-away tiles.

        Args:
            lanes: the lanes of the run.
            steps: optimiser steps of each.
            evaluations: when which split is evaluated; nothing is if None.
            without: mode that is out of the question here -> why, as half a sentence.
        """
        with quiet_threads():
            trials = Trials(self, lanes, steps, evaluations, lambda members, mode: self._tile(members, mode, steps))
            candidates = trials.candidates()
            choice = calibrate(replace(candidates, why_not={**(without or {}), **candidates.why_not}))
        if choice.tile == 1 or choice.tile < self.tile_size(lanes) or choice.tile == self._cached(lanes):
            return choice
        return replace(choice, reason=f"{choice.reason}; tiles of {choice.tile} lanes, so that {in_words(self._room())} suffice")

    def tile_size(self, lanes: Sequence[Lane]) -> int:
        """Most lanes that may step together: as many as fit the cache, or on CUDA the memory.

        Raises:
            TaskError: there is not enough memory for one lane.
        """
        footprint, room = self.support.footprint, self._room()
        check_room(footprint, lanes, room, self.task.name)
        return min(self._cached(lanes), lanes_that_fit(footprint, lanes, room))

    def most_workers(self, lanes: Sequence[Lane], choice: Choice, splits: Mapping[str, Any]) -> int:
        """Worker processes that memory holds."""
        return workers_that_fit(self.memory(lanes, choice, splits), self._room())

    def _cached(self, lanes: Sequence[Lane]) -> int:
        slots = max((self.support.footprint.slots(lane.rule) for lane in lanes), default=0)
        lane_bytes = self.support.footprint.lane(slots)
        return lanes_on_cuda(lane_bytes, self.device) if self.device.type == "cuda" else tile_size(lane_bytes)

    def _room(self) -> int:
        return free_bytes(self.device) if self.room_bytes is None else self.room_bytes

    def memory(self, lanes: Sequence[Lane], choice: Choice, splits: Mapping[str, Any]) -> int:
        """Forecast of the peak bytes of running `lanes`."""
        data = sum(leaf.nbytes for tree in (self.train, *splits.values()) for leaf in pytree.tree_leaves(tree))
        evaluated = max(map(size, splits.values()), default=0)
        return forecast(self.support.footprint, self.tiles(lanes, choice), data, choice.mode, evaluated=evaluated)

    def held(self, lanes: Sequence[Lane], used: int) -> int | None:
        """Bytes of all lanes at rest, as they are held at a rung beside what the run uses; None if that is more than there is.

        Args:
            lanes: the lanes of the run.
            used: forecast for all its processes (`memory`), with one tile in each.
        """
        held = held_bytes(self.support.footprint, lanes)
        return held if used + held <= SHARE * self._room() else None

    def run(
        self,
        lanes: Sequence[Lane],
        steps: int,
        evaluations: Evaluations,
        choice: Choice,
        past: Past = NOTHING_PAST,
        *,
        rungs: Rungs | None = None,
    ) -> Iterator[Event]:
        """Train lanes, tile after tile, and report what happens as it happens.

        Args:
            lanes: any order; numbers must be distinct.
            steps: optimiser steps of each.
            evaluations: when which split is evaluated.
            choice: how, from `calibrate` or by hand.
            past: what was done before of these lanes, and where snapshots go.
            rungs: where all tiles wait for each other; nowhere if None.
        """
        here, rungs = self.on_device(evaluations), rungs or Rungs()
        runs = [
            self.run_tile(members, steps, here, past.mode(members, choice.mode), past.snapshots, rungs=rungs)
            for members in past.left(self.tiles(lanes, choice))
        ]
        yield from in_step(runs, lambda step: [rungs.verdict(step)])

    def run_tile(
        self,
        lanes: Sequence[Lane],
        steps: int,
        evaluations: Evaluations,
        mode: Mode,
        snapshots: Snapshots | None = None,
        *,
        rungs: Rungs | None = None,
    ) -> Iterator[Event]:
        """Train the lanes of one tile, from their snapshot if there is one, in smaller tiles if memory does not suffice.

        Args:
            lanes: one of `tiles`.
            steps: optimiser steps of each.
            evaluations: see `on_device`.
            mode: how.
            snapshots: where snapshots lie and go.
            rungs: where the tile waits, told by a `Paused`; whoever goes on has entered what was decided.
        """
        held = rungs or Rungs()
        yield from self._shrinking.run(lanes, lambda part: self._run_part(part, steps, evaluations, mode, snapshots, rungs=held))

    def _run_part(
        self, lanes: Sequence[Lane], steps: int, evaluations: Evaluations, mode: Mode, snapshots: Snapshots | None, *, rungs: Rungs
    ) -> Iterator[Event]:
        waits: Event | None = None
        while True:
            with quiet_threads():
                tile = self._tile(lanes, mode, steps)
            run = TileRun(tile, mode, steps, evaluations, evaluate=self.evaluate, snapshots=snapshots, rungs=rungs)
            snapshot = None if snapshots is None else snapshots.find([lane.number for lane in lanes])
            if snapshot is not None:
                run.restore(snapshot)
            waits = None
            for event in run.events():
                if rungs.parks and run.is_saved and isinstance(event, Paused):
                    waits = event
                    break
                yield event
            if waits is None:
                break
            # It is taken up from its snapshot, so that meanwhile memory holds others.
            del tile, run, snapshot, event
            yield waits
        if tile.remark and tile.remark not in self._remarks:
            self._remarks.add(tile.remark)
            yield Remark(tile.remark)

    def on_device(self, evaluations: Evaluations) -> Evaluations:
        """The same evaluations with their splits on the fleet's device."""
        return Evaluations(evaluations.at, {name: to_device(tree, self.device) for name, tree in evaluations.splits.items()})

    def tiles(self, lanes: Sequence[Lane], choice: Choice, num_workers: int = 1) -> list[tuple[Lane, ...]]:
        """How a run cuts lanes into tiles, a function of its arguments alone.

        Args:
            lanes: any order.
            choice: how they are run.
            num_workers: processes that share them, none of which should stay without a tile.
        """
        most = 1 if choice.mode in ("loop", "fused") else min(choice.tile, -(-len(lanes) // num_workers))
        return tile_lanes(lanes, max(1, most), by_seed=self.support.by_seed)

    def evaluate(self, tile: Tile, split: Any) -> dict[str, np.ndarray]:
        """Loss and metrics of every lane of a tile over a split on the device, as many examples at a time as memory permits."""
        return tile.metrics(split, evaluation_rows(self.support.footprint, len(tile.lanes)))

    def tile(self, lanes: Sequence[Lane], mode: Mode, steps: int) -> Tile:
        """A fresh tile, for whoever takes its steps one by one, with `quiet_threads` around them.

        Args:
            lanes: one of `tiles`.
            mode: how they run.
            steps: optimiser steps of each.
        """
        with quiet_threads():
            return self._tile(lanes, mode, steps)

    def _tile(self, lanes: Sequence[Lane], mode: Mode, steps: int) -> Tile:
        models = {seed: self.model(seed) for seed in sorted({lane.seed for lane in lanes})}
        training = Training(self.train, self.batch_size, steps, self.race_seed, self.support)
        if mode in ("loop", "fused"):
            return LoopTile(lanes, models, training, self.functions if mode == "fused" else None)
        if mode == "native":
            return self._native_tile(lanes, models, training)
        if mode == "compiled" and not self.support.is_mixable:
            raise TaskError(f"task {self.task.name!r} cannot be compiled: its forward looks at values of the batch. Leave it stacked.")
        tile = StackedTile(lanes, models, training)
        if mode == "compiled":
            self.compile_seconds += tile.compile(self._compiled)
        return tile

    def _native_tile(self, lanes: Sequence[Lane], models: Mapping[int, nn.Module], training: Training) -> Tile:
        if not self.support.traceable:
            raise TaskError(f"task {self.task.name!r} has no native code: {self.support.reason}. Use another mode.")
        started = time.perf_counter()
        try:
            return NativeTile(lanes, models, training, self.functions)
        except Unsupported as error:
            raise TaskError(f"task {self.task.name!r} has no native code: {error}. Use another mode.") from error
        finally:
            self.compile_seconds += time.perf_counter() - started
