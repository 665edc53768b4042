"""What a lane is, and how lanes are arranged into groups that share a rule and tiles that step together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby, pairwise
from types import SimpleNamespace

import numpy as np

from ravine.base._checks import unknown_name
from ravine.base.errors import InputError
from ravine.rules import Rule
from ravine.schedules import Between, Schedule, multipliers


@dataclass(frozen=True, slots=True)
class Lane:
    """One copy of the model and how it is trained.

    Attributes:
        number: identity in the record.
        rule: the optimiser's equations with its flags set.
        hypers: every hyper by symbol, float64; `lr` is the peak rate.
        schedule: multiplier of `lr` at each step.
        seed: lane seed; lanes of one seed share initial weights, batches and dropout masks.
        also: schedules of other hypers by symbol: multipliers of `hypers`, or values.
    """

    number: int
    rule: Rule
    hypers: Mapping[str, float]
    schedule: Schedule
    seed: int = 0
    also: Mapping[str, Schedule | Between] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for symbol in self.also:
            if symbol not in self.hypers or symbol == "lr":
                raise unknown_name("other hyper", symbol, [known for known in self.hypers if known != "lr"])
            if any(flag.of == symbol and not self.rule.on(flag.name) for flag in self.rule.flags):
                given = f"{symbol} of {self.rule.name!r} has a schedule and begins at {self.hypers[symbol]:g}"
                raise InputError(f"{given}, which leaves it out of the rule. Begin at another value.", given=symbol)


@dataclass(frozen=True, slots=True)
class Group:
    """Neighbouring lanes of one tile that share rule and flags.

    Attributes:
        rule: the shared rule.
        start, stop: positions in the tile.
        hypers: symbol -> float64 vector of length `stop - start`.
        schedules: one a lane.
        also: schedules of other hypers, one dictionary a lane.
    """

    rule: Rule
    start: int
    stop: int
    hypers: Mapping[str, np.ndarray] = field(repr=False)
    schedules: tuple[Schedule, ...] = field(repr=False)
    also: tuple[Mapping[str, Schedule | Between], ...] = field(default=(), repr=False)

    @property
    def size(self) -> int:
        """Number of lanes."""
        return self.stop - self.start

    def scalars(self, first_step: int, num_steps: int, horizon: int) -> dict[str, np.ndarray]:
        """The rule's scalars for a run of steps, float64 of shape (num_steps, lanes).

        Args:
            first_step: optimiser steps taken before the run, 0 at the start.
            num_steps: length of the run.
            horizon: steps of the whole training, which schedules refer to.
        """
        steps = np.arange(first_step, first_step + num_steps)
        shape = (num_steps, self.size)
        values = self.rule.scalars(self.hypers_at(steps, horizon), (steps + 1)[:, None])
        return {name: np.broadcast_to(np.asarray(value, dtype=np.float64), shape) for name, value in values.items()}

    def hypers_at(self, steps: np.ndarray, horizon: int) -> SimpleNamespace:
        """Every hyper by symbol as its schedule sets it, of shape (steps, lanes) or (lanes,), and the peak rate as `peak_lr`."""
        rate = self.hypers["lr"] * multipliers(self.schedules, steps, horizon)
        found = {**self.hypers, "lr": rate, "peak_lr": self.hypers["lr"]}
        for symbol in dict.fromkeys(symbol for lane in self.also for symbol in lane):
            columns = [_column(lane.get(symbol), value, steps, horizon) for lane, value in zip(self.also, self.hypers[symbol], strict=True)]
            found[symbol] = np.stack(columns, axis=1)
        return SimpleNamespace(**found)


def group_lanes(lanes: Sequence[Lane]) -> tuple[Group, ...]:
    """Neighbouring lanes with equal rule and flags, as groups; `lanes` must be arranged (see `tile_lanes`)."""
    groups, start = [], 0
    for _, members in groupby(lanes, key=lambda lane: lane.rule.key):
        block = list(members)
        hypers = {symbol: np.array([lane.hypers[symbol] for lane in block], dtype=np.float64) for symbol in block[0].hypers}
        schedules, also = tuple(lane.schedule for lane in block), tuple(lane.also for lane in block)
        groups.append(Group(block[0].rule, start, start + len(block), hypers, schedules, also))
        start += len(block)
    return tuple(groups)


def _column(schedule: Schedule | Between | None, value: float, steps: np.ndarray, horizon: int) -> np.ndarray:
    """One lane's hyper at every step."""
    if schedule is None:
        return np.full(steps.shape, value)
    return np.asarray(schedule(steps, horizon) * (1.0 if schedule.is_value else value))


def tile_lanes(lanes: Sequence[Lane], size: int, *, by_seed: bool) -> list[tuple[Lane, ...]]:
    """Cut lanes into tiles of at most `size`.

    A rule's lanes stay in one tile where they fit, and are cut evenly where they do not: a compiled step serves every
    tile with the same rules in the same numbers, so tiles should differ as little as possible.

    Args:
        lanes: any order.
        size: most lanes that step together.
        by_seed: never mix seeds in a tile (needed when the model draws random numbers, and cheaper because
            lanes of one seed read the same batch).
    """
    tiles: list[tuple[Lane, ...]] = []
    ordered = sorted(lanes, key=lambda lane: (lane.seed if by_seed else 0, lane.rule.key, lane.seed, lane.number))
    for _, block in groupby(ordered, key=lambda lane: lane.seed if by_seed else 0):
        runs = [list(run) for _, run in groupby(block, key=lambda lane: lane.rule.key)]
        tiles += _pack([run for run in runs if len(run) <= size], size)
        tiles += [piece for run in runs if len(run) > size for piece in _cut(run, size)]
    return tiles


def _cut(run: Sequence[Lane], size: int) -> list[tuple[Lane, ...]]:
    count = -(-len(run) // size)
    bounds = [round(part * len(run) / count) for part in range(count + 1)]
    return [tuple(run[low:high]) for low, high in pairwise(bounds)]


def _pack(runs: Sequence[list[Lane]], size: int) -> list[tuple[Lane, ...]]:
    """Whole runs, in order, in about equally full tiles."""
    total = sum(map(len, runs))
    even = -(-total // max(1, -(-total // size)))
    capacity = max([even, *map(len, runs)])
    tiles: list[list[Lane]] = []
    for run in runs:
        if tiles and len(tiles[-1]) + len(run) <= capacity:
            tiles[-1] += run
        else:
            tiles.append(list(run))
    return [tuple(tile) for tile in tiles]
