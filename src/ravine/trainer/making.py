"""The optimizer of a training, made from its settings, and the weights at which it wants the model evaluated."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from ravine.base.errors import InputError
from ravine.optim import Wrapped, create, param_groups
from ravine.rules import Rule
from ravine.rules._ascent import SECOND_GRADIENT
from ravine.trainer.settings import Settings

INITIAL = "initial_lr"
"""Key of a group's rate before any schedule, as torch's schedulers have it."""


def make_optimizer(model: nn.Module, settings: Settings) -> torch.optim.Optimizer:
    """The optimizer, its groups knowing their peak rate.

    Raises:
        InputError: a setting is out of range, or a function of the user's returned something else.
    """
    optimizer = _made(model, settings)
    for group in optimizer.param_groups:
        group.setdefault(INITIAL, group["lr"])
    return optimizer


def _made(model: nn.Module, settings: Settings) -> torch.optim.Optimizer:
    if not isinstance(settings.optimizer, str):
        made: Any = settings.optimizer(model)
        if not isinstance(made, torch.optim.Optimizer):
            given = f"optimizer returned {type(made).__name__}"
            raise InputError(f"{given}: must return a torch.optim.Optimizer of the model's parameters.", given=made)
        return made
    chosen: dict[str, Any] = {**settings.hypers, "lr": settings.lr}
    if settings.weights != "plain":
        chosen["weights"] = settings.weights
    decay = chosen.get("weight_decay", 0.0)
    groups: Any = param_groups(model, decay) if settings.spares and decay else model.parameters()
    return create(settings.optimizer, groups, **chosen)


def set_rate(optimizer: torch.optim.Optimizer, multiplier: float) -> float:
    """Give every group its rate of the step; the first one's."""
    for group in optimizer.param_groups:
        group["lr"] = group[INITIAL] * multiplier
    return float(optimizer.param_groups[0]["lr"])


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
