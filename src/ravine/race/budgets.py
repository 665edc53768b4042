"""A budget for the whole race, in gradient evaluations or in seconds: what of the race it pays for, the same for everyone.

Where the number of steps is open, the budget decides it. Where it is given, there are fewer configurations, then fewer
fresh seeds, then fewer rates, in this order: configurations are a luxury, three seeds still have intervals, and a rate
that is not tried may be the right one. What was cut is said beside the ranking.
"""

import math
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ravine.base._checks import count
from ravine.base.errors import InputError, PlanError
from ravine.race.entrants import Entrant
from ravine.race.halving import LEAST, USEFUL_STEPS, Rung, expected_share
from ravine.race.spaces import with_spaces
from ravine.race.stage import BATCH_SIZE
from ravine.rules import registry

if TYPE_CHECKING:
    from ravine.race.plan import Plan

FINALISTS = 2
"""Settings of an entrant that run in the final."""

FOLLOW = 4
"""Lanes of an entrant that may follow the grid: two beyond an end or run after all, and two close to the best."""

FEWEST_SEEDS = 3
"""Fresh seeds that a budget leaves: below, an interval says nothing."""

UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0}
_DURATION = re.compile(r"(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m)?(?:(\d+(?:\.\d+)?)s)?")


@dataclass(frozen=True, slots=True)
class Budget:
    """What a race may cost.

    Attributes:
        gradients: evaluations of the gradient; of a budget in seconds, what was forecast to fit, and None before.
        seconds: from the beginning of the race; None for a budget in gradients.
        has_own_steps: whether the number of steps was given, and is kept.
        setup_s: seconds of it that were gone when the race's clock began to run.
        pace: seconds that a gradient evaluation is forecast to take, of a budget in seconds.
    """

    gradients: int | None
    seconds: float | None
    has_own_steps: bool
    setup_s: float = 0.0
    pace: float = 0.0

    @property
    def words(self) -> str:
        """The budget as a person would say it."""
        return f"{self.gradients:,} gradient evaluations" if self.seconds is None else duration_text(self.seconds)


def make_budget(budget: object, gradients: object, *, has_own_steps: bool) -> Budget | None:
    """What the two options ask for; None where neither is given.

    Args:
        budget: seconds, or text such as "90s", "10m" or "1h30m".
        gradients: evaluations of the gradient.
        has_own_steps: whether steps or epochs were given.

    Raises:
        PlanError: both are given, or one is unusable.
    """
    if budget is not None and gradients is not None:
        raise PlanError([f"--budget {budget} and --budget-gradients {gradients} exclude each other: give one of them."])
    if gradients is not None:
        return Budget(count("budget_gradients", gradients, do="It is the gradient evaluations of the whole race."), None, has_own_steps)
    return None if budget is None else Budget(None, seconds_of(budget), has_own_steps)


def seconds_of(text: object) -> float:
    """A time as seconds.

    Raises:
        InputError: it is none, or not above 0.
    """
    found = _DURATION.fullmatch(text.strip()) if isinstance(text, str) else None
    if found is not None and any(found.groups()):
        parts = zip(found.groups(), (UNITS["h"], UNITS["m"], UNITS["s"]), strict=True)
        seconds = sum(float(number) * unit for number, unit in parts if number)
    else:
        try:
            seconds = float(text)  # type: ignore[arg-type]
        except (TypeError, ValueError):
            seconds = math.nan
    if not (math.isfinite(seconds) and seconds > 0):
        raise InputError(f"budget={text!r}: must be a time above 0. Write it like 90s, 10m or 1h30m.", given=text)
    return seconds


def duration_text(seconds: float) -> str:
    """Seconds as they would be written in an option."""
    for unit in ("h", "m"):
        if seconds >= UNITS[unit] and seconds % UNITS[unit] == 0:
            return f"{seconds / UNITS[unit]:g} {'h' if unit == 'h' else 'min'}"
    return f"{seconds:.3g} s"


def most_share(rungs: tuple[Rung, ...], steps: int, number: int) -> float:
    """The most of the gradients of `number` whole lanes that halving can spend, every survivor's neighbour kept apart."""
    running, before, share = number, 0, 0.0
    for rung in rungs:
        share += running * (rung.step - before)
        best = -(-number // rung.part)
        running, before = (min(running, max(LEAST, 2 * best)) if rung.part > 1 else running), rung.step
    return (share + running * (steps - before)) / (number * steps)


def expected(rungs: tuple[Rung, ...], steps: int, number: int) -> float:
    """The same as it is to be expected (`expected_share`)."""
    del number
    return expected_share(rungs, steps)


Share = Callable[[tuple[Rung, ...], int, int], float]


def gradients_a_step(entrant: Entrant) -> float:
    """Gradient evaluations that one step of one of its lanes takes."""
    return float(registry.get(entrant.optimizer).rule.gradients_per_step)


def final_cost(plan: "Plan", seeds: int | None = None) -> float:
    """Gradient evaluations of the final at most."""
    fresh = plan.seeds if seeds is None else seeds
    most = math.inf if plan.is_shared_lr else FINALISTS
    return sum(gradients_a_step(entrant) * min(most, len(entrant.settings())) * fresh * plan.steps for entrant in plan.entrants)


def cost(plan: "Plan", share: Share) -> float:
    """Gradient evaluations of a whole race.

    Args:
        plan: the race.
        share: `most_share`, which no race exceeds, or `expected`.
    """
    if plan.is_shared_lr:
        return final_cost(plan)
    follow = FOLLOW if plan.extends else 0
    tuned = 0.0
    for entrant in plan.entrants:
        # Lanes of one batch size are halved among themselves.
        numbers = Counter(dict(setting.values).get(BATCH_SIZE) for setting in entrant.settings()).values()
        lanes = sum(number * share(plan.rungs, plan.steps, number) for number in numbers)
        tuned += gradients_a_step(entrant) * (lanes + follow)
    return tuned * plan.steps + final_cost(plan)


def fit(plan: "Plan", gradients: int, share: Share = most_share) -> "Plan":
    """The race that a budget pays for.

    Args:
        plan: what was asked for.
        gradients: evaluations that it may spend.
        share: how tuning is reckoned (`cost`).

    Raises:
        PlanError: the budget pays for no race; it says the smallest that does.
    """
    assert plan.budget is not None
    found = _with_fewer(plan, gradients, share) if plan.budget.has_own_steps else _with_steps(plan, gradients, share)
    return replace(found, budget=replace(plan.budget, gradients=gradients))


def _with_steps(plan: "Plan", gradients: int, share: Share) -> "Plan":
    """As many steps as the budget pays for."""
    least = _fewest_steps(plan)
    if cost(least, share) > gradients:
        why = "without which there is not even one rung" if least.rungs else "the fewest that tell anything"
        raise _too_small(plan, gradients, cost(least, share), f"{least.steps} steps of every lane, {why},")
    low, high = least.steps, max(least.steps, gradients)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if cost(plan.at(middle), share) <= gradients else (low, middle - 1)
    found = plan.at(low)
    note = f"the budget of {plan.budget.words if plan.budget else ''} pays for {found.steps:,} steps of every lane"
    return replace(found, notes=(*plan.notes, note))


def _fewest_steps(plan: "Plan") -> "Plan":
    """The shortest horizon with a rung; where there are none at any, the shortest that tells anything."""
    # A horizon of a hundred times the first useful step has every rung that any has.
    steps = range(USEFUL_STEPS, 100 * USEFUL_STEPS)
    return next((found for number in steps if (found := plan.at(number)).rungs), plan.at(USEFUL_STEPS))


def _with_fewer(plan: "Plan", gradients: int, share: Share) -> "Plan":
    """Fewer configurations, seeds or rates, until the budget pays for them."""
    found = plan
    for found in _ever_smaller(plan):
        if cost(found, share) <= gradients:
            cuts = _cuts(plan, found)
            note = f"to fit the budget of {plan.budget.words if plan.budget else ''}, each optimiser has {cuts}"
            return replace(found, notes=(*plan.notes, note)) if cuts else found
    least = f"{plan.steps:,} steps of every lane, with {_least(found)},"
    raise _too_small(plan, gradients, cost(found, share), least)


def _least(found: "Plan") -> str:
    """The smallest race of a given horizon."""
    rates = max(len(entrant.grid) for entrant in found.entrants)
    return f"{rates} rate{'s' if rates > 1 else ''} and {found.seeds} fresh seed{'s' if found.seeds > 1 else ''} for each optimiser"


def _ever_smaller(plan: "Plan") -> Iterator["Plan"]:
    yield plan
    while plan.configurations > 1:
        plan = with_configurations(plan, plan.configurations // 2)
        yield plan
    # Where their number is open, it is what the race itself decides.
    while plan.seeds > FEWEST_SEEDS and plan.min_seeds is None:
        plan = replace(plan, seeds=plan.seeds - 1)
        yield plan
    while plan.extends and min(len(entrant.grid) for entrant in plan.entrants) > LEAST + 1:
        entrants = [replace(entrant, grid=_middle(entrant.grid), configurations=(), space=()) for entrant in plan.entrants]
        plan = with_configurations(replace(plan, entrants=tuple(entrants)), plan.configurations)
        yield plan


def with_configurations(plan: "Plan", number: int) -> "Plan":
    """The same race with another number of configurations."""
    bare = tuple(replace(entrant, configurations=(), space=()) for entrant in plan.entrants)
    if not plan.tune:
        return replace(plan, entrants=bare)
    entrants = with_spaces(bare, plan.tune, configurations=number, race_seed=plan.race_seed, has_own_rates=not plan.extends, task=plan.task)
    return replace(plan, entrants=entrants, configurations=number)


def _middle(grid: tuple[float, ...]) -> tuple[float, ...]:
    """A grid without its ends, as far as it stays long enough to be halved."""
    return grid[1:-1] if len(grid) > LEAST + 2 else grid[1:] if len(grid) > LEAST + 1 else grid


def _cuts(plan: "Plan", found: "Plan") -> str:
    rates = [max(len(entrant.grid) for entrant in one.entrants) for one in (found, plan)]
    configurations, seeds = (found.configurations, plan.configurations), (found.seeds, plan.seeds)
    numbers = (("configuration", *configurations), ("fresh seed", *seeds), ("rate", rates[0], rates[1]))
    cuts = [f"{now} {name}{'s' if now > 1 else ''} in place of {before}" for name, now, before in numbers if now != before]
    return ", ".join(cuts)


def _too_small(plan: "Plan", gradients: int, least: float, why: str) -> PlanError:
    who = f"{len(plan.entrants)} optimiser{'s' if len(plan.entrants) > 1 else ''}"
    needed = f"{math.ceil(least):,} gradient evaluations"
    if plan.budget is not None and plan.budget.seconds is not None:
        about = plan.budget.setup_s + least * plan.budget.pace
        given, needed = f"--budget {plan.budget.words}", f"about {duration_text(math.ceil(about))} here"
    else:
        given = f"--budget-gradients {gradients:,}"
    return PlanError(
        [f"{given} is too little for {who}: {why} take {needed}. Give at least that, or fewer optimisers, seeds or configurations."]
    )


def as_json(plan: "Plan", decisions: dict[str, Any]) -> dict[str, Any] | None:
    """The budget for a record: what was allowed, and what it left out; None where there was none."""
    if plan.budget is None:
        return None
    return {"gradients": plan.budget.gradients, "seconds": plan.budget.seconds, "decisions": decisions}
