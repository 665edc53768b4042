"""What calibration may try for given lanes: throw-away tiles, what building their code costs, and what is out of the question."""

import shutil
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, final

import numpy as np
from torch.utils import _pytree as pytree

from ravine.fleet.calibration import MOST_NATIVE_LANES, TRACE_SECONDS, Candidates, Mode
from ravine.fleet.data import size
from ravine.fleet.divergence import DivergenceWatch
from ravine.fleet.lanes import Lane, group_lanes, tile_lanes
from ravine.fleet.memory import evaluation_rows
from ravine.fleet.native import Build, Unsupported, compiler, rows_at_a_time, together
from ravine.fleet.native_tile import NativeTile, example
from ravine.fleet.stacking import split_state
from ravine.fleet.tile_run import Evaluations, quiet_threads
from ravine.fleet.tiles import Tile, Training

if TYPE_CHECKING:
    from ravine.fleet.fleet import Fleet

EVENT_S = 6e-4
"""Seconds that a block of losses or an evaluation takes on its way into the record (measured, SQLite)."""

MOST_PIECES = 4
"""Pieces of a split that are evaluated to find out what all of them cost."""


@final
class Trials:
    """Throw-away tiles of a fleet, for calibration.

    Args:
        fleet: the fleet.
        lanes: lanes of the run.
        steps: optimiser steps of each.
        evaluations: when which split is evaluated, if any.
        make: makes a tile of some of the lanes in a mode.
    """

    def __init__(
        self,
        fleet: "Fleet",
        lanes: Sequence[Lane],
        steps: int,
        evaluations: Evaluations | None,
        make: Callable[[Sequence[Lane], Mode], Tile],
    ) -> None:
        self._fleet, self._lanes, self._steps, self._make = fleet, lanes, steps, make
        self._evaluations = Evaluations({}, {}) if evaluations is None else fleet.on_device(evaluations)
        self._most = fleet.tile_size(lanes)
        self._builds: dict[Mode, list[Build]] = {}
        self._traced_s = 0.0
        # On another device, this thread mostly waits.
        self._clock = time.thread_time if fleet.device.type == "cpu" else time.perf_counter
        self._rules = {lane.rule.key: (lane.rule, tuple(group_lanes([lane])[0].scalars(0, 1, steps))) for lane in lanes}

    def candidates(self) -> Candidates:
        """What calibration is asked to choose from."""
        fleet, support, steps = self._fleet, self._fleet.support, self._steps
        tiles = self._cut(self._most)
        shapes = {tuple((group.rule.key, group.size) for group in group_lanes(tile)): len(group_lanes(tile)) for tile in tiles}
        sizes: dict[Mode, int] = {"loop": 1, "fused": 1, "native": min(MOST_NATIVE_LANES, self._most)}
        sizes |= {"stacked": self._most, "compiled": self._most} if support.stackable else {}
        return Candidates(
            lanes=len(self._lanes),
            steps=steps,
            block=max(1, steps // max(1, len(self._evaluations.marks(steps)))),
            tiles=sizes,
            why_not=self._why_not(),
            make=self._tile,
            evaluate=self._evaluation,
            prepare=self._price,
            trace_s=0.0 if fleet.functions.knows(rule for rule, _ in self._rules.values()) else TRACE_SECONDS,
            observe=_observer,
            groups=tuple(shapes.values()),
            clock=self._clock,
            start_s=lambda: fleet.probe_seconds + self._traced_s,
        )

    def _cut(self, most: int) -> list[tuple[Lane, ...]]:
        return tile_lanes(self._lanes, most, by_seed=self._fleet.support.by_seed)

    def _why_not(self) -> Mapping[Mode, str]:
        support, device = self._fleet.support, self._fleet.device
        looks = "its forward looks at values of the batch"
        elsewhere = "" if device.type == "cpu" else f"native code runs on the CPU, not on {device}"
        no_compiler = elsewhere or ("" if compiler() else "no C++ compiler was found")
        native = no_compiler or ("" if support.traceable else support.reason or looks)
        stacked = "" if support.stackable else support.reason
        alone = "only one lane at a time fits the cache" if self._most == 1 else ""
        no_inductor = device.type == "cpu" and shutil.which("g++") is None
        changing = next((f"{rule.name} does not do the same at every step" for rule, _ in self._rules.values() if rule.is_phased), "")
        compiled = stacked or ("" if support.is_mixable else looks) or changing or ("no C++ compiler was found" if no_inductor else "")
        reasons: dict[Mode, str] = {"native": native, "fused": no_compiler, "stacked": stacked or alone, "compiled": compiled}
        return {mode: why for mode, why in reasons.items() if why}

    def _tile(self, mode: Mode) -> tuple[Tile, float, float]:
        started, compiled = time.perf_counter(), self._fleet.compile_seconds
        for build in self._builds.get(mode, ()):
            build.begin()
        for build in self._builds.get(mode, ()):
            _ = build.library
        built = time.perf_counter() - started
        # A lane that diverges stops early and would look fast: throw-away lanes stand still.
        members = self._cut(min(MOST_NATIVE_LANES, self._most) if mode == "native" else self._most)[0]
        still = [replace(lane, hypers={**lane.hypers, "lr": 0.0}) for lane in members]
        still = still[:1] if mode in ("loop", "fused") else still
        self._make(still, mode)
        building = built + self._fleet.compile_seconds - compiled
        # Code is built with the first tile, and every further one costs what the second does.
        started = self._clock()
        return self._make(still, mode), building, self._clock() - started

    def _price(self, mode: Mode) -> float:
        if mode not in self._builds:
            started = time.perf_counter()
            self._builds[mode] = self._native() if mode == "native" else self._updates()
            self._traced_s += time.perf_counter() - started
        return together(self._builds[mode])

    def _native(self) -> list[Build]:
        fleet = self._fleet
        training = Training(fleet.train, fleet.batch_size, self._steps, fleet.race_seed, fleet.support)
        return fleet.functions.trace(example(training), self._rules.values())

    def _updates(self) -> list[Build]:
        dtypes = {parameter.dtype for parameter in split_state(self._fleet.model(0))[0].values()}
        builds, reason = [], Unsupported("it has no parameters")
        for rule, names in self._rules.values():
            for dtype in dtypes:
                try:
                    builds.append(self._fleet.functions.trace_flat(rule, names, dtype))
                except Unsupported as error:
                    reason = error
        if not builds:
            raise reason
        return builds

    def _evaluation(self, tile: Tile) -> float:
        """Seconds of all evaluations of a tile, and of telling what happened."""
        total = EVENT_S * (len(self._evaluations.marks(self._steps)) + sum(map(len, self._evaluations.at.values())))
        for name, grid in self._evaluations.at.items():
            split = self._evaluations.splits[name]
            rows = min(size(split), MOST_PIECES * evaluation_rows(self._fleet.support.footprint, len(tile.lanes)))
            if isinstance(tile, NativeTile):
                # A piece of the length that the run will have: each length needs a function.
                rows = rows_at_a_time(size(split))
            part = pytree.tree_map(lambda leaf, rows=rows: leaf[:rows], split)
            total += len(grid) * self._once(tile, part) * size(split) / rows
        return total

    def _once(self, tile: Tile, split: Any) -> float:
        samples: list[float] = []
        # Native code is made in the first one: what a slow model's evaluation takes cannot be told from it.
        least = 2 if isinstance(tile, NativeTile) else 1
        while len(samples) < least or (len(samples) < 3 and sum(samples) < 0.3):
            started = self._clock()
            self._fleet.evaluate(tile, split)
            samples.append(self._clock() - started)
        # The first one pays for what the others find in place.
        return statistics.median(samples[1:] or samples)


def _observer(tile: Tile) -> Callable[..., object]:
    watch = DivergenceWatch(len(tile.lanes))

    def observe(losses: np.ndarray, finite: np.ndarray) -> None:
        with quiet_threads():
            watch.observe(losses, finite)

    return observe
