"""Which way of running lanes is cheapest here: measured on the real task for about a second.

What is compared are totals: steps, evaluations and set-up of all lanes, and what must be built first. A way that
could not win even if it were as fast as it has ever been seen is not tried. What is compared is processor time, which
other work on the machine hardly changes; the forecast is stretched by how much longer than that things took. The result
of a race does not depend on the choice beyond rounding; the choice and everything that was measured go into the record.
"""

import math
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal, final

from ravine.fleet.tiles import Tile

Mode = Literal["loop", "fused", "stacked", "compiled", "native"]
"""One module at a time; the same with its update in one native call; stacked; stacked and compiled; native code."""

CACHE_BYTES = 16 * 2**20
"""Working set a tile may have: beyond a share of the last cache, steps slow down up to 2x."""

MOST_LANES = 64
"""Lanes a tile may have: beyond it, calls are no longer what costs."""

MOST_NATIVE_LANES = 16
"""The same for native code, whose lanes gain from each other only when they are evaluated: small tiles share out better."""

COMPILE_SECONDS = 12.0
COMPILE_SECONDS_PER_GROUP = 3.0
"""What one compiled step costs before it exists: a forward and backward pass, and each rule's update."""

TRACE_SECONDS = 0.7
"""What it costs to find out what native code of a model would cost to build."""

MOST_SPEEDUP: Mapping[Mode, float] = {"native": 60.0, "compiled": 3.0, "fused": 1.5}
"""What a mode may gain at best over the fastest so far (native over the loop), before it is measured."""

OVERWHELMING = 3.0
"""Once native code is so many times as fast as the loop, nothing else has been seen to be faster."""

FIRST_LOOK_S = 0.15
"""Seconds that the loop is measured, while nothing is known of the run's length."""

WORTH_A_DUEL_S = 2.0
"""Totals below it are not worth measuring twice."""

CLOSE = 1.3
"""Totals whose ratio is below it are measured again, in turn."""


@dataclass(frozen=True, slots=True)
class Trial:
    """A mode that was considered.

    Attributes:
        mode: the mode.
        tile: lanes that step together.
        step_s: seconds of processor time per lane-step; infinite if it was not measured.
        build_s: seconds that were spent, or would have been, before the first step.
        total_s: forecast for the run in one process; infinite if it was not measured.
        why_not: why it was not tried; empty if it was.
    """

    mode: Mode
    tile: int = 0
    step_s: float = math.inf
    build_s: float = 0.0
    total_s: float = math.inf
    why_not: str = ""

    def as_json(self) -> dict[str, Any]:
        """The trial for the record, without infinities."""
        return {name: None if value == math.inf else value for name, value in asdict(self).items()}


@dataclass(frozen=True, slots=True)
class Choice:
    """How a run is carried out.

    Attributes:
        mode: see `Mode`.
        tile: most lanes that step together.
        reason: why, in words.
        measured: mode -> seconds of processor time per lane-step, for what was measured.
        seconds: forecast for all lanes and steps in one process, evaluation included.
        start_s: what another process would spend before it could begin, besides starting.
        trials: every mode that was considered.
        num_workers: processes that share the lanes, once that is decided.
        stretch: how much longer than their processor time things took, on a machine that has other work.
    """

    mode: Mode
    tile: int
    reason: str
    measured: dict[str, float] = field(default_factory=dict)
    seconds: float = 0.0
    start_s: float = 0.0
    trials: tuple[Trial, ...] = ()
    num_workers: int = 1
    stretch: float = 1.0


@dataclass(frozen=True, slots=True)
class Candidates:
    """What calibration may try.

    Attributes:
        lanes: how many there are.
        steps: optimiser steps of each.
        block: steps that are usually taken at a time.
        tiles: mode -> tile size.
        why_not: mode -> why it is out of the question, as half a sentence.
        make: builds a throw-away tile in a mode: the first of the run's, or one lane for the loop. It returns the tile,
            the seconds that were spent on building code, and what each further tile takes.
        evaluate: seconds of evaluating a tile as often as the run will.
        prepare: mode ("native", "fused") -> begins nothing, but says how many seconds building its code would take.
        trace_s: seconds that `prepare` takes: none for code that an earlier stage has.
        observe: for a tile, what is done with the outcome of its steps.
        groups: for each compiled step that the run would need, the rules in it.
        start_s: what another process would spend before it could begin.
        clock: of what is compared.
    """

    lanes: int
    steps: int
    block: int
    tiles: Mapping[Mode, int]
    why_not: Mapping[Mode, str]
    make: Callable[[Mode], tuple[Tile, float, float]]
    evaluate: Callable[[Tile], float]
    prepare: Callable[[Mode], float]
    trace_s: float = TRACE_SECONDS
    observe: Callable[[Tile], Callable[..., object] | None] = lambda tile: None
    groups: Sequence[int] = ()
    start_s: Callable[[], float] = lambda: 0.0
    clock: Callable[[], float] = time.thread_time


def tile_size(lane_bytes: int) -> int:
    """Lanes whose working set fits `CACHE_BYTES`, from 1 to `MOST_LANES`."""
    return max(1, min(MOST_LANES, CACHE_BYTES // max(1, lane_bytes)))


def time_steps(
    tile: Tile,
    *,
    seconds: float,
    block: int = 64,
    observe: Callable[..., object] | None = None,
    clock: Callable[[], float] | None = None,
) -> float:
    """Seconds per lane-step of a tile: the median over blocks of steps after a warm-up.

    Args:
        tile: a throw-away tile.
        seconds: how long to look; at least one block is timed.
        block: most steps of a block.
        observe: what is done with a block's outcome, timed with it.
        clock: what is read; the wall's if None.
    """
    clock = clock or time.perf_counter
    tile.run(1)
    samples, count, started = list[float](), 1, time.perf_counter()
    while not samples or time.perf_counter() - started < seconds:
        before = clock()
        outcome = tile.run(count)
        if observe is not None:
            observe(*outcome)
        each = (clock() - before) / count
        samples.append(each)
        # As many steps at a time as in the run, where a quarter of the time suffices for them.
        wanted = max(1, min(block, int(seconds / 4 / max(each, 1e-7))))
        if wanted > 2 * count:
            # Short blocks were only there to find a good length.
            samples.clear()
        count = min(wanted, 8 * count)
    return statistics.median(samples) / len(tile.lanes)


def calibrate(candidates: Candidates) -> Choice:
    """Measure what may win, and pick the cheapest in total."""
    return _Calibration(candidates).run()


@final
class _Calibration:
    """Measures modes one after the other, each only if it may win."""

    def __init__(self, candidates: Candidates) -> None:
        self._candidates = candidates
        self._tiles: dict[Mode, Tile] = {}
        self._trials: dict[Mode, Trial] = {}
        self._wall_s = self._clock_s = 0.0

    @property
    def _stretch(self) -> float:
        """Seconds that pass for each second of the clock."""
        return max(1.0, self._wall_s / self._clock_s) if self._clock_s > 0.0 else 1.0

    def run(self) -> Choice:
        self._measure("loop")
        is_cold = self._price_native() > TRACE_SECONDS
        if is_cold:
            # Whether a build of seconds pays depends on what there is without it.
            self._try_stacked()
        self._try_native()
        self._try_stacked()
        self._try_fused()
        self._try_compiled()
        self._duel()
        return self._choice()

    @property
    def _best(self) -> Trial:
        return self._order[0]

    @property
    def _order(self) -> list[Trial]:
        """What was measured, cheapest first."""
        return sorted((trial for trial in self._trials.values() if trial.total_s < math.inf), key=lambda trial: trial.total_s)

    def _gain(self, mode: Mode, speedup: float) -> float:
        """Seconds that a mode could save at most."""
        slower = self._trials["loop"] if mode in ("native", "fused") else self._best
        return self._stretch * (self._best.total_s - slower.total_s / speedup)

    def _measure(self, mode: Mode) -> None:
        candidates = self._candidates
        best = self._best.total_s if self._order else 0.0
        tile, building, set_up = candidates.make(mode)
        wall, clock = time.perf_counter(), candidates.clock()
        step = self._time(tile, max(0.06, min(0.3, 0.01 * best)) if best else FIRST_LOOK_S)
        evaluation = candidates.evaluate(tile)
        self._wall_s += time.perf_counter() - wall
        self._clock_s += candidates.clock() - clock
        self._tiles[mode] = tile
        self._enter(mode, step, (evaluation + set_up) / len(tile.lanes), building)

    def _time(self, tile: Tile, seconds: float) -> float:
        candidates = self._candidates
        return time_steps(tile, seconds=seconds, block=candidates.block, observe=candidates.observe(tile), clock=candidates.clock)

    def _enter(self, mode: Mode, step: float, other_per_lane: float, building: float) -> None:
        candidates = self._candidates
        # A compiled step serves one shape; native code serves all, and was built for all rules.
        rest = building * (len(candidates.groups) - 1) if mode == "compiled" else 0.0
        total = candidates.lanes * (candidates.steps * step + other_per_lane) + rest
        self._trials[mode] = Trial(mode, candidates.tiles[mode], step, building, total)

    def _refuse(self, mode: Mode, why_not: str, build_s: float = 0.0) -> None:
        self._trials[mode] = Trial(mode, build_s=build_s, why_not=why_not)

    def _is_out(self, mode: Mode) -> bool:
        """Whether a mode is decided on, one way or the other."""
        if mode not in self._trials and mode in self._candidates.why_not:
            self._refuse(mode, self._candidates.why_not[mode])
        return mode in self._trials

    def _overwhelmed(self, mode: Mode) -> bool:
        """Refuse a mode where native code is far ahead."""
        native, loop = self._trials.get("native"), self._trials["loop"]
        if native is None or native.step_s * OVERWHELMING > loop.step_s:
            return False
        self._refuse(mode, f"native code is {_times(loop.step_s / native.step_s)} as fast as the loop, which no other way reaches")
        return True

    def _price_native(self) -> float:
        """Seconds that building native code would take; 0 if it is out of the question."""
        if self._is_out("native"):
            return 0.0
        if self._gain("native", MOST_SPEEDUP["native"]) < self._candidates.trace_s:
            self._refuse("native", "the run is too short for native code to pay")
            return 0.0
        try:
            return self._candidates.prepare("native")
        except Exception as error:
            self._refuse("native", first_line(error))
            return 0.0

    def _try_native(self) -> None:
        if self._is_out("native"):
            return
        cost, gain = self._candidates.prepare("native"), self._gain("native", MOST_SPEEDUP["native"])
        if gain < cost:
            self._refuse("native", f"building it would take about {cost:.1f} s and save at most {max(0.0, gain):.1f} s", cost)
            return
        self._attempt("native")

    def _try_stacked(self) -> None:
        if not self._is_out("stacked") and not self._overwhelmed("stacked"):
            self._attempt("stacked")

    def _try_fused(self) -> None:
        if self._is_out("fused") or self._overwhelmed("fused"):
            return
        gain = self._gain("fused", MOST_SPEEDUP["fused"])
        if gain < self._candidates.trace_s:
            self._refuse("fused", "a native update alone could save too little")
            return
        try:
            cost = self._candidates.prepare("fused")
        except Exception as error:
            self._refuse("fused", first_line(error))
            return
        if gain < cost:
            self._refuse("fused", f"building it would take about {cost:.1f} s and save at most {gain:.1f} s", cost)
            return
        self._attempt("fused")

    def _try_compiled(self) -> None:
        if self._is_out("compiled") or self._overwhelmed("compiled"):
            return
        cost = sum(COMPILE_SECONDS + COMPILE_SECONDS_PER_GROUP * groups for groups in self._candidates.groups)
        gain = self._gain("compiled", MOST_SPEEDUP["compiled"])
        if gain < cost:
            self._refuse("compiled", f"compiling would take about {cost:.0f} s and save at most {gain:.0f} s", cost)
            return
        self._attempt("compiled")

    def _attempt(self, mode: Mode) -> None:
        try:
            self._measure(mode)
        except MemoryError:
            raise
        except Exception as error:  # a compiler that fails on this model must not end the race: the loop works
            self._refuse(mode, first_line(error))

    def _duel(self) -> None:
        """Measure the two cheapest again, in turn, where they are close: what the machine did meanwhile then hits both."""
        order = self._order[:2]
        if len(order) < 2 or order[1].total_s > CLOSE * order[0].total_s or order[0].total_s < WORTH_A_DUEL_S:
            return
        samples: dict[Mode, list[float]] = {trial.mode: [trial.step_s] for trial in order}
        for _ in range(2):
            for mode, own in samples.items():
                own.append(self._time(self._tiles[mode], 0.1))
        work = self._candidates.lanes * self._candidates.steps
        for trial in order:
            step = statistics.median(samples[trial.mode])
            total = trial.total_s + work * (step - trial.step_s)
            self._trials[trial.mode] = replace(trial, step_s=step, total_s=total)

    def _choice(self) -> Choice:
        best, candidates = self._best, self._candidates
        measured: dict[str, float] = {trial.mode: trial.step_s for trial in self._trials.values() if trial.step_s < math.inf}
        trials = tuple(replace(trial, total_s=trial.total_s * self._stretch) for trial in self._trials.values())
        total = best.total_s * self._stretch
        start = candidates.start_s()
        return Choice(best.mode, best.tile, self._reason(best), measured, total, start, trials, stretch=self._stretch)

    def _reason(self, best: Trial) -> str:
        others = self._order[1:]
        if others:
            ratio = others[0].step_s / best.step_s
            text = f"{_times(ratio)} as fast as {others[0].mode}" if ratio >= 1 else _slower_but_sooner(best, others[0])
            if ratio >= 1 and best.build_s >= 0.5:
                text += f", built in {best.build_s:.1f} s"
        else:
            text = "nothing else was measured"
        refused = [self._trials[mode] for mode in ("native", "stacked") if mode in self._trials and self._trials[mode].why_not]
        if best.mode != "native" and refused:
            text += f"; not {refused[0].mode}: {refused[0].why_not}"
        return text


def _slower_but_sooner(best: Trial, other: Trial) -> str:
    """Why a way with slower steps was chosen: the other has more to do around them, building it above all."""
    slower = f"a step takes {_times(best.step_s / other.step_s)} as long as {other.mode}'s"
    whole = f"{slower}, but all of it takes {best.total_s:.3g} s and not {other.total_s:.3g} s"
    # A loop is built in microseconds, which are no reason.
    return f"{whole}, of which {other.build_s:.3g} s to build {other.mode}" if other.build_s >= 0.01 * other.total_s else whole


def _times(ratio: float) -> str:
    return f"{ratio:.0f} times" if ratio >= 10 else f"{ratio:.1f} times"


def first_line(error: Exception) -> str:
    """An error in one short line."""
    text = str(error).strip().splitlines()[0].rstrip(".")[:160] if str(error).strip() else ""
    name = type(error).__name__
    return text if name in ("Unsupported", "TaskError") else f"it failed ({name}: {text})"
