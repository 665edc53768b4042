"""Which way of running lanes is cheapest here: measured on the real task for about a second.

The result of a race does not depend on the choice beyond rounding; the choice and its reason go into the record.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from ravine.fleet.tiles import Tile

Mode = Literal["loop", "stacked", "compiled"]

CACHE_BYTES = 16 * 2**20
"""Working set a tile may have: beyond a share of the last cache, steps slow down up to 2x."""

MOST_LANES = 64
"""Lanes a tile may have: beyond it, calls are no longer what costs."""

COMPILE_SECONDS = 12.0
COMPILE_SECONDS_PER_GROUP = 3.0
"""What one compiled step costs before it exists: a forward and backward pass, and each rule's update."""

COMPILED_SPEEDUP = 3.0
"""What compiling is expected to gain over the stacked step before it is measured (2 to 5 on small dense models)."""


@dataclass(frozen=True, slots=True)
class Choice:
    """How a run is carried out.

    Attributes:
        mode: one module at a time, stacked, or stacked and compiled.
        tile: most lanes that step together.
        reason: why, in words.
        measured: mode -> seconds per lane-step, for what was measured.
        seconds: forecast for all lanes and steps in one process, evaluation included.
    """

    mode: Mode
    tile: int
    reason: str
    measured: dict[str, float] = field(default_factory=dict)
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Candidates:
    """What calibration may try.

    Attributes:
        work: lane-steps of the run, evaluations counted as the lane-steps they cost.
        tile: tile size for stacking; 0 if the model cannot be stacked.
        groups: for each compiled step that the run would need, the rules in it.
        can_compile: whether a compiler works here.
        make: builds a throw-away tile in a mode: the first of the run's, or one lane for the loop.
    """

    work: float
    tile: int
    groups: Sequence[int]
    can_compile: bool
    make: Callable[[Mode], Tile]


def tile_size(lane_bytes: int) -> int:
    """Lanes whose working set fits `CACHE_BYTES`, from 1 to `MOST_LANES`."""
    return max(1, min(MOST_LANES, CACHE_BYTES // max(1, lane_bytes)))


def time_steps(tile: Tile, *, seconds: float) -> float:
    """Seconds per lane-step of a tile: the fastest of a few blocks of steps after a warm-up."""
    tile.run(1)
    best, block, started = float("inf"), 1, time.perf_counter()
    while time.perf_counter() - started < seconds:
        before = time.perf_counter()
        tile.run(block)
        elapsed = time.perf_counter() - before
        best = min(best, elapsed / block)
        block = max(1, min(64, int(0.02 / max(best, 1e-6))))
    return best / len(tile.lanes)


def calibrate(candidates: Candidates) -> Choice:
    """Time the loop, the stacked and, if it can pay, the compiled step; pick the cheapest in total."""
    measured = {"loop": time_steps(candidates.make("loop"), seconds=0.2)}
    if not candidates.tile:
        return Choice("loop", 1, "the model cannot be stacked", measured, measured["loop"] * candidates.work)
    mode: Mode = "loop"
    if candidates.tile > 1:
        measured["stacked"] = time_steps(candidates.make("stacked"), seconds=0.3)
        mode = "stacked" if measured["stacked"] < measured["loop"] else "loop"
    total = measured[mode] * candidates.work
    plain = Choice(mode, candidates.tile if mode == "stacked" else 1, f"{mode} is the fastest measured", measured, total)
    why_not = _why_not_compile(candidates, total)
    if why_not:
        return Choice(mode, plain.tile, f"{plain.reason}; {why_not}", measured, total)
    return _try_compiled(candidates, plain)


def _why_not_compile(candidates: Candidates, total: float) -> str:
    if not candidates.can_compile:
        return "no C++ compiler was found"
    cost = sum(COMPILE_SECONDS + COMPILE_SECONDS_PER_GROUP * groups for groups in candidates.groups)
    gain = total - total / COMPILED_SPEEDUP
    return f"compiling would cost about {cost:.0f} s and save at most about {gain:.0f} s" if gain < cost else ""


def _try_compiled(candidates: Candidates, plain: Choice) -> Choice:
    started = time.perf_counter()
    try:
        tile = candidates.make("compiled")
    except Exception as error:  # a compiler that fails on this model must not end the race: the plain step works
        first = str(error).strip().splitlines()[0][:120] if str(error).strip() else ""
        return Choice(
            plain.mode, plain.tile, f"{plain.reason}; compiling failed ({type(error).__name__}: {first})", plain.measured, plain.seconds
        )
    spent = time.perf_counter() - started
    measured = plain.measured | {"compiled": time_steps(tile, seconds=0.3)}
    rest = spent * (len(candidates.groups) - 1)
    total = measured["compiled"] * candidates.work + rest
    ratio = measured[plain.mode] / measured["compiled"]
    if total < plain.seconds:
        reason = f"compiled in {spent:.0f} s and {ratio:.1f} times as fast as {plain.mode}"
        return Choice("compiled", candidates.tile, reason, measured, total)
    return Choice(
        plain.mode, plain.tile, f"compiled is {ratio:.1f} times as fast as {plain.mode}, too little to pay", measured, plain.seconds
    )
