"""An optimiser as text: a class of `torch.optim` where there is one, else a small class around the rule's own source."""

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from ravine.race._driver_text import DriverText, opened
from ravine.race._rule_text import RuleText
from ravine.race._source_text import literal
from ravine.rules import Rule

TORCH_CLASSES = frozenset({"SGD", "Adagrad", "RMSprop", "Adam", "AdamW", "Adadelta", "Adamax", "NAdam", "RAdam", "Adafactor"})
"""Rules whose namesake in `torch.optim` takes the same steps; the parity tests hold them to it."""

MARGIN = "    optimizer = "
"""What stands before the expression in a script."""


@dataclass(frozen=True, slots=True)
class OptimizerText:
    """How a script makes its optimiser.

    Attributes:
        expression: makes it from `model` and `LR`.
        sections: top-level definitions that the expression needs.
        imports: lines that those need.
        averages: whether the weights to evaluate at are not those that are trained.
        average: line that puts them in place; one that opens a block does so inside it.
        needs: what the loop has to give it besides gradients, as the rule declares it.
        interval: steps from one estimate of the curvature to the next, the first at the first step.
    """

    expression: str
    sections: tuple[str, ...] = ()
    imports: tuple[str, ...] = ("import torch",)
    averages: bool = False
    average: str = "optimizer.average()  # to the weights to evaluate at, which are not those that are trained"
    needs: frozenset[str] = frozenset()
    interval: int = 1


def optimizer_text(rule: Rule, hypers: Mapping[str, float], *, is_narrow: bool = False) -> OptimizerText:
    """The text of an optimiser at the rate `LR`.

    Args:
        rule: with its flags set.
        hypers: every hyper by symbol; `lr` is not read.
        is_narrow: whether parameters are narrower than float32: a race computes their update in float32 and rounds
            once, which torch's classes do not.
    """
    name = type(rule).__name__
    if name in TORCH_CLASSES and not is_narrow and _is_known_to_torch(rule, hypers):
        arguments = ["model.parameters()", "lr=LR", *_torch_arguments(rule, hypers)]
        return OptimizerText(f"torch.optim.{name}({', '.join(arguments)})")
    text = RuleText(rule, hypers)
    driver = DriverText(text, is_narrow=is_narrow)
    changed = [f"{h.symbol}={literal(hypers[h.symbol])}" for h in rule.hypers if h.symbol != "lr" and hypers[h.symbol] != h.default]
    return OptimizerText(
        opened(f"{MARGIN}{driver.name}(", [*driver.first_arguments, "lr=LR", *changed], ")", indent=4).removeprefix(MARGIN),
        driver.sections,
        ("import torch", "from contextlib import contextmanager", "from types import SimpleNamespace", *text.definitions.imports),
        averages=driver.averages,
        needs=rule.needs,
        interval=text.interval,
    )


def _is_known_to_torch(rule: Rule, hypers: Mapping[str, float]) -> bool:
    """Whether torch's class has every switch that is on, and every hyper that is set."""
    parameters = inspect.signature(getattr(torch.optim, type(rule).__name__)).parameters
    is_set = [hyper.group_key in parameters or hypers[hyper.symbol] == hyper.default for hyper in rule.hypers]
    return all(is_set) and all(flag.name in parameters for flag in rule.flags if not flag.of and rule.on(flag.name))


def _torch_arguments(rule: Rule, hypers: Mapping[str, float]) -> list[str]:
    """Settings that differ from torch's own defaults, under torch's names."""
    settings: dict[str, Any] = {}
    for hyper in rule.hypers:
        value = None if (rule.name, hyper.symbol) == ("adafactor", "eps1") and hypers["eps1"] == 0 else hypers[hyper.symbol]
        settings[hyper.group_key] = value if hyper.index is None else (*settings.get(hyper.group_key, ()), value)
    settings |= {flag.name: rule.on(flag.name) for flag in rule.flags if not flag.of}
    parameters = inspect.signature(getattr(torch.optim, type(rule).__name__)).parameters
    return [
        f"{key}={literal(value)}"
        for key, value in settings.items()
        if key in parameters and key != "lr" and value != parameters[key].default
    ]
