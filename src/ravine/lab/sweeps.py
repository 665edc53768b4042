"""Landmarks of an optimiser's rates on a task, from a short sweep: what is best, and above what it diverges."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ravine.fleet import Choice, Diverged, Evaluated, Evaluations, Fleet, Lane
from ravine.lab.course import plan_of
from ravine.lab.curves import make_subject
from ravine.lab.settings import SWEPT_STEPS
from ravine.race.entrants import Entrant, Setting
from ravine.race.plan import TUNING_SEED, Plan
from ravine.race.running import ranking_splits
from ravine.race.tuning import Outcome, RateSearch, stuck_since
from ravine.rules import registry

Points = tuple[tuple[float, float], ...]


Tell = Callable[[str], None]

TOLD = 0.05
"""Share of a sweep after which it is told again how far it is."""


def sweep(
    setting: dict[str, Any], names: list[str], own: str | None = None, points: Points = (), tell: Tell = lambda words: None
) -> dict[str, dict[str, Any]]:
    """For each optimiser what became of the grid of rates that a race would try, all in one stack, on the seed that races tune on.

    Args:
        setting: checked; its rates do not matter.
        names: of the optimisers.
        own: the user's task as given on the command line.
        points: of a curve that was sent.
        tell: told in words how far it is.

    Returns:
        name -> "tuned" and "diverges_above" (None where there is none), "rates", "losses" (None where it diverged), "ran".
    """
    subject = make_subject(setting, own, points)
    plan = plan_of(subject, dict.fromkeys(names, 1.0), {**setting, "steps": min(setting["steps"], SWEPT_STEPS)})
    entrants = [replace(entrant, grid=registry.get(entrant.optimizer).grid()) for entrant in plan.entrants]
    fleet = Fleet(subject.task, race_seed=setting["seed"])
    lanes = [(entrant, rate) for entrant in entrants for rate in entrant.grid]
    entries = [entrant.entry("tune", number, Setting(rate), TUNING_SEED) for number, (entrant, rate) in enumerate(lanes)]
    outcomes = _outcomes(plan, fleet, [entry.lane for entry in entries], tell)
    return {
        name: _landmarks(entrant, [outcomes[number] for number, (own_of, _) in enumerate(lanes) if own_of is entrant])
        for name, entrant in zip(names, entrants, strict=True)
    }


def _outcomes(plan: Plan, fleet: Fleet, lanes: Sequence[Lane], tell: Tell) -> list[Outcome]:
    """How every lane ended."""
    split = ranking_splits(plan)[0]["validation"]
    evaluations = Evaluations({"validation": frozenset(plan.evaluation_steps)}, {"validation": split})
    mode = "stacked" if fleet.support.stackable else "loop"
    choice = Choice(mode, fleet.tile_size(lanes), "a short sweep", {}, 0.0)  # type: ignore[arg-type]
    curves: dict[int, list[float]] = {lane.number: [] for lane in lanes}
    ended, at, told = set(), dict.fromkeys(curves, 0), 0.0
    for event in fleet.run(lanes, plan.steps, evaluations, choice):
        if isinstance(event, Diverged):
            ended.add(event.lane)
            at[event.lane] = plan.steps
        elif isinstance(event, Evaluated):
            at |= {number: max(event.step, at[number]) for number in event.lanes}
            share = sum(at.values()) / (len(at) * plan.steps)
            if share >= told + TOLD:
                told = share
                tell(f"{share:.0%} of {len(at)} short trainings")
            for number, value in zip(event.lanes, event.values["loss"], strict=True):
                curves[number].append(float(value))
    steps, baseline = np.array(plan.evaluation_steps), plan.task.baseline_loss()
    found = []
    for lane in lanes:
        values = np.array(curves[lane.number])
        since = None if lane.number in ended else stuck_since(steps, values, baseline)
        found.append(Outcome(lane.hypers["lr"], float(values[-1]), lane.number in ended, since, steps, values))
    return found


def _landmarks(entrant: Entrant, outcomes: Sequence[Outcome]) -> dict[str, Any]:
    search = RateSearch(entrant, higher_is_better=False, extends=False)
    for outcome in outcomes:
        search.add(outcome)
    silent = search.silent_divergences()
    lost = [outcome.lr for outcome in outcomes if outcome.diverged or outcome.lr in silent]
    best = search.best
    above = min((rate for rate in lost if best is None or rate > best), default=None)
    return {
        "tuned": best,
        "diverges_above": above,
        "rates": [outcome.lr for outcome in outcomes],
        "losses": [None if outcome.diverged else outcome.value for outcome in outcomes],
        "ran": [outcome.lr for outcome in outcomes if outcome.lr not in lost],
    }
