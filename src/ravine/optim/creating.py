"""Every drop-in class by its rule, and `create`, which makes one by its registry name."""

import inspect
from collections.abc import Mapping
from types import MappingProxyType, ModuleType
from typing import Any

from torch.optim.optimizer import ParamsT

from ravine.base.errors import InputError
from ravine.optim import _settings, adam_family, adaptive, classes, curvature, free_family, matrix_family, tensor_family
from ravine.optim._rule_optimizer import RuleOptimizer
from ravine.optim.wrapped import Wrapped
from ravine.rules._rule import Rule
from ravine.rules.registry import get

FAMILIES: tuple[ModuleType, ...] = (classes, adaptive, adam_family, tensor_family, matrix_family, free_family, curvature)
"""The files that hold drop-in classes."""

CLASSES: Mapping[type[Rule], type[RuleOptimizer]] = MappingProxyType(
    {
        found.rule: found
        for family in FAMILIES
        for found in vars(family).values()
        if isinstance(found, type) and issubclass(found, RuleOptimizer) and "rule" in vars(found)
    }
)
"""The drop-in class of every rule."""

NATIVE_STEPS = 2000
"""Steps from which on a rule's own code pays for the seconds that building it takes, once a machine."""


def create(name: str, params: ParamsT, **settings: Any) -> RuleOptimizer:
    """The optimizer registered as `name`, with its presets.

    Args:
        name: a registry name, see `names()`, or one with wrappers, such as "adamw+clip+lookahead".
        params: parameters, named parameters, or dictionaries that describe groups.
        settings: what the class takes under torch's names (`betas=(0.9, 0.95)`), or single hypers under the rule's
            symbols (`beta2=0.95`).

    Raises:
        UnknownNameError: no such optimizer or setting; the message offers the nearest ones.
        InputError: a value outside its interval, or one hyper given under both of its names.

    Example:
        >>> import torch
        >>> optimizer = create("nesterov", [torch.nn.Parameter(torch.zeros(3))], lr=0.1)
        >>> type(optimizer).__name__, optimizer.defaults["momentum"], optimizer.defaults["nesterov"]
        ('SGD', 0.9, True)
    """
    entry = get(name)
    symbols = {hyper.symbol: hyper for hyper in entry.rule.hypers}
    kind = CLASSES.get(entry.rule, Wrapped)
    words = [word for word in inspect.signature(kind).parameters if word not in ("params", "optimizer", "storage", "settings")]
    _settings.refuse_unknown(repr(name), settings, dict.fromkeys([*symbols, *_settings.known_keys(entry.rule), *words]))
    for symbol, hyper in symbols.items():
        if symbol != hyper.group_key and symbol in settings and hyper.group_key in settings:
            raise InputError(
                f"{symbol} and {hyper.group_key} for {name!r}: two names of one setting. Give only one.", given=settings[symbol]
            )
    by_symbol = entry.defaults | {symbol: settings.pop(symbol) for symbol in symbols if symbol in settings}
    presets = _settings.defaults(entry.rule, by_symbol)
    everything = presets | dict(entry.flags) | settings
    return Wrapped(params, name, **everything) if kind is Wrapped else kind(params, **kind.constructor_settings(everything))


def driver_for(name: str, steps: int) -> str:
    """The driver of a whole training: "native" for rules of single elements, whose code serves any shapes, where it is long enough.

    Args:
        name: a registry name, with or without wrappers.
        steps: of the training.

    Raises:
        UnknownNameError: no such optimizer.
    """
    return "native" if steps >= NATIVE_STEPS and get(name).rule.granularity == "element" else "auto"
