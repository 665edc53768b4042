"""From the lanes' results to a ranking with ties: a pure function of numbers (protocol, points 4, 7-9, 11, 12)."""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ravine.base._checks import unknown_name
from ravine.base.errors import InputError
from ravine.records.comparison import SMALLEST_TIME_GAP, Contestant, Pair, Scale, compare, restricted
from ravine.records.entrants import Cohort, FinalLane, TunedLane, chosen_cohorts, diverges_at_lr, is_at_edge, lr_window_decades
from ravine.records.rows import Final, RankedEntrant, Steps
from ravine.records.statistics import mean_interval, median_interval, steps_to_target
from ravine.records.targets import SMALLEST_REGRET, Targets, find_targets

# A diverging rate closer than this factor above the chosen one is "fragile" (protocol, point 10).
FRAGILE_BELOW = 3.0
# A race of an optimiser against itself must be a tie at least 95 % of the time (protocol, point 11). Times to a target that the data
# themselves set are not quite normal: simulated null races tie 94 % of the time at 0.05, and 97 % at this level.
ALPHA = 0.025


@dataclass(frozen=True, slots=True)
class Cost:
    """What a step of an optimiser costs.

    Attributes:
        bytes_per_parameter: memory for weight, gradient and optimiser state.
        gradients_per_step: gradient evaluations a step.
        seconds_per_step: measured time of one step of one lane.
        num_hypers: number of hypers, the measure of simplicity.
    """

    bytes_per_parameter: float | None = None
    gradients_per_step: float | None = 1.0
    seconds_per_step: float | None = None
    num_hypers: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RankingSettings:
    """How to rank.

    Attributes:
        eval_steps: the step grid of every lane, step 0 included.
        metric: the metric that ranks.
        higher_is_better: its direction.
        target: the user's own target; None for the medium target.
        reference: entrant that the targets are taken from; None for "adamw" where it was raced, else the first.
        alpha: bound on the chance of any false difference in the whole race.
        cost: by entrant.
        schedules: name of the schedule by entrant, for the ranking's rows.
        bounds: the least and the largest value that the metric can have; the mean's interval is cut there.
    """

    eval_steps: Sequence[int]
    metric: str = "loss"
    higher_is_better: bool = False
    target: float | None = None
    reference: str | None = None
    alpha: float = ALPHA
    cost: Mapping[str, Cost] = field(default_factory=dict)
    schedules: Mapping[str, str] = field(default_factory=dict)
    bounds: tuple[float, float] = (-math.inf, math.inf)


@dataclass(frozen=True, slots=True)
class Ranking:
    """The outcome of a race.

    Attributes:
        entrants: best first.
        targets: target values in the metric's own direction.
        pairs: every two entrants compared, in the order of the ranking.
        notes: sentences that must stand beside the ranking.
        recommended: the entrant to recommend; None where no entrant got better than its initial value.
        contestants: what the comparison saw of each, in the same order.
        scale: the yardsticks of the comparison.
    """

    entrants: list[RankedEntrant]
    targets: Targets
    pairs: list[Pair]
    notes: list[str]
    recommended: RankedEntrant | None
    contestants: tuple[Contestant, ...]
    scale: Scale


def rank(tuned: Sequence[TunedLane], final: Sequence[FinalLane], settings: RankingSettings) -> Ranking:
    """Rank the entrants by median steps to the used target, then by mean final metric, then by name.

    An entrant that diverged in every seed comes last and is tied only with its like.

    Args:
        tuned: lanes of the tuning stage; none where the rate was given.
        final: lanes of the final stage, up to two rates an optimiser.
        settings: how to rank.

    Raises:
        InputError: there are no final lanes, a lane is off the step grid, or the reference did not race.
    """
    _check(final, settings)
    sign = -1.0 if settings.higher_is_better else 1.0
    cohorts = {cohort.optimizer: cohort for cohort in chosen_cohorts(final, sign=sign)}
    starts = np.concatenate([cohort.curves[:, 0] for cohort in cohorts.values()])
    initial = median_interval(starts[np.isfinite(starts)]).estimate
    targets = _targets(cohorts, settings, initial, sign)
    contestants = sorted((_contestant(cohort, settings, targets.used, initial) for cohort in cohorts.values()), key=_order)
    scale = _scale(contestants, settings, initial)
    pairs = compare(contestants, scale, alpha=settings.alpha, sign=sign)
    ties = _ties(contestants, pairs)
    entrants = []
    for position, contestant in enumerate(contestants, 1):
        name = contestant.optimizer
        own = [lane for lane in tuned if lane.optimizer == name and lane.tuned == cohorts[name].tuned]
        entrants.append(
            RankedEntrant(
                rank=position,
                optimizer=name,
                tied_with=ties[name],
                lr=cohorts[name].lr,
                lr_window_decades=lr_window_decades(own, initial=initial, sign=sign),
                at_grid_edge=is_at_edge(own, cohorts[name].lr),
                diverges_at_lr=diverges_at_lr(own, above=cohorts[name].lr),
                steps_to_target=_steps(contestant),
                final=_final(cohorts[name], settings, sign),
                schedule=settings.schedules.get(name, ""),
                hypers=dict(cohorts[name].tuned),
                **_cost(settings, name),
            )
        )
    notes = _notes(entrants, cohorts, targets, scale, settings)
    recommended = _recommended(entrants, contestants, scale, settings)
    return Ranking(entrants, targets.times(sign), pairs, notes, recommended, tuple(contestants), scale)


def is_fragile(entrant: RankedEntrant) -> bool:
    """Whether a rate less than three times the chosen one diverged or stayed stuck."""
    return entrant.diverges_at_lr is not None and entrant.diverges_at_lr / entrant.lr < FRAGILE_BELOW


def _check(final: Sequence[FinalLane], settings: RankingSettings) -> None:
    if not final:
        raise InputError("no lanes of the final stage: a ranking needs at least one; let the race finish.")
    for lane in final:
        if np.shape(lane.values) != (len(settings.eval_steps),):
            shape = np.shape(lane.values)
            place = f"{lane.optimizer} at lr={lane.lr:g}, seed {lane.seed}"
            raise InputError(
                f"values of shape {shape} for {place}: must be one for each of {len(settings.eval_steps)} evaluations.", given=shape
            )
    names = {lane.optimizer for lane in final}
    if settings.reference is not None and settings.reference not in names:
        raise unknown_name("entrant of this race", settings.reference, names)


def _default_reference(cohorts: Mapping[str, Cohort]) -> str:
    return "adamw" if "adamw" in cohorts else next(iter(cohorts))


def _targets(cohorts: Mapping[str, Cohort], settings: RankingSettings, initial: float, sign: float) -> Targets:
    reference = settings.reference or _default_reference(cohorts)
    own = None if settings.target is None else sign * settings.target
    return find_targets({name: cohort.finals for name, cohort in cohorts.items()}, initial=initial, reference=reference, own=own)


def _contestant(cohort: Cohort, settings: RankingSettings, target: float | None, initial: float) -> Contestant:
    steps = np.asarray(settings.eval_steps)
    times = np.array([math.inf if target is None else steps_to_target(steps, curve, target) for curve in cohort.curves])
    kept = cohort.finals[np.isfinite(cohort.finals)]
    worst = max([value for value in (initial, *kept.tolist()) if math.isfinite(value)], default=0.0)
    finals = np.where(np.isfinite(cohort.finals), cohort.finals, worst)
    return Contestant(cohort.optimizer, cohort.seeds, times, finals, cohort.has_finished, cohort.seeds_differ)


def _order(contestant: Contestant) -> tuple[bool, float, float, str]:
    return not contestant.has_finished, median_interval(contestant.times).estimate, float(contestant.finals.mean()), contestant.optimizer


def _scale(contestants: Sequence[Contestant], settings: RankingSettings, initial: float) -> Scale:
    steps = [float(step) for step in settings.eval_steps]
    gaps = {later: later - earlier for earlier, later in itertools.pairwise(steps)}
    best = min(float(contestant.finals.mean()) for contestant in contestants)
    return Scale(interval=gaps.get(steps[-1], 1.0), rounding=gaps, horizon=steps[-1], span=initial - best)


def _ties(contestants: Sequence[Contestant], pairs: Sequence[Pair]) -> dict[str, tuple[str, ...]]:
    tied = {frozenset((pair.first, pair.second)) for pair in pairs if pair.is_tie}
    return {
        one.optimizer: tuple(
            other.optimizer
            for other in contestants
            if frozenset((one.optimizer, other.optimizer)) in tied and one.has_finished == other.has_finished
        )
        for one in contestants
    }


def _steps(contestant: Contestant) -> Steps:
    times = contestant.times
    interval = median_interval(times if contestant.seeds_differ else times[:1])
    median, low, high = (
        None if value is None or math.isinf(value) else value for value in (interval.estimate, interval.low, interval.high)
    )
    return Steps(median, low, high, int(np.isfinite(times).sum()), len(times))


def _final(cohort: Cohort, settings: RankingSettings, sign: float) -> Final:
    if not cohort.has_finished:
        return Final(settings.metric, None, None, None)
    finals = cohort.finals[np.isfinite(cohort.finals)]
    interval = mean_interval(sign * (finals if cohort.seeds_differ else finals[:1]))
    least, most = settings.bounds
    # Where no mean can lie none is missed: the interval covers as often as before.
    low, high = (None if end is None else min(max(end, least), most) for end in (interval.low, interval.high))
    return Final(settings.metric, interval.estimate, low, high)


def _cost(settings: RankingSettings, name: str) -> dict[str, Any]:
    cost = settings.cost.get(name, Cost())
    return {key: getattr(cost, key) for key in ("bytes_per_parameter", "gradients_per_step", "seconds_per_step")}


def _recommended(
    entrants: Sequence[RankedEntrant], contestants: Sequence[Contestant], scale: Scale, settings: RankingSettings
) -> RankedEntrant | None:
    """The best estimate, or the cheapest of its ties that is as good by estimate too; none where nothing was learnt.

    With few seeds almost everything is tied; a tie that is 15 % slower or 1 % of regret worse by estimate is not preferred for being cheap.
    Cost is counted in gradient evaluations, not seconds: the choice must not depend on the machine's mood.
    """
    best, strongest = entrants[0], contestants[0]
    if not strongest.has_finished or scale.span <= 0:
        return None

    def is_as_good(contestant: Contestant) -> bool:
        mine, other = (float(np.median(restricted(c.times, scale))) for c in (strongest, contestant))
        behind = float(contestant.finals.mean() - strongest.finals.mean())
        return other <= mine * (1 + SMALLEST_TIME_GAP) and behind <= SMALLEST_REGRET * max(scale.span, 0.0)

    def preference(entrant: RankedEntrant) -> tuple[float, float, int, int]:
        gradients = math.inf if entrant.gradients_per_step is None else entrant.gradients_per_step
        return gradients, -entrant.lr_window_decades, settings.cost.get(entrant.optimizer, Cost()).num_hypers, entrant.rank

    good = {contestant.optimizer for contestant in contestants if is_as_good(contestant)}
    return min(
        (entrant for entrant in entrants if entrant is best or entrant.optimizer in good.intersection(best.tied_with)), key=preference
    )


def _no_target(targets: Targets, scale: Scale, settings: RankingSettings) -> str:
    if targets.initial is None:
        return f"metric {settings.metric!r} was not finite before the first step, so there is no target to count steps to."
    often = " in more than half of its seeds" if scale.span > 0 else ""
    return f"no entrant got better than its initial value{often}."


def _notes(
    entrants: Sequence[RankedEntrant], cohorts: Mapping[str, Cohort], targets: Targets, scale: Scale, settings: RankingSettings
) -> list[str]:
    notes = []
    seeds = min(len(cohort.seeds) for cohort in cohorts.values())
    if len(entrants) > 1 and seeds < 2:
        notes.append("one seed: not testable, so nothing that finished can be told apart.")
    finished = [cohort for cohort in cohorts.values() if cohort.has_finished]
    if seeds > 1 and finished and not any(cohort.seeds_differ for cohort in finished):
        notes.append("the fresh seeds gave identical runs (fixed start and full batch): one sample, not testable.")
    elif len(entrants) > 1 and seeds == 2:
        notes.append("two seeds: the intervals are very wide, so hardly anything can be told apart.")
    wanted = settings.reference or _default_reference(cohorts)
    if targets.reference is None:
        notes.append(_no_target(targets, scale, settings))
    elif targets.reference != wanted:
        notes.append(f"the targets are taken from {targets.reference}, because {wanted} diverged or did not improve.")
    for entrant in entrants:
        name, cohort = entrant.optimizer, cohorts[entrant.optimizer]
        survivors = "; its final value is that of the others" if cohort.has_finished else ""
        if cohort.num_diverged:
            notes.append(f"{name} diverged in {cohort.num_diverged} of {len(cohort.seeds)} seeds{survivors}.")
        if cohort.num_lost > cohort.num_diverged:
            silent = cohort.num_lost - cohort.num_diverged
            notes.append(f"metric {settings.metric!r} of {name} was not finite in {silent} of {len(cohort.seeds)} seeds{survivors}.")
        if entrant.at_grid_edge:
            notes.append(f"{name} is not tuned: its best rate sits at the end of its grid.")
        if is_fragile(entrant):
            notes.append(f"{name} is fragile: it breaks at lr={entrant.diverges_at_lr:.3g}, so warm up or clip.")
    return notes
