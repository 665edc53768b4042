"""Which two entrants can be told apart: paired differences of time-to-target and of the final metric, adjusted over all pairs."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ravine.records.rows import finite
from ravine.records.statistics import Difference, holm, one_sample, paired_difference
from ravine.records.targets import SMALLEST_REGRET

# With this many seeds or fewer a gap in median time below `SMALLEST_TIME_GAP` is a tie (protocol, point 11).
FEW_SEEDS = 5
SMALLEST_TIME_GAP = 0.15


@dataclass(frozen=True, slots=True)
class Contestant:
    """What a comparison needs of one entrant; all arrays are over `seeds`.

    Attributes:
        optimizer: registry name.
        seeds: fresh seeds, ascending.
        times: steps to the used target, infinite where never reached.
        finals: final metric, lower is better; a diverged lane holds the initial value, for it has nothing to show.
        has_finished: whether any lane did not diverge.
        seeds_differ: whether its seeds gave different curves.
    """

    optimizer: str
    seeds: tuple[int, ...]
    times: np.ndarray
    finals: np.ndarray
    has_finished: bool
    seeds_differ: bool = True


@dataclass(frozen=True, slots=True)
class Scale:
    """The race's own yardsticks.

    Attributes:
        interval: steps between two evaluations at the end of the race.
        rounding: by steps, how far the evaluation before lies: a time is known no better than that.
        horizon: last evaluated step.
        span: initial value less the best entrant's mean final value; not above 0 where nothing was learnt.
    """

    interval: float
    rounding: dict[float, float]
    horizon: float
    span: float


@dataclass(frozen=True, slots=True)
class Pair:
    """Two entrants compared.

    Attributes:
        first: the entrant ranked higher.
        second: the other.
        log_time: second less first in log steps-to-target; never-reached is held to the horizon plus one evaluation interval.
        final: second less first in the final metric, in the metric's own direction.
        adjusted_p: Holm-adjusted p-values of the two measures.
        told_apart_by: the measures that tell them apart, of "time" and "final".
    """

    first: str
    second: str
    log_time: Difference
    final: Difference
    adjusted_p: tuple[float, float]
    told_apart_by: tuple[str, ...]

    @property
    def is_tie(self) -> bool:
        """Whether the two cannot be told apart."""
        return not self.told_apart_by

    def as_json(self) -> dict[str, Any]:
        """The pair as plain values."""
        measures = {"log_time": self.log_time, "final": self.final}
        parts = {key: {name: finite(getattr(part, name)) for name in part.__dataclass_fields__} for key, part in measures.items()}
        tail = {"adjusted_p": list(self.adjusted_p), "told_apart_by": list(self.told_apart_by)}
        return {"first": self.first, "second": self.second, **parts, **tail}


def restricted(times: np.ndarray, scale: Scale) -> np.ndarray:
    """Times with never-reached held to the horizon plus one evaluation interval."""
    # Half a step keeps a target that was met at step 0 out of the logarithm.
    return times.clip(0.5, scale.horizon + scale.interval)


def compare(contestants: Sequence[Contestant], scale: Scale, *, alpha: float, sign: float) -> list[Pair]:
    """Compare every two of `contestants`, best first, on the seeds that both ran.

    Args:
        contestants: in the order of the ranking.
        scale: yardsticks.
        alpha: chance of any false difference in the whole race.
        sign: -1 where the metric's own direction is higher-is-better.
    """
    couples = list(itertools.combinations(contestants, 2))
    times = [_time_difference(a, b, scale) for a, b in couples]
    finals = [_final_difference(a, b) for a, b in couples]
    adjusted = holm([difference.p for difference in (*times, *finals)])
    pairs = []
    for index, (a, b) in enumerate(couples):
        p = (adjusted[index], adjusted[len(couples) + index])
        apart = []
        if p[0] <= alpha and _time_gap_counts(a, b, scale):
            apart.append("time")
        if p[1] <= alpha and abs(finals[index].mean) >= SMALLEST_REGRET * scale.span > 0:
            apart.append("final")
        pairs.append(Pair(a.optimizer, b.optimizer, times[index], _turned(finals[index], sign), p, tuple(apart)))
    return pairs


def _shared(a: Contestant, b: Contestant) -> tuple[list[int], list[int]]:
    seeds = [seed for seed in a.seeds if seed in b.seeds]
    return [a.seeds.index(seed) for seed in seeds], [b.seeds.index(seed) for seed in seeds]


def time_differences(a: Contestant, b: Contestant, scale: Scale) -> tuple[np.ndarray, np.ndarray]:
    """`b` less `a` in log steps-to-target on the seeds that both ran, and the standard deviation of each one's own measurement."""
    mine, theirs = _shared(a, b)
    first, second = restricted(a.times[mine], scale), restricted(b.times[theirs], scale)
    # A time lies anywhere between two evaluations: a uniform spread of the interval over the root of 12, relative to the time.
    spread = [np.array([scale.rounding.get(float(t), scale.interval) / t for t in times]) / math.sqrt(12) for times in (first, second)]
    return np.log(second) - np.log(first), np.hypot(*spread)


def final_differences(a: Contestant, b: Contestant) -> np.ndarray:
    """`b` less `a` in the final metric on the seeds that both ran."""
    mine, theirs = _shared(a, b)
    return np.asarray(b.finals[theirs] - a.finals[mine])


def _time_difference(a: Contestant, b: Contestant, scale: Scale) -> Difference:
    differences, resolution = time_differences(a, b, scale)
    return one_sample(differences) if _is_one_sample(a, b) else paired_difference(differences, resolution=resolution)


def _final_difference(a: Contestant, b: Contestant) -> Difference:
    differences = final_differences(a, b)
    return one_sample(differences) if _is_one_sample(a, b) else paired_difference(differences)


def _is_one_sample(a: Contestant, b: Contestant) -> bool:
    # One seed says so by itself, as too few.
    return not a.seeds_differ and not b.seeds_differ and len(_shared(a, b)[0]) > 1


def _time_gap_counts(a: Contestant, b: Contestant, scale: Scale) -> bool:
    mine, theirs = _shared(a, b)
    if len(mine) > FEW_SEEDS:
        return True
    slow, fast = sorted((float(np.median(restricted(times, scale))) for times in (a.times[mine], b.times[theirs])), reverse=True)
    return slow / fast - 1 >= SMALLEST_TIME_GAP


def _turned(difference: Difference, sign: float) -> Difference:
    if sign > 0 or difference.low is None or difference.high is None:
        return Difference(sign * difference.mean, difference.low, difference.high, difference.p, difference.n, difference.method)
    return Difference(-difference.mean, -difference.high, -difference.low, difference.p, difference.n, difference.method)
