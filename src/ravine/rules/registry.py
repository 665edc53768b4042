"""Names of optimisers: which rule, with which preset, searched over which rates."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from ravine.base._checks import number, unknown_name
from ravine.base.errors import InputError
from ravine.rules._rule import Hyper, Rule
from ravine.rules.adagrad import Adagrad
from ravine.rules.adam import Adam
from ravine.rules.adamw import AdamW
from ravine.rules.lion import Lion
from ravine.rules.rmsprop import RMSprop
from ravine.rules.sgd import SGD


@dataclass(frozen=True, slots=True)
class Entry:
    """One registry name.

    Attributes:
        name: registry name.
        rule: the rule class.
        search_lr: centre of the learning-rate search, this optimiser's own scale.
        summary: one line for people.
        hypers: defaults that differ from the rule's own, by symbol.
        flags: flags that differ from the rule's own.
    """

    name: str
    rule: type[Rule]
    search_lr: float
    summary: str
    hypers: Mapping[str, float] = field(default_factory=dict)
    flags: Mapping[str, bool] = field(default_factory=dict)

    @property
    def defaults(self) -> dict[str, float]:
        """Every hyper's default under this name, by symbol."""
        return {hyper.symbol: hyper.default for hyper in self.rule.hypers} | dict(self.hypers)

    def grid(self, points: int = 12) -> tuple[float, ...]:
        """Half-decade learning rates around `search_lr`: from 3 decades below upwards, ascending."""
        first = round(2 * math.log10(self.search_lr)) - 6
        return tuple(10.0 ** (exponent / 2) for exponent in range(first, first + points))


_ENTRIES = (
    Entry("sgd", SGD, 1e-1, "plain stochastic gradient descent"),
    Entry("momentum", SGD, 1e-2, "SGD with heavy-ball momentum 0.9", {"momentum": 0.9}),
    Entry("nesterov", SGD, 1e-2, "SGD with Nesterov momentum 0.9", {"momentum": 0.9}, {"nesterov": True}),
    Entry("adagrad", Adagrad, 1e-2, "rates fall with each coordinate's summed squared gradients"),
    Entry("rmsprop", RMSprop, 1e-3, "gradient over its running root mean square"),
    Entry("adam", Adam, 1e-3, "bias-corrected first moment over root of the second"),
    Entry("adamw", AdamW, 1e-3, "Adam with decoupled weight decay 0.01"),
    Entry("lion", Lion, 1e-4, "sign of an interpolated momentum"),
)

REGISTRY: Mapping[str, Entry] = MappingProxyType({entry.name: entry for entry in _ENTRIES})
"""Every registered optimiser by name."""


def names() -> tuple[str, ...]:
    """Registry names, simplest first."""
    return tuple(REGISTRY)


def get(name: str) -> Entry:
    """The entry called `name`.

    Raises:
        UnknownNameError: no such name; the message offers the nearest ones.
    """
    if name not in REGISTRY:
        raise unknown_name("optimizer", name, REGISTRY)
    return REGISTRY[name]


def check(hyper: Hyper, value: object, *, where: str) -> float:
    """`value` as a float inside the hyper's permitted interval, or `InputError` naming `where`."""
    return number(
        hyper.group_key if hyper.index is None else hyper.symbol,
        value,
        at_least=hyper.low if math.isfinite(hyper.low) else None,
        above=hyper.low if math.isinf(hyper.low) else None,
        below=hyper.high if hyper.open_above or math.isinf(hyper.high) else None,
        at_most=hyper.high if math.isfinite(hyper.high) and not hyper.open_above else None,
        where=where,
        do="Leave it out to use the default." if hyper.symbol != "lr" else "",
    )


def resolve(name: str, settings: Mapping[str, float | bool]) -> tuple[Rule, dict[str, float]]:
    """Turn a name and settings (by symbol or flag name) into a rule with its flags set, and a full set of hypers.

    Raises:
        UnknownNameError: a setting that this optimiser does not have.
        InputError: a value outside its interval.
    """
    entry = get(name)
    hypers = {hyper.symbol: hyper for hyper in entry.rule.hypers}
    switches = {flag.name for flag in entry.rule.flags if not flag.of}
    for setting in settings:
        if setting not in hypers and setting not in switches:
            raise unknown_name(f"setting of {name!r}", setting, [*hypers, *switches])
    given = entry.defaults | dict(settings)
    values = {symbol: check(hyper, given[symbol], where=repr(name)) for symbol, hyper in hypers.items()}
    chosen = {flag: bool(value) for flag, value in (dict(entry.flags) | dict(settings)).items() if flag in switches}
    return with_flags(entry.rule, values, chosen), values


def with_flags(rule: type[Rule], hypers: Mapping[str, float], switches: Mapping[str, bool]) -> Rule:
    """The rule with `switches` set and every flag that follows from a hyper derived.

    Raises:
        InputError: a combination that the rule does not define (Nesterov without momentum).
    """
    derived = {flag.name: hypers[flag.of] != 0 for flag in rule.flags if flag.of}
    result = rule(**derived, **switches)
    if result.on("nesterov") and (not result.on("buffered") or hypers["dampening"] != 0):
        given = f"nesterov=True with momentum={hypers['momentum']:g}, dampening={hypers['dampening']:g}"
        raise InputError(f"{given}: Nesterov needs momentum above 0 and dampening 0. Set momentum=0.9 and leave dampening out.")
    return result
