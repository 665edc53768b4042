"""What the lanes of one optimiser say together: the better of its final rates, its good rates, and where it breaks."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from ravine.records.targets import SMALLEST_REGRET, regret

# Curves closer than this, relative to their largest value, are one run twice: float32 rounding and no more.
ROUNDING = 1e-6
# Rates whose tuned value lies within this regret of the best one count as good (protocol, point 12).
WINDOW_REGRET = 0.05


@dataclass(frozen=True, slots=True)
class FinalLane:
    """A lane of the final stage.

    Attributes:
        optimizer: registry name.
        lr: peak learning rate.
        seed: fresh lane seed.
        diverged: whether it diverged; then it never counts as having reached a target.
        values: ranking metric on the ranking split over the whole step grid.
        validation_final: ranking metric on the validation split at the last step.
        tuned: what was tuned besides the rate, as (name, value).
    """

    optimizer: str
    lr: float
    seed: int
    diverged: bool
    values: np.ndarray
    validation_final: float
    tuned: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True)
class TunedLane:
    """A lane of the tuning stage.

    Attributes:
        optimizer: registry name.
        lr: peak learning rate.
        value: ranking metric on the validation split where the lane ended; NaN where it diverged.
        diverged: whether it diverged.
        stuck: whether it stayed at the input-independent loss.
        culled: whether it was stopped at a rung; `value` is what it had there.
        refined: whether it lies between the rates of the grid, close to the best of them.
        tuned: what was tuned besides the rate, as (name, value).
        start: what `value` was before the first step; NaN where that is not known.
    """

    optimizer: str
    lr: float
    value: float
    diverged: bool
    stuck: bool
    culled: bool = False
    refined: bool = False
    tuned: tuple[tuple[str, float], ...] = ()
    start: float = math.nan

    @property
    def has_finished(self) -> bool:
        """Whether it ran to the end of the horizon, and learnt."""
        return not (self.diverged or self.stuck or self.culled) and math.isfinite(self.value)


@dataclass(frozen=True, slots=True)
class Cohort:
    """The fresh seeds of one optimiser at one setting, with the metric turned so that lower is better.

    Attributes:
        optimizer: registry name.
        lr: the rate.
        seeds: fresh seeds, ascending.
        curves: metric on the ranking split, (seeds, evaluations); NaN in full where a lane is lost, but for step 0.
        finals: its last column; infinite where a lane is lost: it diverged, or its last value is not finite.
        validation: metric on the validation split at the last step; infinite where a lane is lost.
        num_diverged: number of seeds that diverged.
        tuned: what was tuned besides the rate, as (name, value).
    """

    optimizer: str
    lr: float
    seeds: tuple[int, ...]
    curves: np.ndarray
    finals: np.ndarray
    validation: np.ndarray
    num_diverged: int
    tuned: tuple[tuple[str, float], ...] = ()

    @property
    def num_lost(self) -> int:
        """Number of seeds without a final value."""
        return int(np.isinf(self.finals).sum())

    @property
    def has_finished(self) -> bool:
        """Whether any seed has a final value."""
        return self.num_lost < len(self.seeds)

    @property
    def seeds_differ(self) -> bool:
        """Whether the seeds gave different curves; where nothing draws from them (fixed start, full batch) all are one run."""
        first = self.curves[0]
        scale = np.abs(first[np.isfinite(first)]).max(initial=0.0)
        return not np.allclose(self.curves, first, rtol=0.0, atol=ROUNDING * scale, equal_nan=True)


def chosen_cohorts(lanes: Iterable[FinalLane], *, sign: float) -> list[Cohort]:
    """Each optimiser at the better of its final settings: fewer lost seeds first, then the better mean validation value.

    A difference of less regret than `SMALLEST_REGRET` is none: then the setting that comes first in `lanes` is kept, which
    tuning put first.

    Args:
        lanes: all lanes of the final stage; of each optimiser's settings the one that tuning preferred first.
        sign: -1 where higher is better.
    """
    groups: dict[str, dict[object, list[FinalLane]]] = {}
    for lane in lanes:
        groups.setdefault(lane.optimizer, {}).setdefault((lane.lr, lane.tuned), []).append(lane)
    return [_better([_cohort(group, sign) for group in settings.values()]) for settings in groups.values()]


def _better(cohorts: Sequence[Cohort]) -> Cohort:
    fewest = min(cohort.num_lost for cohort in cohorts)
    means = [(cohort, _mean_validation(cohort)) for cohort in cohorts if cohort.num_lost == fewest]
    best = min(mean for _, mean in means)
    starts = np.concatenate([cohort.curves[:, 0] for cohort, _ in means])
    initial = float(np.median(starts[np.isfinite(starts)])) if np.isfinite(starts).any() else best
    equal = [cohort for cohort, mean in means if mean == best or regret(mean, best=best, initial=initial) <= SMALLEST_REGRET]
    return equal[0]


def _cohort(lanes: Sequence[FinalLane], sign: float) -> Cohort:
    ordered = sorted(lanes, key=lambda lane: lane.seed)
    curves = sign * np.array([lane.values for lane in ordered], dtype=np.float64)
    diverged = np.array([lane.diverged for lane in ordered])
    lost = diverged | ~np.isfinite(curves[:, -1])
    curves[lost, 1:] = np.nan
    validation = sign * np.array([lane.validation_final for lane in ordered], dtype=np.float64)
    validation = np.where(lost | np.isnan(validation), np.inf, validation)
    finals = np.where(lost, np.inf, curves[:, -1])
    seeds = tuple(lane.seed for lane in ordered)
    return Cohort(ordered[0].optimizer, ordered[0].lr, seeds, curves, finals, validation, int(diverged.sum()), ordered[0].tuned)


def _mean_validation(cohort: Cohort) -> float:
    kept = cohort.validation[np.isfinite(cohort.validation)]
    return float(kept.mean()) if kept.size else math.inf


def lr_window_decades(tuned: Iterable[TunedLane], *, initial: float, sign: float) -> float:
    """Decades between the outermost rates of the unbroken run of good ones around the best.

    The width that was seen: nothing is added for the half steps on either side, so one good rate alone is 0, and a rate
    that was culled ends the run, for what it would have come to is not known.

    Args:
        tuned: one optimiser's lanes.
        initial: value at step 0, lower is better, where the lanes do not know their own.
        sign: -1 where higher is better.
    """
    lanes = sorted(tuned, key=lambda lane: lane.lr)
    values = np.array([sign * lane.value if lane.has_finished else math.inf for lane in lanes])
    if not np.isfinite(values).any():
        return 0.0
    best = int(np.argmin(values))
    # Their own: the final's is of other seeds and of another split, which on few rows lies elsewhere.
    starts = [sign * lane.start for lane in lanes if math.isfinite(lane.start)]
    initial = float(np.median(starts)) if starts else initial
    good = regret(values, best=float(values[best]), initial=initial) <= WINDOW_REGRET
    bad = np.flatnonzero(~good)
    first = int(bad[bad < best].max(initial=-1)) + 1
    last = int(bad[bad > best].min(initial=len(lanes))) - 1
    return math.log10(lanes[last].lr / lanes[first].lr)


def is_at_edge(tuned: Iterable[TunedLane], lr: float) -> bool:
    """Whether the ranked rate lies at the lower or the upper end of the grid, or beyond, so that a better one may lie there.

    A refined rate beside the grid's end brackets nothing: it is too close.
    """
    rates = [lane.lr for lane in tuned if not lane.refined]
    return bool(rates) and not min(rates) < lr < max(rates)


def diverges_at_lr(tuned: Iterable[TunedLane], *, above: float) -> float | None:
    """Lowest tuned rate above `above` that diverged or stayed stuck; None where none did, before it was culled."""
    return min((lane.lr for lane in tuned if lane.lr > above and (lane.diverged or lane.stuck)), default=None)
