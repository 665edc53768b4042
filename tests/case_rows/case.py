"""One row of the table of optimisers under test."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

from ravine import optim
from ravine.rules import get, resolve


@dataclass(frozen=True)
class Case:
    """One row.

    Attributes:
        id: unique name of the row.
        name: registry name.
        kwargs: settings under torch's names, for the first parameter group, beyond the name's presets.
        other: what differs in the second group.
        torch_class: oracle in `torch.optim`, built with the same settings.
        optax: settings -> gradient transformation for lr = 1; None where optax differs.
        reference: settings, weight, gradient, memory, lr -> new weight, transcribed from the paper.
        timm: settings, parameters -> optimizer of timm, or of another library in its place; None where timm differs or has none.
        whole: name of an oracle -> settings of every weight, weights -> what steps them all at once.
        note: why an oracle is missing or bent.
        kind: class to build instead of the registered one.
        shapes: of parameters that oracles are compared on; the tests' own if None.
    """

    id: str
    name: str
    kwargs: Mapping[str, Any]
    other: Mapping[str, Any] = field(default_factory=dict)
    torch_class: type[torch.optim.Optimizer] | None = None
    optax: Callable[[Mapping[str, Any]], Any] | None = None
    reference: Callable[..., Any] | None = None
    timm: Callable[..., torch.optim.Optimizer] | None = None
    note: str = ""
    whole: Mapping[str, Callable[..., Any]] = field(default_factory=dict)
    kind: type[torch.optim.Optimizer] | None = None
    shapes: tuple[tuple[int, ...], ...] | None = None

    @property
    def cls(self):
        return optim.creating.CLASSES[get(self.name).rule]

    @property
    def full(self) -> dict[str, Any]:
        """Settings of the first group with the name's presets, under torch's names; enough for `torch_class`."""
        entry = get(self.name)
        presets = {hyper.group_key: entry.hypers[hyper.symbol] for hyper in entry.rule.hypers if hyper.symbol in entry.hypers}
        return presets | dict(entry.flags) | dict(self.kwargs)

    @property
    def settings(self) -> dict[str, float | bool]:
        """The same by the rule's symbols, for `ravine.rules.resolve`."""
        entry, full = get(self.name), self.full
        given = {}
        for hyper in entry.rule.hypers:
            if hyper.group_key in full:
                value = full[hyper.group_key]
                given[hyper.symbol] = value if hyper.index is None else value[hyper.index]
        return given | {flag.name: full[flag.name] for flag in entry.rule.flags if flag.name in full}

    @property
    def rule(self):
        """The rule with this row's flags."""
        return resolve(self.name, self.settings)[0]

    def build(self, params, **more):
        """Our optimizer over one group."""
        if self.kind is not None:
            return self.kind(params, **{**self.full, **more})
        return optim.create(self.name, params, **{**self.kwargs, **more})

    def groups(self, first, second):
        """Two fresh groups of parameters, the second with its own settings."""
        return [{"params": list(first)}, {"params": list(second), **self.other}]
