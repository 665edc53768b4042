"""The final: fresh seeds of every entrant's best settings, all at once or in waves, and the ranking of what they come to."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ravine.fleet import Fleet
from ravine.race.plan import TUNING_SEED, Plan
from ravine.race.searching import CONSTANT, Searching
from ravine.race.stage import Entry, Observer, Scribe, seconds_per_step
from ravine.race.tuning import stuck_since
from ravine.records import ALPHA, Cost, FinalLane, Ranking, RankingSettings, rank
from ravine.records.sequential import Verdict, judge
from ravine.rules import registry
from ravine.tasks.bounds import bounds_of

FINAL = "final"


class Finals:
    """The final of one race.

    Args:
        plan: the race.
        fleet: of the task.
        scribe: holds what lanes did.
        searching: says which settings are raced.
        observer: told how far the seeds go.

    Attributes:
        seeds: fresh seeds that were begun.
        verdicts: what the looks said, where the number of seeds was open.
    """

    def __init__(self, plan: Plan, fleet: Fleet, scribe: Scribe, searching: Searching, observer: Observer) -> None:
        self._plan, self._fleet, self._scribe, self._searching, self._observer = plan, fleet, scribe, searching, observer
        self.seeds = plan.seeds if plan.min_seeds is None else 0
        self.verdicts: list[Verdict] = []

    def cut(self, seeds: int) -> None:
        """Run so many fresh seeds at most."""
        least = self._plan.min_seeds
        self._plan = replace(self._plan, seeds=seeds, min_seeds=least if least is not None and least < seeds else None)

    def waves(self) -> Iterator[tuple[str, Sequence[int]]]:
        """The name of each wave and its lane seeds; the next is asked for once all lanes of one are settled.

        No entrant leaves before the others: all are compared on the same seeds and have the same budget.
        """
        done = 0
        for number, look in enumerate(self._plan.looks):
            self.seeds = look.seeds
            yield f"{FINAL} {number + 1}" if number else FINAL, [TUNING_SEED + seed for seed in range(done + 1, look.seeds + 1)]
            done = look.seeds
            if self._plan.min_seeds is not None and self._look(number).ends:
                return

    def _look(self, number: int) -> Verdict:
        verdict = judge(self.rank(), self._plan.looks, number)
        self.verdicts.append(verdict)
        if not verdict.ends:
            self._observer.note(verdict.sentence)
        return verdict

    def settle(self, entries: Sequence[Entry]) -> None:
        """Mark lanes that diverged silently, once they have run."""
        baseline = self._plan.task.baseline_loss()
        for entry in entries:
            trace = self._scribe.traces[entry.row.lane]
            since = stuck_since(*trace.curve("test", "loss"), baseline)
            # Where the rate's tuning lane had not learnt either, the horizon is too short or there is nothing to learn: slow, not diverged.
            could_learn = self._searching.rates[entry.row.optimizer].has_learnt(self._searching.setting(trace))
            if since is not None and could_learn and trace.diverged_at is None:
                self._scribe.silent(entry.row.lane, since, CONSTANT)

    def rank(self) -> Ranking:
        """The ranking of the seeds so far, as sure as the last of their looks must be."""
        plan, metric = self._plan, self._plan.task.rank_by
        traces = [trace for trace in self._scribe.traces.values() if trace.row.stage == FINAL]
        final = [
            FinalLane(
                t.row.optimizer,
                t.row.lr,
                t.row.seed,
                t.diverged_at is not None,
                t.curve("test", metric)[1],
                t.last("validation", metric),
                self._searching.setting(t).values,
            )
            for t in traces
        ]
        settings = RankingSettings(
            eval_steps=plan.evaluation_steps,
            metric=metric,
            higher_is_better=plan.task.higher_is_better(metric),
            target=plan.target,
            alpha=next((look.alpha for look in plan.looks if look.seeds == self.seeds), ALPHA),
            cost=self._costs(),
            reference=plan.reference,
            schedules={entrant.label: entrant.schedule_name for entrant in plan.entrants},
            bounds=bounds_of(plan.task, metric),
        )
        return rank([lane for search in self._searching.rates.values() for lane in search.tuned_lanes()], final, settings)

    def _costs(self) -> Mapping[str, Cost]:
        seconds = seconds_per_step(self._scribe.traces)
        footprint = self._fleet.support.footprint
        numbers = self._plan.task.describe()["parameters"]
        result = {}
        for entrant in self._plan.entrants:
            rule, hypers = registry.resolve(entrant.optimizer, {})
            state = 2 * footprint.parameters + footprint.slots(rule) * footprint.slot_unit
            result[entrant.label] = Cost(round(state / numbers, 3), rule.gradients_per_step, seconds.get(entrant.label), len(hypers))
        return result

    def as_json(self) -> dict[str, Any] | None:
        """How the number of seeds was found, for the record; None where it was given."""
        if self._plan.min_seeds is None:
            return None
        last = self.verdicts[-1] if self.verdicts else None
        return {
            "alpha": ALPHA,
            "planned": [{"seeds": look.seeds, "alpha": look.alpha} for look in self._plan.looks],
            "looks": [verdict.as_json() for verdict in self.verdicts],
            "alpha_spent": sum(verdict.alpha for verdict in self.verdicts),
            "ended_because": last.sentence if last is not None and last.ends else None,
        }
