"""The tuning stage of all entrants: who goes on at a rung, what lanes came to, and which rates follow."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ravine.race.halving import Candidate, culls, skipped
from ravine.race.plan import Plan
from ravine.race.stage import SILENTLY, Entry, Scribe, Trace
from ravine.race.tuning import Outcome, RateSearch, stuck_since

CONSTANT = f"{SILENTLY}: its loss stayed within 1 % of that of a constant output"


class Searching:
    """The rates of all entrants.

    Args:
        plan: the race.
        scribe: holds what lanes did.

    Attributes:
        rates: label -> its rates and what became of them.
    """

    def __init__(self, plan: Plan, scribe: Scribe) -> None:
        self._plan, self._scribe = plan, scribe
        self._metric = plan.task.rank_by
        self._sign = -1.0 if plan.task.higher_is_better(self._metric) else 1.0
        self.rates = {e.label: RateSearch(e, higher_is_better=self._sign < 0, extends=plan.extends) for e in plan.entrants}

    def judge(self, entries: Sequence[Entry]) -> Callable[[int], Mapping[int, str]]:
        """What decides at the rungs of a stage with these lanes."""

        def decide(step: int) -> Mapping[int, str]:
            ended: dict[int, str] = {}
            for label in self.rates:
                own = {entry.row.lr: entry.row.lane for entry in entries if entry.row.optimizer == label}
                candidates = [self._candidate(self._scribe.traces[lane]) for lane in own.values()]
                found = culls(candidates, self._plan.rungs, step)
                ended |= {own[lr]: why for lr, (at, why) in found.items() if at == step}
            return ended

        return decide

    def _candidate(self, trace: Trace) -> Candidate:
        steps, values = trace.curve("validation", self._metric)
        return Candidate(trace.row.lr, steps, self._sign * values, trace.curve("validation", "loss")[1], trace.diverged_at)

    def take(self, entries: Sequence[Entry]) -> None:
        """Take in how lanes of the tuning stage ended, and mark those that diverged silently."""
        baseline = self._plan.task.baseline_loss()
        for entry in entries:
            trace = self._scribe.traces[entry.row.lane]
            has_ended = trace.ended_at is not None
            since = None if has_ended else stuck_since(*trace.curve("validation", "loss"), baseline)
            value, curve = trace.last("validation", self._metric), trace.curve("validation", self._metric)
            is_culled = trace.diverged_at is None and trace.culled_at is not None
            self.rates[entry.row.optimizer].add(Outcome(entry.row.lr, value, trace.diverged_at is not None, since, *curve, is_culled))
        for entry in entries:
            since = self.rates[entry.row.optimizer].silent_divergences().get(entry.row.lr)
            if since is not None:
                self._scribe.diverged(entry.row.lane, since, CONSTANT)

    def grids(self) -> dict[str, Sequence[float]]:
        """Rates to begin with."""
        return {label: search.entrant.grid for label, search in self.rates.items()}

    def more(self) -> dict[str, Sequence[float]]:
        """Rates to run to the end after that: culled ones that may be better after all, and those beyond an end at which the best sits."""
        found: dict[str, Sequence[float]] = {}
        for label, search in self.rates.items():
            again = search.rescue()
            beyond = () if again and search.best is None else search.extension()
            if again or beyond:
                found[label] = sorted({*again, *beyond})
        return found

    def finer(self) -> dict[str, Sequence[float]]:
        """Rates close to the best of each."""
        return {label: rates for label, search in self.rates.items() if (rates := search.refinement())}

    def final(self) -> dict[str, Sequence[float]]:
        """Rates of the final.

        Where every rate of an entrant diverged, its lowest one stands in: the record then shows K failures, not a gap.
        """
        if self._plan.is_shared_lr:
            return {entrant.label: entrant.grid for entrant in self._plan.entrants}
        return {label: search.final_rates() or (min(search.grid),) for label, search in self.rates.items()}

    def as_json(self) -> dict[str, Any]:
        """How rates were searched, for the record."""
        plan = self._plan
        return {
            "exhaustive": plan.is_exhaustive,
            "rungs": [rung.as_json() for rung in plan.rungs],
            "without_rungs_at": [] if plan.is_exhaustive or plan.is_shared_lr else skipped(plan.rungs),
            "refined": {label: list(search.refined) for label, search in self.rates.items() if search.refined},
        }
