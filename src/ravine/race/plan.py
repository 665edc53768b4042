"""What will be raced: entrants, rates, steps, seeds and the step grid of evaluations, checked as a whole."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ravine.base._checks import count, number
from ravine.base.errors import InputError, PlanError
from ravine.race.halving import Rung, can_halve, rungs_for
from ravine.rules import registry
from ravine.schedules import Schedule
from ravine.schedules import create as create_schedule
from ravine.tasks import Task

DEFAULT_OPTIMIZERS = ("sgd", "momentum", "rmsprop", "adam", "adamw", "lion")
"""Raced when no optimisers are named: the ones people choose between, plain to adaptive."""

TUNING_SEED = 0
"""Lane seed of the tuning stage; the final uses 1 to K, so no seed that was tuned on is ranked on."""

DEFAULT_STEPS = 1000
DEFAULT_SEEDS = 5
UNIFORM_EVALUATIONS = 40
"""Evaluations spread evenly over a run, besides the early ones at doubling steps."""

GRID_STEP = math.sqrt(10.0)
"""Ratio of neighbouring rates: half a decade (protocol, point 3)."""


@dataclass(frozen=True, slots=True)
class Entrant:
    """One optimiser in the race, with its declared search space (protocol, point 1).

    Attributes:
        label: name in the ranking: the registry name, with "#2" and so on where one is entered again.
        optimizer: registry name.
        grid: learning rates to try, ascending.
    """

    label: str
    optimizer: str
    grid: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Everything that decides the numbers of a race.

    Attributes:
        task: what is trained.
        entrants: in the order named.
        schedule_name, schedule: shape of the rate over the horizon, the same for all.
        steps: optimiser steps of every lane, the horizon.
        seeds: fresh seeds of the final.
        race_seed: seed of everything random.
        evaluation_steps: the step grid shared by all lanes; 0 is before the first update.
        is_shared_lr: one rate for all, untuned (a textbook figure, protocol, point 13).
        extends: whether a winner at the end of its grid extends it (grids that the user gave are left alone).
        target: the user's own target on the ranking metric.
        is_exhaustive: whether every rate of the grid runs to its end.
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
    notes: tuple[str, ...] = field(default=())

    @property
    def rungs(self) -> tuple[Rung, ...]:
        """Where rates end early."""
        if self.is_exhaustive or self.is_shared_lr or not any(can_halve(len(entrant.grid)) for entrant in self.entrants):
            return ()
        return rungs_for(self.steps, self.evaluation_steps)


def make_plan(
    task: Task,
    *,
    optimizers: Sequence[str] | None = None,
    schedule: str = "constant",
    steps: int | None = None,
    epochs: float | None = None,
    seeds: int = DEFAULT_SEEDS,
    lrs: Sequence[float] | float | None = None,
    shared_lr: float | None = None,
    target: float | None = None,
    race_seed: int = 0,
    exhaustive: bool = False,
) -> Plan:
    """Check every option and build the plan.

    Args:
        task: what is trained.
        optimizers: registry names; `DEFAULT_OPTIMIZERS` if None. A name given twice is raced against itself.
        schedule: registry name of the schedule.
        steps: optimiser steps of every lane; or `epochs` of the training split; 1,000 if neither is given.
        epochs: passes over the training split.
        seeds: fresh seeds of the final.
        lrs: rates for every optimiser instead of its own 12-point grid; a number is a grid of one.
        shared_lr: one rate for all, no tuning.
        target: value of the ranking metric to reach, instead of the medium target.
        race_seed: seed of everything random.
        exhaustive: run every rate to its end, instead of halving their number on the way.

    Raises:
        PlanError: with one sentence for each problem found.
    """
    problems: list[str] = []

    def attempt(function: Any, *arguments: Any, **options: Any) -> Any:
        try:
            return function(*arguments, **options)
        except InputError as error:
            problems.extend(error.problems if isinstance(error, PlanError) else [str(error)])
            return None

    entrants = attempt(make_entrants, DEFAULT_OPTIMIZERS if optimizers is None else optimizers, lrs, shared_lr)
    shape = attempt(create_schedule, schedule)
    attempt(count, "seeds", seeds, do="Use --seeds 5 for intervals.")
    attempt(count, "race seed", race_seed, at_least=0)
    problems += _conflicts(lrs, shared_lr, exhaustive=exhaustive)
    if target is not None:
        attempt(number, "target", target)
    horizon = attempt(horizon_of, task, steps, epochs)
    if problems:
        raise PlanError(problems)
    return Plan(
        task=task,
        entrants=entrants,
        schedule_name=schedule,
        schedule=shape,
        steps=horizon,
        seeds=seeds,
        race_seed=race_seed,
        evaluation_steps=evaluation_grid(horizon),
        is_shared_lr=shared_lr is not None,
        extends=lrs is None and shared_lr is None,
        target=target,
        is_exhaustive=exhaustive,
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


def make_entrants(optimizers: Sequence[str], lrs: Sequence[float] | float | None, shared_lr: float | None) -> tuple[Entrant, ...]:
    """Entrants with their grids; raises `PlanError` with every unknown name and every bad rate."""
    problems: list[str] = []
    rates: tuple[float, ...] | None = None
    given = None if shared_lr is None and lrs is None else _rates(lrs if shared_lr is None else shared_lr)
    names = _names(optimizers, problems)
    if given is not None and not given:
        problems.append("no learning rates were given: leave --lrs out, or list rates above 0.")
    for rate in given or ():
        try:
            number("lr", rate, above=0.0, below=math.inf, do="Leave --lrs out to search each optimiser's own range.")
        except InputError as error:
            problems.append(str(error))
    if given is not None and not problems:
        rates = tuple(sorted({float(rate) for rate in given}))
    if problems:
        raise PlanError(problems)
    seen: Counter[str] = Counter()
    entrants = []
    for name in names:
        seen[name] += 1
        label = name if seen[name] == 1 else f"{name}#{seen[name]}"
        entrants.append(Entrant(label, name, rates or registry.get(name).grid()))
    return tuple(entrants)


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


def _names(given: object, problems: list[str]) -> list[str]:
    """The registry names among what was given as optimisers; everything else becomes a problem."""
    if isinstance(given, str):
        problems.append(f"optimizers={given!r}: must be a list of names. Write {given.split(',')!r}.")
        return []
    known = f"Known: {', '.join(registry.names())}."
    if not isinstance(given, Iterable):
        problems.append(f"optimizers={given!r}: must be a list of names, such as ['sgd', 'adam']. {known}")
        return []
    names = []
    for item in given:
        try:
            if isinstance(item, str):
                names.append(registry.get(item).name)
            else:
                problems.append(f"{item!r} among optimizers: must be a name, such as 'adam', not a class or an object. {known}")
        except InputError as error:
            problems.append(str(error))
    if not names and not problems:
        problems.append("no optimisers were named: give at least one, for example --optimizers sgd,adam.")
    return names


def _rates(given: object) -> tuple[Any, ...]:
    """What was given as rates, one by one: a bare number, or a text, is one."""
    return tuple(given) if isinstance(given, Iterable) and not isinstance(given, str) else (given,)


def _listed(given: object) -> str:
    return ",".join(f"{rate:g}" if isinstance(rate, int | float) else repr(rate) for rate in _rates(given))
