"""Keeping a race within its budget: how much a time pays for on this machine, and what is left out while it runs."""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, final

from ravine.fleet import Evaluations
from ravine.race.arranging import Arranging
from ravine.race.budgets import cost, expected, final_cost, fit, gradients_a_step
from ravine.race.executors import Crew
from ravine.race.plan import TUNING_SEED, Plan
from ravine.records import open_record

MARGIN = 0.9
"""Share of the time that is planned with: forecasts are a tenth off, and writing takes a moment."""

CLOSE = 2.0
"""Ratio of horizons up to which one need not be measured anew: what is fastest depends on them."""

LEFT_OUT = {
    "extend": "the budget did not suffice to run rates beyond an end of a grid, or culled ones that may be better, after all",
    "refine": "the budget did not suffice to refine the rates",
}


def within_time(plan: Plan, crew: Crew, splits: Mapping[str, Any], path: Path | None, began: float) -> Plan:
    """The race that a budget in seconds pays for on this machine; every other plan as it is.

    Args:
        plan: what was asked for.
        crew: who runs lanes.
        splits: what is tuned and ranked on.
        path: the record of a race that goes on, which knows what was found when it began; None if it begins.
        began: when, by `time.perf_counter`.

    Raises:
        PlanError: the time is too short for a race; it says how much is not.
    """
    if plan.budget is None or plan.budget.seconds is None:
        return plan
    known = None if path is None else _remembered(path)
    found = _measured(plan, crew, splits, began) if known is None else fit(plan, known, expected)
    assert found.budget is not None
    return replace(found, budget=replace(found.budget, setup_s=time.perf_counter() - began))


def _remembered(path: Path) -> int | None:
    with open_record(path) as record:
        known = (record.meta.get("plan") or {}).get("budget_gradients")
    return None if known is None else int(known)


def _measured(plan: Plan, crew: Crew, splits: Mapping[str, Any], began: float) -> Plan:
    """Time the race as it stands, and once more if what fits is much longer or shorter."""
    assert plan.budget is not None
    assert plan.budget.seconds is not None
    tried = plan
    while True:
        fixed, seconds = _forecast(tried, crew, splits)
        pace = max(seconds - fixed, 1e-9) / cost(tried, expected)
        gone = time.perf_counter() - began + fixed
        # As a refusal says it: with the margin on both, or it would name a time that is refused as well.
        budget = replace(plan.budget, setup_s=gone / MARGIN, pace=pace / MARGIN)
        gradients = max(0, math.floor((MARGIN * plan.budget.seconds - gone) / pace))
        found = fit(replace(plan, budget=budget), gradients, expected)
        if tried is not plan or max(found.steps, tried.steps) <= CLOSE * min(found.steps, tried.steps):
            return found
        tried = found


def _forecast(plan: Plan, crew: Crew, splits: Mapping[str, Any]) -> tuple[float, float]:
    """Seconds that a race takes: building code, whatever its length, and all of it."""
    stage, seeds = ("final", range(1, plan.seeds + 1)) if plan.is_shared_lr else ("tune", [TUNING_SEED])
    settings = [(entrant, setting, seed) for entrant in plan.entrants for setting in entrant.settings() for seed in seeds]
    lanes = [entrant.entry(stage, number, setting, seed).lane for number, (entrant, setting, seed) in enumerate(settings)]
    split, engine = "test" if plan.is_shared_lr else "validation", dict[str, Any]()
    evaluations = Evaluations({split: frozenset(plan.evaluation_steps)}, {split: splits[split]})
    Arranging(plan, crew, splits, engine).arrange(stage, lanes, evaluations)
    facts = engine[stage]
    built = [trial["build_s"] for trial in facts["trials"] if trial["mode"] == facts["mode"]]
    seconds = facts.get("race_s", facts["forecast_s"])
    return min(sum(built), seconds), seconds


@final
class Spending:
    """Decides at the beginning of each stage what of it the budget pays for: all entrants have it, or none.

    Args:
        plan: the race.
        decisions: what was decided before, by stage, in a race that goes on; extended.
        spent: gradient evaluations so far.
        elapsed: seconds of the race so far.
        note: told what is left out.
    """

    def __init__(
        self, plan: Plan, decisions: dict[str, Any], *, spent: Callable[[], int], elapsed: Callable[[], float], note: Callable[[str], None]
    ) -> None:
        self._plan, self.decisions, self._spent, self._elapsed, self._note = plan, decisions, spent, elapsed, note

    def allows(self, stage: str, lanes: Mapping[str, int]) -> bool:
        """Whether a stage is run, with the final still to come.

        Args:
            stage: "extend" or "refine".
            lanes: how many each entrant has at most.
        """
        if self._plan.budget is None:
            return True
        if stage not in self.decisions:
            each = {entrant.label: gradients_a_step(entrant) * self._plan.steps for entrant in self._plan.entrants}
            needed = sum(each[label] * number for label, number in lanes.items())
            self.decisions[stage] = self._suffices(needed + final_cost(self._plan))
            if not self.decisions[stage] and needed:
                self._note(LEFT_OUT[stage])
        return bool(self.decisions[stage])

    def seeds(self) -> int:
        """Fresh seeds of the final: as planned, or as many as the rest of the time is forecast to hold, one at least."""
        planned, budget = self._plan.seeds, self._plan.budget
        if budget is None or budget.seconds is None:
            return planned
        if "seeds" not in self.decisions:
            left = budget.seconds - budget.setup_s - self._elapsed()
            fitting = math.floor(left / max(self._pace * final_cost(self._plan, 1), 1e-9))
            self.decisions["seeds"] = min(planned, max(1, fitting))
            if self.decisions["seeds"] < planned:
                self._note(f"the budget left time for {self.decisions['seeds']} of {planned} fresh seeds")
        return int(self.decisions["seeds"])

    @property
    def _pace(self) -> float:
        """Seconds that a gradient evaluation took so far, with all that goes with it."""
        return self._elapsed() / max(1, self._spent())

    def _suffices(self, gradients: float) -> bool:
        budget = self._plan.budget
        assert budget is not None
        if budget.seconds is None:
            return self._spent() + gradients <= (budget.gradients or 0)
        return budget.setup_s + self._elapsed() + self._pace * gradients <= budget.seconds
