"""Estimates of the curvature for the optimizers that take them, with the draws of a race, step by step."""

from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn

from ravine.fleet.curvature import single_curvature
from ravine.optim import SophiaG, SophiaH
from ravine.rules import Rule
from ravine.trainer.precision import Precision
from ravine.trainer.settings import Settings


class Curvature:
    """Hands an optimizer an estimate whenever its rule wants one, at the first step and every tenth after it.

    Args:
        optimizer: takes the estimates.
        objective: maps a batch to a loss.
        precision: of its forward passes.
        settings: hold the seeds.
        draws: whether a forward in training draws random numbers.
    """

    def __init__(
        self, optimizer: SophiaG | SophiaH, objective: nn.Module, precision: Precision, settings: Settings, *, draws: bool
    ) -> None:
        self._optimizer, self._objective, self._precision, self._seed = optimizer, objective, precision, settings.seed
        rule: type[Any] = optimizer.rule
        self._rule: Rule = rule()
        self._interval: int = rule.interval
        self._named = {name: p for name, p in objective.named_parameters() if p.requires_grad}
        # Of what the tiles of a fleet share, an estimate reads these two.
        self._shared: Any = SimpleNamespace(race_seed=settings.race_seed, support=SimpleNamespace(draws_random=draws))

    @classmethod
    def of(
        cls, optimizer: torch.optim.Optimizer, objective: nn.Module, precision: Precision, settings: Settings, *, draws: bool
    ) -> "Curvature | None":
        """The same, where an optimizer takes estimates."""
        return cls(optimizer, objective, precision, settings, draws=draws) if isinstance(optimizer, SophiaG | SophiaH) else None

    def update(self, pieces: Iterable[tuple[Any, float]], step: int) -> None:
        """Estimate, where it is time.

        Args:
            pieces: of the batch, each with its share of the rows.
            step: steps taken so far.

        Raises:
            TaskError: the loss takes no labels drawn from the model, or cannot be differentiated twice.
        """
        if step % self._interval:
            return
        total = dict[Tensor, Tensor]()
        for piece, share in pieces:
            with self._precision.forward():
                found = single_curvature(
                    self._objective, self._named, piece, self._rule, training=self._shared, place=(self._seed, step + 1)
                )
            for parameter, estimate in zip(self._named.values(), found, strict=True):
                if estimate is not None:
                    # A share of 1 changes no bit.
                    total[parameter] = total[parameter] + share * estimate if parameter in total else share * estimate
        self._optimizer._take(total.get(p) for group in self._optimizer.param_groups for p in group["params"])


def takes_curvature(optimizer: torch.optim.Optimizer) -> bool:
    """Whether an optimizer wants estimates."""
    return isinstance(optimizer, SophiaG | SophiaH)
