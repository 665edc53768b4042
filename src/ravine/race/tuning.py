"""Each entrant's own learning rate: the grid's outcomes, its extension at the edges, and the rates of the final."""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from ravine.race.entrants import Entrant, Setting, Values
from ravine.race.plan import GRID_STEP
from ravine.records import MEDIUM, SMALLEST_REGRET, TunedLane, regret, steps_to_target

STUCK_SHARE = 0.01
"""Within this share of the input-independent loss a lane has learnt nothing (protocol, point 10)."""

WARM_UP_SHARE = 0.1
"""Share of the horizon before which nothing counts as stuck."""

FINAL_RATES = 2
EXTENSION = 2

REFINEMENT = 10**0.2
"""Ratio of the best rate of the grid to the rates that are tried on either side of it (protocol, point 3)."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one lane ended.

    Attributes:
        lr: peak rate.
        value: the ranking metric at the last step; NaN if diverged.
        steps: the step grid.
        values: the ranking metric on it.
        diverged: whether a loss or parameter stopped being finite, or the loss blew up.
        stuck_since: first evaluation from which the loss stayed at the input-independent loss, if it did to the end.
        is_culled: whether it was stopped at a rung; `value` is what it had there.
        tuned: what else was tuned.
    """

    lr: float
    value: float
    diverged: bool
    stuck_since: int | None
    steps: np.ndarray = field(default_factory=lambda: np.empty(0), repr=False)
    values: np.ndarray = field(default_factory=lambda: np.empty(0), repr=False)
    is_culled: bool = False
    tuned: Values = ()

    @property
    def has_finished(self) -> bool:
        """Whether it ran to the end and has a value."""
        return not (self.diverged or self.is_culled) and math.isfinite(self.value)

    @property
    def start(self) -> float:
        """The ranking metric before the first step; NaN where there is no curve."""
        return float(self.values[0]) if self.values.size else math.nan

    @property
    def setting(self) -> Setting:
        """The lane's setting."""
        return Setting(self.lr, self.tuned)


def stuck_since(steps: np.ndarray, losses: np.ndarray, baseline: float | None) -> int | None:
    """Step from which a lane's evaluated loss stays within 1 % of the input-independent loss to the end.

    At least two evaluations after the warm-up must agree ("a whole evaluation"); None if they do not, or if the
    input-independent loss is not known.
    """
    if baseline is None or not baseline > 0 or not len(steps):
        return None
    near = np.abs(losses - baseline) <= STUCK_SHARE * baseline
    late = steps >= WARM_UP_SHARE * steps[-1]
    away = np.flatnonzero(late & ~near)
    first = int(away[-1]) + 1 if len(away) else int(np.argmax(late))
    return int(steps[first]) if len(steps) - first >= 2 else None


def ordered(outcomes: Sequence[Outcome], sign: float) -> list[Outcome]:
    """Lanes that finished, best first.

    Final values of less regret apart from the best than `SMALLEST_REGRET` are equal; among them the lane that was
    first within `MEDIUM` of it comes first. The ranking asks for both, final value and time-to-target, and a
    rate picked by a final value's last digits would lose on time by luck.

    Args:
        outcomes: any order.
        sign: -1 where higher is better.
    """
    finite = [o for o in outcomes if o.has_finished]
    if not finite:
        return []
    best = min(sign * o.value for o in finite)
    initial = _initial(finite, best, sign)
    target = best + MEDIUM * (initial - best)

    def key(outcome: Outcome) -> tuple[bool, float, float, float]:
        value = sign * outcome.value
        is_equal = value == best or bool(regret(value, best=best, initial=initial) <= SMALLEST_REGRET)
        time = steps_to_target(outcome.steps, sign * outcome.values, target) if is_equal and len(outcome.values) else math.inf
        return not is_equal, time, value, outcome.lr

    return sorted(finite, key=key)


def better_at_their_rung(outcomes: Sequence[Outcome], sign: float) -> list[Outcome]:
    """Culled lanes, two at most, that were better at their rung than anything that went on was in the end.

    Then all survivors diverged or collapsed later. Arguments as for `ordered`.
    """
    culled = [o for o in outcomes if o.is_culled and math.isfinite(o.value)]
    finished = ordered(outcomes, sign)
    if finished:
        best = min(sign * o.value for o in finished)
        initial = _initial(finished, best, sign)
        culled = [o for o in culled if best - sign * o.value > SMALLEST_REGRET * max(0.0, initial - sign * o.value)]
    return sorted(culled, key=lambda o: (sign * o.value, o.lr))[:FINAL_RATES]


def _initial(outcomes: Sequence[Outcome], otherwise: float, sign: float) -> float:
    starts = [sign * float(o.values[0]) for o in outcomes if len(o.values) and math.isfinite(o.values[0])]
    return float(np.median(starts)) if starts else otherwise


class RateSearch:
    """One entrant's rates and what became of them.

    Args:
        entrant: whose rates.
        higher_is_better: direction of the ranking metric.
        extends: whether rates may be tried that are not on the grid: beyond its ends, and close to the best.

    Attributes:
        grid: its rates, ascending, with those beyond the ends.
        refined: rates close to the best of the grid that were tried as well.
    """

    def __init__(self, entrant: Entrant, *, higher_is_better: bool, extends: bool) -> None:
        self.entrant, self.grid, self.refined = entrant, list(entrant.grid), tuple[float, ...]()
        self._sign, self._extends, self._extended = (-1.0 if higher_is_better else 1.0), extends, False
        self._outcomes: dict[float, Outcome] = {}

    def add(self, outcome: Outcome) -> None:
        """Take in how a lane ended."""
        self._outcomes[outcome.lr] = outcome

    @property
    def best(self) -> float | None:
        """The best rate so far; None if every lane diverged."""
        order = self._order()
        return order[0].lr if order else None

    @property
    def outcomes(self) -> list[Outcome]:
        """What became of its rates, in the order in which they ran."""
        return list(self._outcomes.values())

    def _order(self) -> list[Outcome]:
        return ordered(self.outcomes, self._sign)

    def rescue(self) -> tuple[float, ...]:
        """Culled rates that must be run to the end after all, ascending: those below the best, and those better at their rung."""
        better = better_at_their_rung(self.outcomes, self._sign)
        return tuple(sorted({*self.below(self.best), *(o.lr for o in better)}))

    def below(self, best: float | None) -> list[float]:
        """The two culled rates below the best, where nothing below it went on: it sits at the end of what is known."""
        if best is None:
            return []
        lower = sorted((o for o in self.outcomes if o.lr < best), key=lambda o: -o.lr)
        return [o.lr for o in itertools.takewhile(lambda o: o.is_culled, lower)][:EXTENSION]

    def refinement(self) -> tuple[float, ...]:
        """Rates just below and just above the best; none for rates that the user gave, and where none finished."""
        return self.refine(self.best)

    def refine(self, best: float | None) -> tuple[float, ...]:
        """The same around a rate that is the best of more than these."""
        if not self._extends or best is None:
            return ()
        self.refined = (best / REFINEMENT, best * REFINEMENT)
        return self.refined

    def extension(self) -> tuple[float, ...]:
        """Two more half-decade rates beyond the end at which the best one sits; empty if it does not, or the second time.

        Where every lane diverged, the grid grows downwards.
        """
        return self.extend(self.best)

    def extend(self, best: float | None) -> tuple[float, ...]:
        """The same where a rate is the best of more than these."""
        if not self._extends or self._extended:
            return ()
        low, high = min(self._outcomes), max(self._outcomes)
        if best is None or best == low:
            rates = tuple(low / GRID_STEP**power for power in range(EXTENSION, 0, -1))
        elif best == high:
            rates = tuple(high * GRID_STEP**power for power in range(1, EXTENSION + 1))
        else:
            return ()
        self._extended = True
        self.grid = sorted({*self.grid, *rates})
        return rates

    def has_learnt(self, lr: float) -> bool:
        """Whether the lane at a rate ended away from the input-independent loss."""
        outcome = self._outcomes.get(lr)
        return outcome is not None and not (outcome.diverged or outcome.is_culled) and outcome.stuck_since is None

    def silent_divergences(self) -> Mapping[float, int]:
        """Rates above the best whose lane sat at the input-independent loss to the end, with the step it began.

        A lane below the best rate that has not left that loss is slow, not diverged.
        """
        best = self.best
        return {o.lr: o.stuck_since for o in self._outcomes.values() if o.stuck_since is not None and best is not None and o.lr > best}

    def final_rates(self) -> tuple[float, ...]:
        """The best two rates, best first; fewer where others diverged."""
        silent = self.silent_divergences()
        return tuple(o.lr for o in self._order() if o.lr not in silent)[:FINAL_RATES]

    def tuned_lanes(self) -> list[TunedLane]:
        """The outcomes in the form that the ranking reads, ascending in rate."""
        silent = self.silent_divergences()
        return [
            TunedLane(self.entrant.label, o.lr, o.value, o.diverged, o.lr in silent, o.is_culled, o.lr in self.refined, o.tuned, o.start)
            for o in sorted(self._outcomes.values(), key=lambda o: o.lr)
        ]
