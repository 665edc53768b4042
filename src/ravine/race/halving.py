"""Which rates go on at a rung: successive halving with a hedge against its taste for rates that are too high (protocol, point 3).

A pure function of what was evaluated up to the rung, so that a race that was killed decides again what it had decided.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

ETA = 3
"""One rate in so many goes on at each rung that halves."""

LEAST = 3
"""Rates that go on at least."""

CULLS_BROKEN = 0.03
"""Share of the horizon at which nothing but broken lanes end: early leaders are too fast, and the order says little yet."""

HALVES = (0.10, 0.33)
"""Shares of the horizon at which rates are halved."""

USEFUL_STEPS = 10
"""Steps before which an evaluation tells rates apart by luck alone."""


USUAL_HEDGE = 1.75
"""Rates that go on for each of the best, neighbours and the least number included; for forecasts."""


@dataclass(frozen=True, slots=True)
class Rung:
    """A point of the horizon at which lanes may end.

    Attributes:
        share: of the horizon, as the protocol has it.
        step: the nearest step of evaluation.
        part: one rate in so many goes on; 1 where only broken lanes end.
    """

    share: float
    step: int
    part: int

    def as_json(self) -> dict[str, Any]:
        """The rung for the record."""
        return {"share": self.share, "step": self.step, "keeps_one_in": self.part}


@dataclass(frozen=True, slots=True)
class Candidate:
    """A rate and what its lane has shown so far.

    Attributes:
        lr: the rate.
        steps: at which it was evaluated.
        values: the ranking metric there, lower is better.
        losses: the loss there.
        diverged_at: step, if it diverged.
        group: lanes of one group differ in nothing but their rates: a next lower rate is one of the same group.
        number: what stands for it in an answer; its rate if None.
    """

    lr: float
    steps: np.ndarray = field(repr=False)
    values: np.ndarray = field(repr=False)
    losses: np.ndarray = field(repr=False)
    diverged_at: int | None = None
    group: int = 0
    number: int | None = None

    @property
    def key(self) -> float:
        """What stands for it in an answer."""
        return self.lr if self.number is None else self.number

    def at(self, step: int) -> tuple[float, float]:
        """Metric and loss at a step; not finite where it has none."""
        found = np.flatnonzero(self.steps == step)
        return (float(self.values[found[0]]), float(self.losses[found[0]])) if len(found) else (math.nan, math.nan)

    def is_broken(self, step: int) -> bool:
        """Whether it has no finite value, or has lost twice what it began with, without having diverged by the rule for that."""
        value, loss = self.at(step)
        start = float(self.losses[0]) if len(self.losses) else math.nan
        return not (math.isfinite(value) and math.isfinite(loss)) or loss > start + abs(start)


def rungs_for(steps: int, evaluation_steps: Sequence[int]) -> tuple[Rung, ...]:
    """The rungs of a horizon, ascending; fewer where they would coincide or come too early to tell anything.

    Args:
        steps: the horizon.
        evaluation_steps: ascending.
    """
    grid, found = np.asarray(evaluation_steps), dict[int, float]()
    for share in (CULLS_BROKEN, *HALVES):
        step = int(grid[np.argmin(np.abs(grid - share * steps))])
        if USEFUL_STEPS <= step < steps:
            found[step] = share
    part, rungs = 1, list[Rung]()
    for step, share in sorted(found.items()):
        part *= ETA if share in HALVES else 1
        rungs.append(Rung(share, step, part))
    return tuple(rungs)


def skipped(rungs: Sequence[Rung]) -> list[float]:
    """Shares of the horizon that have no rung of their own."""
    kept = {rung.share for rung in rungs}
    return [share for share in (CULLS_BROKEN, *HALVES) if share not in kept]


def can_halve(num_rates: int) -> bool:
    """Whether so many rates are more than must go on anyway."""
    return num_rates > LEAST


def expected_share(rungs: Sequence[Rung], steps: int) -> float:
    """About what part of the gradients of all rates is spent, where none of them breaks."""
    share, running, before = 0.0, 1.0, 0
    for rung in rungs:
        share += running * (rung.step - before) / steps
        # About every second survivor's lower neighbour is a survivor itself.
        running, before = min(running, USUAL_HEDGE / rung.part if rung.part > 1 else 1.0), rung.step
    return share + running * (steps - before) / steps


def culls(candidates: Sequence[Candidate], rungs: Sequence[Rung], upto: int) -> Mapping[float, tuple[int, str]]:
    """Lanes of one entrant that end at rungs up to a step.

    Args:
        candidates: all lanes of the stage, any order.
        rungs: ascending.
        upto: the step; what was evaluated later is not looked at.

    Returns:
        rate, or what stands for it -> the step of its rung, and why.
    """
    ended: dict[float, tuple[int, str]] = {}
    for rung in rungs:
        if rung.step > upto:
            break
        running = [c for c in candidates if c.key not in ended and (c.diverged_at is None or c.diverged_at > rung.step)]
        ended |= {key: (rung.step, why) for key, why in _ended(running, rung, len(candidates)).items()}
    return ended


def _ended(running: Sequence[Candidate], rung: Rung, total: int) -> dict[float, str]:
    order = sorted(running, key=lambda c: _key(c, rung.step))
    healthy = [c for c in order if not c.is_broken(rung.step)]
    going = healthy if rung.part == 1 else _hedged(healthy, -(-total // rung.part))
    kept = {candidate.key for candidate in going}
    for candidate in order:
        if len(kept) >= LEAST:
            break
        kept.add(candidate.key)
    return {c.key: _reason(c, place, rung, kept=len(kept), running=len(order)) for place, c in enumerate(order, 1) if c.key not in kept}


def _hedged(order: Sequence[Candidate], number: int) -> list[Candidate]:
    """The best and, of each, the next lower rate of its group that still runs."""
    best = list(order[:number])
    lower = [max((c for c in order if c.group == one.group and c.lr < one.lr), key=lambda c: c.lr, default=one) for one in best]
    return [*best, *lower]


def _key(candidate: Candidate, step: int) -> tuple[bool, float, float, float]:
    value, loss = candidate.at(step)
    is_broken = candidate.is_broken(step)
    # Of equal values, as a metric that counts may have, the lower loss, and then the lower rate: leaders are too high, not too low.
    return is_broken, _last(value), _last(loss), candidate.lr


def _last(value: float) -> float:
    return value if math.isfinite(value) else math.inf


def _reason(candidate: Candidate, place: int, rung: Rung, *, kept: int, running: int) -> str:
    where = f"at {100 * rung.share:.0f} % of the horizon"
    if candidate.is_broken(rung.step):
        return f"{where} its loss was {candidate.at(rung.step)[1]:.3g}, from {_start(candidate):.3g} at the start"
    return f"{where} it was number {place} of {running} {'rates' if candidate.number is None else 'lanes'}, of which {kept} went on"


def _start(candidate: Candidate) -> float:
    return float(candidate.losses[0]) if len(candidate.losses) else math.nan
