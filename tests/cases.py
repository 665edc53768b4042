"""The table of optimisers under test: one row per registry name and per option that changes the arithmetic.

A row says how to build ours, the namesake in `torch.optim`, and a second oracle. What a rule can do (granularity,
state, flags) is asked of the rule itself, never listed here.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

from ravine import optim
from ravine.rules import get, resolve
from references import adagrad as adagrad_reference
from references import adam as adam_reference
from references import lion as lion_reference
from references import sgd as sgd_reference


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
        note: why an oracle is missing or bent.
    """

    id: str
    name: str
    kwargs: Mapping[str, Any]
    other: Mapping[str, Any] = field(default_factory=dict)
    torch_class: type[torch.optim.Optimizer] | None = None
    optax: Callable[[Mapping[str, Any]], Any] | None = None
    reference: Callable[..., Any] | None = None
    note: str = ""

    @property
    def cls(self):
        return optim.classes.CLASSES[get(self.name).rule]

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
        return optim.create(self.name, params, **{**self.kwargs, **more})

    def groups(self, first, second):
        """Two fresh groups of parameters, the second with its own settings."""
        return [{"params": list(first)}, {"params": list(second), **self.other}]


def _l2(settings, transformation):
    import optax

    return optax.chain(optax.add_decayed_weights(settings.get("weight_decay", 0.0)), transformation)


def _optax_sgd(settings):
    import optax

    return _l2(settings, optax.sgd(1.0, settings.get("momentum") or None, settings.get("nesterov", False)))


def _optax_adagrad(settings):
    import optax

    return optax.adagrad(1.0, initial_accumulator_value=settings.get("initial_accumulator_value", 0.0), eps=settings["eps"])


def _optax_rmsprop(settings):
    import optax

    names = {"alpha": "decay", "eps": "eps", "momentum": "momentum", "centered": "centered"}
    given = {"decay": 0.99} | {names[key]: value for key, value in settings.items() if key in names}
    return _l2(settings, optax.rmsprop(1.0, eps_in_sqrt=False, **given))


def _optax_adam(settings):
    import optax

    b1, b2 = settings.get("betas", (0.9, 0.999))
    return _l2(settings, optax.adam(1.0, b1, b2, settings.get("eps", 1e-8)))


def _optax_adamw(settings):
    import optax

    b1, b2 = settings.get("betas", (0.9, 0.999))
    return optax.adamw(1.0, b1, b2, settings.get("eps", 1e-8), weight_decay=settings.get("weight_decay", 1e-2))


def _optax_lion(settings):
    import optax

    b1, b2 = settings.get("betas", (0.9, 0.99))
    return optax.lion(1.0, b1, b2, weight_decay=settings.get("weight_decay", 0.0))


_TORCH = torch.optim
_DAMPENING = "optax has no dampening"
_EPS = "optax puts eps under the root; the row with eps 0 compares the rest"
_AMSGRAD = "optax takes the maximum over the corrected second moment"

_SGD_ROWS = (
    Case("sgd", "sgd", {"lr": 0.1}, {"weight_decay": 0.1}, _TORCH.SGD, _optax_sgd),
    Case("sgd-l2", "sgd", {"lr": 0.1, "weight_decay": 0.05}, {"lr": 0.03, "weight_decay": 0.0}, _TORCH.SGD, _optax_sgd),
    Case("momentum", "momentum", {"lr": 0.05}, {"momentum": 0.5}, _TORCH.SGD, _optax_sgd),
    Case(
        "momentum-dampening-l2",
        "momentum",
        {"lr": 0.05, "dampening": 0.9, "weight_decay": 0.1},
        {"dampening": 0.3},
        _TORCH.SGD,
        reference=sgd_reference.update,
        note=_DAMPENING,
    ),
    Case("nesterov", "nesterov", {"lr": 0.05}, {"momentum": 0.7}, _TORCH.SGD, _optax_sgd),
    Case("nesterov-l2", "nesterov", {"lr": 0.05, "weight_decay": 0.1}, {"weight_decay": 0.0}, _TORCH.SGD, _optax_sgd),
)

_ADAGRAD_ROWS = (
    Case("adagrad", "adagrad", {"lr": 0.1}, {"lr": 0.02}, _TORCH.Adagrad, None, adagrad_reference.update, _EPS),
    Case(
        "adagrad-eps-0",
        "adagrad",
        {"lr": 0.1, "eps": 0.0, "initial_accumulator_value": 0.5},
        {"lr": 0.02},
        _TORCH.Adagrad,
        _optax_adagrad,
        adagrad_reference.update,
    ),
    Case(
        "adagrad-everything",
        "adagrad",
        {"lr": 0.1, "lr_decay": 0.01, "initial_accumulator_value": 0.1, "weight_decay": 0.1, "eps": 1e-3},
        {"lr_decay": 0.2, "weight_decay": 0.0},
        _TORCH.Adagrad,
        None,
        adagrad_reference.update,
        _EPS,
    ),
)

_RMSPROP_ROWS = (
    Case("rmsprop", "rmsprop", {"lr": 0.02}, {"alpha": 0.9}, _TORCH.RMSprop, _optax_rmsprop),
    Case("rmsprop-momentum", "rmsprop", {"lr": 0.01, "momentum": 0.9}, {"momentum": 0.5}, _TORCH.RMSprop, _optax_rmsprop),
    Case("rmsprop-centered", "rmsprop", {"lr": 0.01, "centered": True}, {"alpha": 0.8}, _TORCH.RMSprop, _optax_rmsprop),
    Case(
        "rmsprop-everything",
        "rmsprop",
        {"lr": 0.01, "alpha": 0.95, "momentum": 0.8, "centered": True, "weight_decay": 0.1, "eps": 1e-3},
        {"weight_decay": 0.0},
        _TORCH.RMSprop,
        _optax_rmsprop,
    ),
)

_ADAM_ROWS = (
    Case("adam", "adam", {"lr": 0.02}, {"betas": (0.8, 0.95)}, _TORCH.Adam, _optax_adam, adam_reference.update),
    Case(
        "adam-l2-eps",
        "adam",
        {"lr": 0.02, "weight_decay": 0.1, "eps": 1e-3},
        {"weight_decay": 0.0},
        _TORCH.Adam,
        _optax_adam,
        adam_reference.update,
    ),
    Case("adam-beta1-0", "adam", {"lr": 0.02, "betas": (0.0, 0.9)}, {"eps": 1e-4}, _TORCH.Adam, _optax_adam, adam_reference.update),
    Case(
        "adam-amsgrad",
        "adam",
        {"lr": 0.02, "amsgrad": True, "betas": (0.9, 0.9)},
        {"lr": 0.01},
        _TORCH.Adam,
        None,
        adam_reference.update,
        _AMSGRAD,
    ),
    Case(
        "adam-amsgrad-l2",
        "adam",
        {"lr": 0.02, "amsgrad": True, "betas": (0.5, 0.8), "weight_decay": 0.1},
        {"amsgrad": False},
        _TORCH.Adam,
        None,
        adam_reference.update,
        _AMSGRAD,
    ),
)

_ADAMW_ROWS = (
    Case("adamw", "adamw", {"lr": 0.02}, {"weight_decay": 0.0}, _TORCH.AdamW, _optax_adamw),
    Case("adamw-decay", "adamw", {"lr": 0.02, "weight_decay": 0.5, "betas": (0.8, 0.95)}, {"eps": 1e-3}, _TORCH.AdamW, _optax_adamw),
    Case(
        "adamw-amsgrad",
        "adamw",
        {"lr": 0.02, "amsgrad": True, "betas": (0.9, 0.9)},
        {"weight_decay": 0.2},
        _TORCH.AdamW,
        None,
        adam_reference.decoupled_update,
        _AMSGRAD,
    ),
)

_LION_ROWS = (
    Case("lion", "lion", {"lr": 0.005}, {"betas": (0.8, 0.95)}, None, _optax_lion, lion_reference.update, "torch has no Lion"),
    Case(
        "lion-decay",
        "lion",
        {"lr": 0.005, "weight_decay": 0.5},
        {"weight_decay": 0.0},
        None,
        _optax_lion,
        lion_reference.update,
        "torch has no Lion",
    ),
)

CASES: tuple[Case, ...] = (*_SGD_ROWS, *_ADAGRAD_ROWS, *_RMSPROP_ROWS, *_ADAM_ROWS, *_ADAMW_ROWS, *_LION_ROWS)
