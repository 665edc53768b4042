"""When a final that draws its seeds in waves may end: how sure each look must be, and what the seeds left may still change.

Looking several times and stopping once something is found finds too much. So the chance of a false difference is spent over the looks,
in proportion to the seeds that are new at each (a spending function, Lan and DeMets 1983): a look at n of at most B seeds that follows
one at m may spend alpha (n - m) / B. Whatever the looks have in common, all of them together are wrong with a chance of at most alpha.
What is told apart at a look has to be so on all of its seeds.

What is not told apart yet may be so later. The chance of that is predicted from the paired differences so far (Spiegelhalter, Freedman
and Blackburn 1986): mean and variance are drawn from their posterior under the usual flat prior, then the seeds left, and these are
tested as the race would test them.

References:
    Lan and DeMets (1983), Discrete sequential boundaries for clinical trials, Biometrika 70.
    Spiegelhalter, Freedman and Blackburn (1986), Monitoring clinical trials: conditional or predictive power?, Controlled Clinical
        Trials 7.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy

from ravine.records.comparison import Pair, final_differences, time_differences
from ravine.records.ranking import ALPHA, Ranking
from ravine.records.targets import SMALLEST_REGRET

GROWTH = 1.5
"""Seeds of a look over those of the one before: few looks, and never half of the seeds in vain."""

UNLIKELY = 0.05
"""A chance below this that any entrant will be told apart from the recommended one ends the final."""

DRAWS = 2000
"""Futures drawn for a prediction: a chance of 5 % is known to half a percentage point."""

_SEED = 20_250_103


@dataclass(frozen=True, slots=True)
class Look:
    """A point at which it is decided whether more seeds are drawn.

    Attributes:
        seeds: fresh seeds run by then.
        alpha: bound on the chance of any false difference that this look may add.
    """

    seeds: int
    alpha: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a look says.

    Attributes:
        seeds: fresh seeds run.
        alpha: what the look may spend.
        recommended: the entrant that is recommended now; None where none is.
        told_apart: entrants that are told apart from it.
        chances: for each other one, the chance that a later look tells it apart.
        ends: whether the final ends here.
        sentence: this in words.
    """

    seeds: int
    alpha: float
    recommended: str | None
    told_apart: tuple[str, ...]
    chances: Mapping[str, float]
    ends: bool
    sentence: str

    def as_json(self) -> dict[str, Any]:
        """The verdict as plain values."""
        values = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return values | {"told_apart": list(self.told_apart), "chances": dict(self.chances)}


def plan_looks(min_seeds: int, max_seeds: int, *, alpha: float = ALPHA) -> tuple[Look, ...]:
    """The looks of a race: the first at `min_seeds`, each of the next half as many seeds again, the last at `max_seeds`.

    Args:
        min_seeds: 2 or more.
        max_seeds: above it; equal gives one look that may spend everything.
        alpha: bound on the chance of any false difference in the whole race.

    Example:
        >>> [look.seeds for look in plan_looks(3, 20)]
        [3, 5, 8, 12, 20]
    """
    seeds = [min_seeds]
    while seeds[-1] < max_seeds:
        following = math.ceil(GROWTH * seeds[-1])
        # A last wave of a few seeds would be a look for little: it joins the one before.
        seeds.append(following if math.ceil(GROWTH * following) <= max_seeds else max_seeds)
    return tuple(Look(now, alpha * (now - before) / max_seeds) for before, now in zip([0, *seeds], seeds, strict=False))


def judge(ranking: Ranking, looks: Sequence[Look], number: int) -> Verdict:
    """Whether seeds after a look can change the recommendation, other than to an entrant that it cannot be told apart from.

    Args:
        ranking: of all seeds run by then, at the look's own `alpha`.
        looks: of the race.
        number: of the look, from 0.
    """
    look, ahead = looks[number], looks[number + 1 :]
    chosen = ranking.recommended
    if chosen is None:
        ends = not ahead
        return Verdict(look.seeds, look.alpha, None, (), {}, ends, _nothing(look, looks[-1], ends=ends))
    apart = tuple(one.optimizer for one in ranking.entrants if one is not chosen and one.optimizer not in chosen.tied_with)
    chances = {name: _chance(ranking, chosen.optimizer, name, ahead) for name in chosen.tied_with}
    ends = not ahead or sum(chances.values()) < UNLIKELY
    said = _sentence(chosen.optimizer, apart, chances, looks, number, ends=ends)
    return Verdict(look.seeds, look.alpha, chosen.optimizer, apart, chances, ends, said)


def chance_to_tell_apart(
    sample: np.ndarray, ahead: Sequence[Look], *, hypotheses: int = 1, resolution: float = 0.0, least: float = 0.0
) -> float:
    """The chance that any later look finds the mean of paired differences to be other than 0.

    Args:
        sample: the differences so far, two or more.
        ahead: the looks that follow.
        hypotheses: what Holm's adjustment multiplies the p-value by.
        resolution: standard deviation of a difference's own measurement; the spread is never taken to be smaller.
        least: a mean smaller than this is not a difference.
    """
    n = sample.size
    spread = max(float(sample.std(ddof=1)), resolution)
    if not ahead or spread <= 1e-14 * float(np.abs(sample).max()):
        return 0.0
    generator, left = np.random.default_rng(_SEED), ahead[-1].seeds - n
    deviation = spread * np.sqrt((n - 1) / generator.chisquare(n - 1, size=(DRAWS, 1)))
    centre = sample.mean() + deviation / math.sqrt(n) * generator.normal(size=(DRAWS, 1))
    future = centre + deviation * generator.normal(size=(DRAWS, left))
    # Of what is drawn, centred so that squares of large values are not subtracted from each other.
    origin = float(sample.mean())
    totals, squares = np.cumsum(future - origin, axis=1), np.cumsum((future - origin) ** 2, axis=1)
    found = np.zeros(DRAWS, dtype=bool)
    for look in ahead:
        more = look.seeds - n - 1
        mean = totals[:, more] / look.seeds
        variance = ((n - 1) * sample.var(ddof=1) + squares[:, more] - look.seeds * mean**2) / (look.seeds - 1)
        error = np.sqrt(np.maximum(variance, resolution**2) / look.seeds)
        p = 2 * scipy.special.stdtr(look.seeds - 1, -np.abs(origin + mean) / error)
        found |= (hypotheses * p <= look.alpha) & (np.abs(origin + mean) >= least)
    return float(found.mean())


def _chance(ranking: Ranking, chosen: str, rival: str, ahead: Sequence[Look]) -> float:
    """The chance that time or final value will tell a rival apart from the recommended entrant."""
    contestants = {contestant.optimizer: contestant for contestant in ranking.contestants}
    one, other, scale = contestants[chosen], contestants[rival], ranking.scale
    if not (one.seeds_differ or other.seeds_differ):
        return 0.0
    hypotheses = _multipliers(ranking.pairs)[frozenset((chosen, rival))]
    times, resolution = time_differences(one, other, scale)
    known = float(np.sqrt(np.mean(resolution**2)))
    by_time = chance_to_tell_apart(times, ahead, hypotheses=hypotheses[0], resolution=known)
    least = SMALLEST_REGRET * max(scale.span, 0.0)
    by_final = chance_to_tell_apart(final_differences(one, other), ahead, hypotheses=hypotheses[1], least=least)
    return min(1.0, by_time + by_final)


def _multipliers(pairs: Sequence[Pair]) -> dict[frozenset[str], tuple[int, int]]:
    """What Holm multiplies the p-values of a pair's two measures by, once all that is surer by now is told apart as well."""
    values = np.array([pair.log_time.p for pair in pairs] + [pair.final.p for pair in pairs])
    places = np.empty(values.size, dtype=np.int64)
    places[np.argsort(values, kind="stable")] = np.arange(values.size)
    factors = (values.size - places).tolist()
    return {frozenset((pair.first, pair.second)): (factors[i], factors[len(pairs) + i]) for i, pair in enumerate(pairs)}


def _sentence(chosen: str, apart: Sequence[str], chances: Mapping[str, float], looks: Sequence[Look], number: int, *, ends: bool) -> str:
    seeds, most = looks[number].seeds, looks[-1].seeds
    open_pairs = {name: chance for name, chance in chances.items() if chance >= UNLIKELY / max(1, len(chances))}
    if not ends:
        likely = max(open_pairs.values())
        following = looks[number + 1].seeds
        return (
            f"After {seeds} of at most {most} seeds it is open whether {chosen} can be told apart from {_listed(open_pairs)} "
            f"(chance up to {_percent(likely)}), so the final goes on to {following} seeds."
        )
    head = f"The final used all {most} seeds" if seeds == most else f"The final ended after {seeds} of at most {most} seeds"
    if not apart and not chances:
        return f"{head}: with one entrant, more cannot change what is recommended."
    if not chances:
        return f"{head}: {chosen} is told apart from every other entrant."
    tied = f"{head}: {chosen} cannot be told apart from {_listed(chances)}"
    if seeds == most:
        return f"{tied}."
    total = sum(chances.values())
    below = f", below {_percent(UNLIKELY)}" if total >= 0.01 else ""
    rest = "; it is told apart from the rest" if apart else ""
    return f"{tied}, and the chance that more seeds would do so is {_percent(total)}{below}{rest}."


def _nothing(look: Look, last: Look, *, ends: bool) -> str:
    if ends:
        return f"The final used all {last.seeds} seeds, and nothing is recommended."
    return f"After {look.seeds} of at most {last.seeds} seeds nothing can be recommended, so the final goes on."


def _listed(names: Iterable[str]) -> str:
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last


def _percent(share: float) -> str:
    return "less than 1 %" if share < 0.01 else f"{100 * share:.0f} %"
