"""What will be raced: entrants, rates, steps, seeds and the step grid of evaluations, checked as a whole."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ravine.base._checks import count, number
from ravine.base.errors import InputError, PlanError
from ravine.fleet.curvature import label_problem
from ravine.race.budgets import Budget, fit, make_budget
from ravine.race.entrants import ALL, Entrant, listed_rates, make_entrants
from ravine.race.final_seeds import final_seeds
from ravine.race.halving import Rung, can_halve, rungs_for
from ravine.race.spaces import DEFAULT_CONFIGURATIONS, check_tuned, coarseness, with_spaces
from ravine.records import ALPHA
from ravine.records.sequential import Look, plan_looks
from ravine.rules import registry
from ravine.schedules import Schedule
from ravine.schedules import create as create_schedule
from ravine.tasks import Task

DEFAULT_OPTIMIZERS = ("sgd", "momentum", "rmsprop", "adam", "adamw", "lion")
"""Raced when no optimisers are named: the ones people choose between, plain to adaptive."""

TUNING_SEED = 0
"""Lane seed of the tuning stage; the final uses 1 to K, so no seed that was tuned on is ranked on."""

DEFAULT_STEPS = 1000
UNIFORM_EVALUATIONS = 40
"""Evaluations spread evenly over a run, besides the early ones at doubling steps."""

GRID_STEP = math.sqrt(10.0)
"""Ratio of neighbouring rates: half a decade (protocol, point 3)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Everything that decides the numbers of a race.

    Attributes:
        task: what is trained.
        entrants: in the order named.
        schedule_name, schedule: shape of the rate over the horizon, of the entrants that name none themselves.
        steps: optimiser steps of every lane, the horizon.
        seeds: fresh seeds of the final, at most where `min_seeds` are.
        min_seeds: fresh seeds from which on the final may end early; None if it does not.
        race_seed: seed of everything random.
        evaluation_steps: the step grid shared by all lanes; 0 is before the first update.
        is_shared_lr: one rate for all, untuned (a textbook figure, protocol, point 13).
        extends: whether a winner at the end of its grid extends it (grids that the user gave are left alone).
        target: the user's own target on the ranking metric.
        is_exhaustive: whether every rate of the grid runs to its end.
        tune: what is tuned, as it was asked for; empty for the rate alone.
        configurations: of that, of an entrant with one gradient a step.
        budget: what the race may cost; None where that is open.
    """

    task: Task
    entrants: tuple[Entrant, ...]
    schedule_name: str
    schedule: Schedule
    steps: int
    seeds: int
    race_seed: int
    evaluation_steps: tuple[int, ...]
    is_shared_lr: bool = False
    extends: bool = True
    target: float | None = None
    is_exhaustive: bool = False
    min_seeds: int | None = None
    notes: tuple[str, ...] = field(default=())
    tune: tuple[str, ...] = ()
    configurations: int = 1
    budget: Budget | None = None

    def at(self, steps: int, notes: tuple[str, ...] | None = None) -> "Plan":
        """The same race over another number of steps, rounded up to what batches of other sizes need."""
        kept, every = self.notes if notes is None else notes, coarseness(self.entrants, self.task.rows_per_step)
        whole = -(-steps // every)
        grid = tuple(every * step for step in evaluation_grid(whole))
        return replace(self, steps=every * whole, evaluation_steps=grid, notes=kept)

    @property
    def reference(self) -> str | None:
        """Entrant that targets are taken from (protocol, point 8): plain AdamW on whichever schedule; None leaves it to the ranking."""
        own = [entrant.label for entrant in self.entrants if entrant.optimizer == "adamw"]
        return own[0] if own and "adamw" not in own else None

    @property
    def looks(self) -> tuple[Look, ...]:
        """After how many fresh seeds it is decided whether more are run; once where their number is given."""
        return (Look(self.seeds, ALPHA),) if self.min_seeds is None else plan_looks(min(self.min_seeds, self.seeds), self.seeds)

    @property
    def rungs(self) -> tuple[Rung, ...]:
        """Where rates end early."""
        if self.is_exhaustive or self.is_shared_lr or not any(can_halve(len(entrant.settings())) for entrant in self.entrants):
            return ()
        return rungs_for(self.steps, self.evaluation_steps)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The options of a race as they were given.

    Attributes:
        optimizers: registry names, with a schedule's at the end ("adamw+cosine") or without; `DEFAULT_OPTIMIZERS` if None.
            A name given twice is raced against itself.
        schedule: registry name of the schedule of those that name none.
        steps: optimiser steps of every lane; or `epochs` of the training split; 1,000 if neither is given.
        epochs: passes over the training split.
        seeds: fresh seeds of the final; 5 if left out.
        min_seeds: or run so many, and more only while they may change the recommendation,
        max_seeds: up to so many; 3 and 20 where one of the two is left out.
        lrs: rates for every optimiser instead of its own 12-point grid; a number is a grid of one.
        shared_lr: one rate for all, no tuning.
        target: value of the ranking metric to reach, instead of the medium target.
        race_seed: seed of everything random.
        exhaustive: run every rate to its end, instead of halving their number on the way.
        tune: names of what is tuned: the rate, which always is, and hypers such as "weight_decay", or "warmup".
        configurations: of what is tuned besides the rate, for each optimiser; 8 if left out.
        budget: time for the whole race, in seconds or as text ("10m"), which decides the steps, or what is cut if they are given.
        budget_gradients: the same in gradient evaluations.
    """

    optimizers: Sequence[str] | None = None
    schedule: str = "constant"
    steps: int | None = None
    epochs: float | None = None
    seeds: int | None = None
    min_seeds: int | None = None
    max_seeds: int | None = None
    lrs: Sequence[float] | float | None = None
    shared_lr: float | None = None
    target: float | None = None
    race_seed: int = 0
    exhaustive: bool = False
    tune: Sequence[str] | None = None
    configurations: int | None = None
    budget: str | float | None = None
    budget_gradients: int | None = None

    @property
    def is_shared(self) -> bool:
        """Whether nothing is tuned."""
        return self.shared_lr is not None

    @property
    def has_own_steps(self) -> bool:
        """Whether the number of steps was given."""
        return self.steps is not None or self.epochs is not None


class _Problems(list[str]):
    """What is wrong with the options, a sentence each."""

    def attempt(self, function: Any, *arguments: Any, **options: Any) -> Any:
        """Call a function; what it has against its arguments becomes a problem, and the result is None."""
        try:
            return function(*arguments, **options)
        except InputError as error:
            self.extend(error.problems if isinstance(error, PlanError) else [str(error)])
            return None


def make_plan(task: Task, **options: Any) -> Plan:
    """Check every option and build the plan.

    Args:
        task: what is trained.
        options: those of `Asked`.

    Raises:
        PlanError: with one sentence for each problem found.
    """
    asked, problems = Asked(**options), _Problems()
    attempt = problems.attempt
    named = DEFAULT_OPTIMIZERS if asked.optimizers is None else asked.optimizers
    entrants = attempt(make_entrants, named, asked.lrs, asked.shared_lr, asked.schedule)
    able = attempt(_able, task, entrants, is_all=list(named) == [ALL]) if entrants else None
    entrants, notes = (able.entrants, able.notes) if able else (entrants, ())
    shape = attempt(create_schedule, asked.schedule)
    shared = asked.shared_lr if isinstance(asked.shared_lr, int | float) else None
    fresh = attempt(final_seeds, asked.seeds, asked.min_seeds, asked.max_seeds, shared_lr=shared)
    attempt(count, "race seed", asked.race_seed, at_least=0)
    problems += _conflicts(asked.lrs, asked.shared_lr, exhaustive=asked.exhaustive)
    names = attempt(check_tuned, asked.tune, asked.configurations, is_shared_lr=asked.is_shared)
    if asked.target is not None:
        attempt(number, "target", asked.target)
    horizon = attempt(horizon_of, task, asked.steps, asked.epochs)
    allowed = attempt(make_budget, asked.budget, asked.budget_gradients, has_own_steps=asked.has_own_steps)
    if entrants and names:
        tuned = {"configurations": asked.configurations, "race_seed": asked.race_seed, "has_own_rates": asked.lrs is not None, "task": task}
        entrants = attempt(with_spaces, entrants, names, **tuned)
    if problems:
        raise PlanError(problems)
    decided = {"entrants": entrants, "schedule": shape, "steps": horizon, "seeds": fresh.most, "min_seeds": fresh.least}
    plan = _plan(task, asked, decided | {"tune": names, "budget": allowed}).at(horizon)
    if plan.steps != horizon:
        notes += (f"{plan.steps:,} steps in place of {horizon:,}, so that the largest batch takes a whole number of them",)
    plan = replace(plan, notes=notes)
    return plan if allowed is None or allowed.gradients is None else fit(plan, allowed.gradients)


@dataclass(frozen=True, slots=True)
class _Able:
    """Entrants that a task has what they need for, and what is said of the others."""

    entrants: tuple[Entrant, ...]
    notes: tuple[str, ...] = ()


def _able(task: Task, entrants: Sequence[Entrant], *, is_all: bool) -> _Able:
    """Leave out optimisers that the task cannot serve; an error where they were named."""
    choosy = [one for one in entrants if "labels" in registry.resolve(one.optimizer, {})[0].needs]
    problem = label_problem(task) if choosy else None
    if problem is None:
        return _Able(tuple(entrants))
    if not is_all:
        raise InputError(problem)
    left_out = ", ".join(one.label for one in choosy)
    return _Able(tuple(one for one in entrants if one not in choosy), (f"without {left_out}: {problem}",))


def _plan(task: Task, asked: Asked, decided: dict[str, Any]) -> Plan:
    configurations = DEFAULT_CONFIGURATIONS if asked.configurations is None else asked.configurations
    return Plan(
        task=task,
        schedule_name=asked.schedule,
        race_seed=asked.race_seed,
        evaluation_steps=evaluation_grid(decided["steps"]),
        is_shared_lr=asked.is_shared,
        extends=asked.lrs is None and not asked.is_shared,
        target=asked.target,
        is_exhaustive=asked.exhaustive,
        configurations=configurations if decided["tune"] else 1,
        **decided,
    )


def _conflicts(lrs: object, shared_lr: object, *, exhaustive: bool) -> list[str]:
    """A sentence for each two options about rates that exclude each other."""
    if shared_lr is None:
        return []
    shared, problems = _listed(shared_lr), []
    if lrs is not None:
        problems.append(f"--lrs {_listed(lrs)} and --shared-lr {shared} exclude each other: leave one out.")
    if exhaustive:
        problems.append(f"--exhaustive has no effect with --shared-lr {shared}, which tunes nothing: leave one out.")
    return problems


def horizon_of(task: Task, steps: int | None, epochs: float | None) -> int:
    """Optimiser steps of every lane."""
    if steps is not None and epochs is not None:
        raise InputError(f"steps={steps} and epochs={epochs:g} exclude each other: give one of them.")
    if epochs is not None:
        return max(1, round(number("epochs", epochs, above=0.0, below=math.inf) * task.steps_per_epoch))
    return count("steps", DEFAULT_STEPS if steps is None else steps)


def evaluation_grid(steps: int) -> tuple[int, ...]:
    """Steps at which every lane is evaluated: 0, the last, evenly spread ones, and doubling ones before the first of those.

    The doubling ones give quick starters the same relative resolution as slow ones. Two evaluations are a step or
    more apart.
    """
    even = {int(step) for step in np.unique(np.rint(np.linspace(0, steps, UNIFORM_EVALUATIONS + 1)))}
    first = min((step for step in even if step > 0), default=steps)
    doubling = {2**power for power in range(first.bit_length()) if 2**power < first}
    return tuple(sorted(even | doubling))


def _listed(given: object) -> str:
    return ",".join(f"{rate:g}" if isinstance(rate, int | float) else repr(rate) for rate in listed_rates(given))
