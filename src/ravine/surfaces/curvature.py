"""Estimates of the curvature for rules that want them, of lanes that are elements of one tensor.

The same draws and products as `ravine.fleet.curvature`, without a stack of modules, whose second derivatives bring in torch's
compiler: two seconds. L lanes of the stack, G lanes of one group.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, final

import torch
from torch import Tensor

from ravine.fleet.curvature import CURVATURE, signs, wants
from ravine.fleet.lanes import Group, Lane
from ravine.fleet.stacking import Replicas
from ravine.fleet.tiles import Training
from ravine.rules import Rule


@final
class PlaneCurvature:
    """Products of the Hessian with random signs; see `ravine.fleet.curvature.Curvature`.

    Args:
        heights: at positions (..., 2), without noise, which is linear and bends nothing.
        name: of the parameter that holds positions, (L, 2).
        lanes: of the stack, in order.
        training: what all lanes share.
    """

    def __init__(self, heights: Callable[[Tensor], Tensor], name: str, lanes: Sequence[Lane], training: Training) -> None:
        self._heights, self._name, self._training = heights, name, training
        self._seeds = [lane.seed for lane in lanes]

    def join(self, groups: Sequence[Group], rules: Sequence[Rule], state: Replicas, batch: Any, t: int) -> Replicas:
        """See `Curvature.join`; the batch is not looked at."""
        slots = [
            {**held, CURVATURE: {self._name: self._products(group, state, t)}} if wants(rule) else held
            for group, rule, held in zip(groups, rules, state.slots, strict=True)
        ]
        return replace(state, slots=slots)

    def _products(self, group: Group, state: Replicas, t: int) -> Tensor:
        """Signs times their products with the Hessian, u * Hu, of each lane of a group, (G, 2)."""
        held = state.parameters[self._name][group.start : group.stop]
        seeds = self._seeds[group.start : group.stop]
        drawn = {seed: signs(self._training, seed, t, self._name, held[0]) for seed in dict.fromkeys(seeds)}
        u = torch.stack([drawn[seed] for seed in seeds])
        with torch.enable_grad():
            positions = held.detach().requires_grad_()
            (first,) = torch.autograd.grad(self._heights(positions).sum(), positions, create_graph=True)
            if not first.requires_grad:
                return torch.zeros_like(u)
            (second,) = torch.autograd.grad((first * u).sum(), positions, allow_unused=True)
        return torch.zeros_like(u) if second is None else u * second
