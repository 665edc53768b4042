"""The rate and whatever else is scheduled, in every group of the optimizer, at every step."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import torch

from ravine.optim import LRScheduler
from ravine.trainer.settings import Settings

INITIAL = "initial_lr"
"""Key of a group's rate before any schedule, as torch's schedulers have it."""


class Rates:
    """Sets what is scheduled; it follows from the step, but for a plateau, whose state a checkpoint keeps.

    Args:
        optimizer: its groups know their peak rate from now on.
        settings: hold the schedules.

    Raises:
        InputError: schedules for another number of groups.
        UnknownNameError: a key that a group does not have.
    """

    def __init__(self, optimizer: torch.optim.Optimizer, settings: Settings) -> None:
        self._optimizer, self._schedule, self._steps = optimizer, settings.schedule, settings.steps
        for group in optimizer.param_groups:
            group.setdefault(INITIAL, group["lr"])
        plans = [{"lr": settings.schedule, **plan} for plan in settings.others or ({},)]
        is_plain = not settings.others and settings.plateau is None
        # A scheduler takes three times as long as a multiplication, which a small model's step would show.
        self._scheduler = None if is_plain else LRScheduler(optimizer, plans, horizon=settings.steps, plateau=settings.plateau)

    def set(self, step: int) -> float:
        """Give every group its settings of the step; the first one's rate."""
        groups = self._optimizer.param_groups
        if self._scheduler is not None:
            self._scheduler.seek(step)
            return float(groups[0]["lr"])
        multiplier = self._schedule(step, self._steps)
        for group in groups:
            # A group that was added later begins with its own rate.
            group["lr"] = group.setdefault(INITIAL, group["lr"]) * multiplier
        return float(groups[0]["lr"])

    def observe(self, value: float) -> None:
        """Hand the plateau, where there is one, the monitored value of an evaluation."""
        if self._scheduler is not None and self._scheduler.plateau is not None:
            self._scheduler.observe(value)

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps, as JSON values; empty without a plateau."""
        return {} if self._scheduler is None or self._scheduler.plateau is None else dataclasses.asdict(self._scheduler.plateau_state)

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what `state` gave."""
        if self._scheduler is not None and self._scheduler.plateau is not None:
            self._scheduler.plateau_state = self._scheduler.plateau.restored(state)
