"""The optimizer of a training, made from its settings, and the weights at which it wants the model evaluated."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from ravine.base.errors import InputError
from ravine.optim import Wrapped, create, muon_groups, param_groups
from ravine.optim.creating import driver_for
from ravine.rules import Rule
from ravine.rules._ascent import SECOND_GRADIENT
from ravine.rules.registry import get
from ravine.trainer.settings import Settings


def make_optimizer(model: nn.Module, settings: Settings) -> torch.optim.Optimizer:
    """The optimizer.

    Raises:
        InputError: a setting is out of range, or a function of the user's returned something else.
    """
    if not isinstance(settings.optimizer, str):
        made: Any = settings.optimizer(model)
        if not isinstance(made, torch.optim.Optimizer):
            given = f"optimizer returned {type(made).__name__}"
            raise InputError(f"{given}: must return a torch.optim.Optimizer of the model's parameters.", given=made)
        return made
    chosen: dict[str, Any] = {**settings.hypers, "lr": settings.lr}
    if not settings.is_driven:
        chosen["driver"] = driver_for(settings.optimizer, settings.steps)
    if settings.weights != "plain":
        chosen["weights"] = settings.weights
    decay = chosen.get("weight_decay", 0.0) if settings.spares else 0.0
    return create(settings.optimizer, _groups(model, settings.optimizer, decay), **chosen)


def _groups(model: nn.Module, optimizer: str, decay: float) -> Any:
    """Parameters, apart where the optimiser treats matrices otherwise than the rest, as in a race, or where only weights decay."""
    is_split = any(flag.name == "elementwise" for flag in get(optimizer).rule.flags)
    if not decay:
        return muon_groups(model) if is_split else model.parameters()
    if not is_split:
        return param_groups(model, decay)
    spared = {id(p) for p in param_groups(model, decay)[1]["params"]}
    matrices, rest = muon_groups(model)
    parts = [[named for named in rest["params"] if (id(named[1]) in spared) == is_spared] for is_spared in (False, True)]
    return [matrices, {**rest, "params": parts[0]}, {**rest, "params": parts[1], "weight_decay": 0.0}]


def takes_two(optimizer: torch.optim.Optimizer) -> bool:
    """Whether a step takes a second gradient, uphill of the first."""
    return isinstance(optimizer, Wrapped) and SECOND_GRADIENT in optimizer.rule.needs


@contextmanager
def evaluating(optimizer: torch.optim.Optimizer) -> Iterator[None]:
    """A block in which the model has the weights at which the optimizer wants it evaluated."""
    if isinstance(optimizer, Wrapped):
        if optimizer.rule.evaluate is Rule.evaluate:
            yield
            return
        with optimizer.averaged():
            yield
        return
    # Schedule-free optimizers, ours and others', switch by methods named like a module's.
    is_switched: Any = getattr(optimizer, "eval", None)
    if is_switched is None:
        yield
        return
    is_switched()
    try:
        yield
    finally:
        optimizer.train()  # type: ignore[attr-defined]  # those that have the one have the other
