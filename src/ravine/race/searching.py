"""The tuning stage of all entrants: who goes on at a rung, what lanes came to, and which rates follow."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ravine.race.contest import EntrantSearch
from ravine.race.entrants import Setting
from ravine.race.halving import Candidate, culls, skipped
from ravine.race.plan import Plan
from ravine.race.stage import SILENTLY, Entry, Pace, Scribe, Trace, pace_of
from ravine.race.tuning import EXTENSION, Outcome, stuck_since

CONSTANT = f"{SILENTLY}: its loss stayed within 1 % of that of a constant output"


class Searching:
    """The settings of all entrants.

    Args:
        plan: the race.
        scribe: holds what lanes did.

    Attributes:
        rates: label -> its settings and what became of them.
    """

    def __init__(self, plan: Plan, scribe: Scribe) -> None:
        self._plan, self._scribe = plan, scribe
        self._metric = plan.task.rank_by
        self._sign = -1.0 if plan.task.higher_is_better(self._metric) else 1.0
        self._entrants = {entrant.label: entrant for entrant in plan.entrants}
        self.rates = {e.label: EntrantSearch(e, higher_is_better=self._sign < 0, extends=plan.extends) for e in plan.entrants}

    def judge(self, entries: Sequence[Entry], among: Sequence[Entry], pace: Pace) -> Callable[[int], Mapping[int, str]]:
        """What decides at the rungs of some of the grid's lanes.

        Args:
            entries: all lanes of the grid.
            among: those that run together, of one batch size.
            pace: between their steps and the race's.
        """
        # The grid's lanes stand in the order of `Entrant.settings`.
        numbers = {entrant.label: [group for group, one in enumerate(entrant.tried) for _ in one.grid] for entrant in self._plan.entrants}
        places = {label: iter(groups) for label, groups in numbers.items()}
        groups = {entry.row.lane: next(places[entry.row.optimizer]) for entry in entries}

        def decide(step: int) -> Mapping[int, str]:
            ended: dict[int, str] = {}
            at_step = pace.shared(step)
            for label, entrant in self._entrants.items():
                own = [entry.row.lane for entry in among if entry.row.optimizer == label]
                candidates = [
                    self._candidate(self._scribe.traces[lane], groups[lane], lane if entrant.configurations else None) for lane in own
                ]
                by_key = {candidate.key: lane for candidate, lane in zip(candidates, own, strict=True)}
                found = culls(candidates, self._plan.rungs, at_step)
                ended |= {by_key[key]: why for key, (at, why) in found.items() if at == at_step}
            return ended

        return decide

    def _candidate(self, trace: Trace, group: int, number: int | None) -> Candidate:
        steps, values = trace.curve("validation", self._metric)
        losses, pace = trace.curve("validation", "loss")[1], pace_of(trace.row, self._plan.task.rows_per_step)
        diverged_at = None if trace.diverged_at is None else pace.shared(trace.diverged_at)
        return Candidate(trace.row.lr, steps, self._sign * values, losses, diverged_at, group, number)

    def take(self, entries: Sequence[Entry]) -> None:
        """Take in how lanes of the tuning stage ended, and mark those that diverged silently."""
        baseline = self._plan.task.baseline_loss()
        for entry in entries:
            trace = self._scribe.traces[entry.row.lane]
            has_ended = trace.ended_at is not None
            since = None if has_ended else stuck_since(*trace.curve("validation", "loss"), baseline)
            value, curve = trace.last("validation", self._metric), trace.curve("validation", self._metric)
            is_culled = trace.diverged_at is None and trace.culled_at is not None
            tuned = self.setting(trace).values
            outcome = Outcome(entry.row.lr, value, trace.diverged_at is not None, since, *curve, is_culled, tuned)
            self.rates[entry.row.optimizer].add(outcome)
        silent = {label: search.silent_divergences() for label, search in self.rates.items()}
        for entry in entries:
            since = silent[entry.row.optimizer].get(self.setting(self._scribe.traces[entry.row.lane]))
            if since is not None:
                self._scribe.silent(entry.row.lane, since, CONSTANT)

    def setting(self, trace: Trace) -> Setting:
        """How a lane was set."""
        return self._entrants[trace.row.optimizer].setting(trace.row)

    def grids(self) -> dict[str, Sequence[Setting]]:
        """Settings to begin with."""
        return {label: entrant.settings() for label, entrant in self._entrants.items()}

    def more(self) -> dict[str, Sequence[Setting]]:
        """What to run to the end after that: culled settings that may be better after all, and rates beyond an end where the best sits."""
        found: dict[str, Sequence[Setting]] = {}
        for label, search in self.rates.items():
            again = search.rescue()
            beyond = [] if again and search.best is None else search.extension()
            if again or beyond:
                found[label] = sorted({*again, *beyond}, key=lambda setting: (setting.lr, setting.values))
        return found

    def most_more(self) -> dict[str, int]:
        """How many settings of each `more` can name; the search is not touched."""
        beyond = EXTENSION if self._plan.extends else 0
        return {label: len(search.rescue()) + beyond * search.sits_at_an_end for label, search in self.rates.items()}

    def most_finer(self) -> dict[str, int]:
        """How many settings of each `finer` can name."""
        return dict.fromkeys(self.rates, 2 if self._plan.extends else 0)

    def finer(self) -> dict[str, Sequence[Setting]]:
        """Rates close to the best of each."""
        return {label: settings for label, search in self.rates.items() if (settings := search.refinement())}

    def final(self) -> dict[str, Sequence[Setting]]:
        """Settings of the final.

        Where every rate of an entrant diverged, its lowest one stands in: the record then shows K failures, not a gap.
        """
        if self._plan.is_shared_lr:
            return {label: entrant.settings() for label, entrant in self._entrants.items()}
        return {label: search.final_settings() for label, search in self.rates.items()}

    def as_json(self) -> dict[str, Any]:
        """How rates were searched, for the record."""
        plan = self._plan
        return {
            "exhaustive": plan.is_exhaustive,
            "rungs": [rung.as_json() for rung in plan.rungs],
            "without_rungs_at": [] if plan.is_exhaustive or plan.is_shared_lr else skipped(plan.rungs),
            "refined": {label: list(search.refined) for label, search in self.rates.items() if search.refined},
        }
