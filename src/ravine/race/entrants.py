"""Who races: an optimiser, its schedule and the settings that are tried for it."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from ravine.base._checks import number, unknown_name
from ravine.base.errors import InputError, PlanError, UnknownNameError
from ravine.fleet import Lane
from ravine.race.stage import Entry
from ravine.records import LaneRow
from ravine.rules import WRAPPERS, registry
from ravine.rules._search import Dimension
from ravine.schedules import REGISTRY as SCHEDULES
from ravine.schedules import Constant, Schedule
from ravine.schedules import create as create_schedule

Values = tuple[tuple[str, float], ...]
"""What is tuned besides the rate, by the names that `--tune` takes, in its order."""

WARMUP = "warmup"
"""Tuned as a share of the horizon; no hyper of an optimiser."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One way to set an entrant: a rate, and what else is tuned."""

    lr: float
    values: Values = ()


@dataclass(frozen=True, slots=True)
class Configuration:
    """What else is tuned, and the rates that are tried with it.

    Attributes:
        values: by name; empty where the rate alone is tuned.
        grid: learning rates to try, ascending.
    """

    values: Values
    grid: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Entrant:
    """One optimiser on its schedule, with its declared search space (protocol, point 1).

    Attributes:
        label: name in the ranking: what was entered, with "#2" and so on where it is entered again.
        optimizer: registry name, with wrappers behind "+" if it has some.
        grid: learning rates to try, ascending.
        schedule_name, schedule: shape of the rate over the horizon.
        configurations: what else is tuned; one without any if empty.
        space: what else is tuned.
    """

    label: str
    optimizer: str
    grid: tuple[float, ...]
    schedule_name: str = Constant.name
    schedule: Schedule = field(default_factory=Constant)
    configurations: tuple[Configuration, ...] = ()
    space: tuple[Dimension, ...] = ()

    @property
    def name(self) -> str:
        """What was entered, without the number of a repeat."""
        return self.label.partition("#")[0]

    @property
    def tried(self) -> tuple[Configuration, ...]:
        """Configurations, one without anything but the grid included."""
        return self.configurations or (Configuration((), self.grid),)

    def settings(self) -> list[Setting]:
        """Everything that tuning begins with, configuration after configuration."""
        return [Setting(lr, configuration.values) for configuration in self.tried for lr in configuration.grid]

    def entry(self, stage: str, lane: int, setting: Setting, seed: int) -> Entry:
        """A lane of it.

        Args:
            stage: "tune" or "final".
            lane: number in the record.
            setting: how it is set.
            seed: lane seed.
        """
        values, symbols = dict(setting.values), self._symbols
        given = {symbols[name]: value for name, value in values.items() if name in symbols}
        rule, hypers = registry.resolve(self.optimizer, {"lr": setting.lr, **given})
        others = {symbol: value for symbol, value in hypers.items() if symbol != "lr"}
        others |= {name: value for name, value in values.items() if name not in symbols}
        schedule = self.schedule.warmup(values[WARMUP]) if values.get(WARMUP) else self.schedule
        row = LaneRow(lane=lane, stage=stage, optimizer=self.label, lr=setting.lr, schedule=self.schedule_name, seed=seed, hypers=others)
        return Entry(row, Lane(lane, rule, hypers, schedule, seed))

    def setting(self, row: LaneRow) -> Setting:
        """How a lane of it was set."""
        symbols = self._symbols
        return Setting(row.lr, tuple((one.name, row.hypers[symbols.get(one.name, one.name)]) for one in self.space))

    @property
    def _symbols(self) -> dict[str, str]:
        """Name that is tuned -> symbol, of those that are hypers of the optimiser."""
        return {one.name: one.symbol for one in self.space if one.symbol}


ALL = "all"
"""In place of names: every optimiser that the task has what it needs for."""


def make_entrants(
    optimizers: Sequence[str],
    lrs: Sequence[float] | float | None,
    shared_lr: float | None,
    schedule: str = Constant.name,
) -> tuple[Entrant, ...]:
    """Entrants with their grids; raises `PlanError` with every unknown name and every bad rate.

    Args:
        optimizers: registry names; the last part behind a "+" may be a schedule's. `ALL` alone is every one.
        lrs: rates for every optimiser instead of its own grid.
        shared_lr: one rate for all.
        schedule: of those that name none; an unknown one is not checked here.
    """
    problems: list[str] = []
    rates: tuple[float, ...] | None = None
    given = None if shared_lr is None and lrs is None else listed_rates(lrs if shared_lr is None else shared_lr)
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
    usual = schedule if isinstance(schedule, str) and schedule in SCHEDULES else Constant.name
    seen: Counter[str] = Counter()
    entrants = []
    for name in names:
        seen[name] += 1
        label = name if seen[name] == 1 else f"{name}#{seen[name]}"
        optimizer, own = split_schedule(name)
        shape = own or usual
        entrants.append(Entrant(label, optimizer, rates or registry.get(optimizer).grid(), shape, create_schedule(shape)))
    return tuple(entrants)


def split_schedule(name: str) -> tuple[str, str | None]:
    """An entrant's name as its optimiser and the schedule that it ends in, None if it ends in none."""
    optimizer, plus, last = name.rpartition("+")
    return (optimizer, last) if plus and last in SCHEDULES else (name, None)


def _checked(name: str) -> str:
    """The name of an entrant as the registry spells it.

    Raises:
        UnknownNameError: an unknown part.
        InputError: parts that do not go together.
    """
    optimizer, schedule = split_schedule(name)
    first, *layers = optimizer.split("+")
    for layer in layers:
        if layer in SCHEDULES:
            rest = "+".join(part for part in optimizer.split("+") if part != layer)
            more = " and only once" if schedule is not None else f": write {rest}+{layer}"
            raise InputError(f"{name!r}: {layer!r} is a schedule, which stands at the end{more}.", given=name)
    known = [*WRAPPERS, *SCHEDULES]
    if first in registry.REGISTRY and layers and layers[-1] not in known and schedule is None:
        raise unknown_name(f"wrapper or schedule (in {name!r})", layers[-1], known)
    found = registry.get(optimizer).name
    return found if schedule is None else f"{found}+{schedule}"


def _names(given: object, problems: list[str]) -> list[str]:
    """The registry names among what was given as optimisers; everything else becomes a problem."""
    if isinstance(given, str):
        problems.append(f"optimizers={given!r}: must be a list of names. Write {given.split(',')!r}.")
        return []
    known = f"Known: {', '.join(registry.names())}."
    if not isinstance(given, Iterable):
        problems.append(f"optimizers={given!r}: must be a list of names, such as ['sgd', 'adam']. {known}")
        return []
    given = tuple(given)
    names = list(registry.names()) if given == (ALL,) else []
    for item in () if names else given:
        try:
            if isinstance(item, str):
                names.append(_checked(item))
            else:
                problems.append(f"{item!r} among optimizers: must be a name, such as 'adam', not a class or an object. {known}")
        except (InputError, UnknownNameError) as error:
            problems.append(str(error))
    if not names and not problems:
        problems.append("no optimisers were named: give at least one, for example --optimizers sgd,adam.")
    return names


def listed_rates(given: object) -> tuple[Any, ...]:
    """What was given as rates, one by one: a bare number, or a text, is one."""
    return tuple(given) if isinstance(given, Iterable) and not isinstance(given, str) else (given,)
