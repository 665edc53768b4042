"""Stacked copies of a model's parameters, buffers and optimiser slots: leading dimension L, one entry a lane."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ravine.fleet.lanes import Group, Lane
from ravine.rules import Slot
from ravine.tasks.kinds import Kind, parameter_kinds

Stack = dict[str, Tensor]
"""Name -> tensor of shape (L, ...)."""


@dataclass(slots=True)
class Replicas:
    """The state of a tile.

    Attributes:
        parameters: trainable tensors, (L, ...).
        buffers: buffers and frozen parameters, (L, ...).
        slots: for each group, symbol -> name -> (lanes of the group, ...), in the compute dtype. A rule need not keep
            every slot for every parameter; what it keeps for the whole lane stands under the name `LANE`.
    """

    parameters: Stack
    buffers: Stack
    slots: list[dict[str, Stack]]


def split_state(module: nn.Module) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """A module's trainable parameters, and everything else that its forward reads."""
    trainable = {name: p.detach() for name, p in module.named_parameters() if p.requires_grad}
    fixed = {name: p.detach() for name, p in module.named_parameters() if not p.requires_grad}
    return trainable, fixed | {name: b.detach() for name, b in module.named_buffers()}


def compute_dtype(tensor: Tensor) -> torch.dtype:
    """Dtype in which a parameter's update is computed and its slots are kept: at least float32."""
    return torch.promote_types(tensor.dtype, torch.float32)


LANE = ""
"""Name under which a lane's own slots stand among those of its parameters."""


def new_slots(group: Group, parameters: Mapping[str, Tensor], kinds: Mapping[str, Kind]) -> dict[str, Stack]:
    """Slots of one group at their starting value, for parameters of the whole tile.

    Args:
        group: a group of the tile.
        parameters: name -> (L, ...).
        kinds: name -> kind of the parameter.
    """
    slots: dict[str, Stack] = {}
    for name, parameter in parameters.items():
        part = parameter[group.start : group.stop]
        for slot in group.rule.part(kinds[name]).active_slots:
            slots.setdefault(slot.symbol, {})[name] = _start(slot, group, part)
    for slot in group.rule.lane_slots:
        slots[slot.symbol] = {LANE: _start(slot, group, next(iter(parameters.values()))[group.start : group.stop])}
    return slots


def _start(slot: Slot, group: Group, part: Tensor) -> Tensor:
    dtype = compute_dtype(part)
    if slot.copies:
        return part.to(dtype, copy=True)
    filled = torch.zeros((len(part), *slot.shape_for(part.shape[1:])), dtype=dtype, device=part.device)
    if slot.fill:
        filled += spread(torch.as_tensor(group.hypers[slot.fill], dtype=dtype, device=part.device), filled.ndim)
    return filled


def stack_models(lanes: Sequence[Lane], groups: Sequence[Group], models: Mapping[int, nn.Module]) -> Replicas:
    """One copy of its seed's model for every lane.

    Args:
        lanes: lanes of the tile, in order.
        groups: the tile's groups.
        models: seed -> freshly built objective.
    """
    states = {seed: split_state(model) for seed, model in models.items()}
    first = states[lanes[0].seed]
    parameters = {name: torch.stack([states[lane.seed][0][name] for lane in lanes]) for name in first[0]}
    buffers = {name: torch.stack([states[lane.seed][1][name] for lane in lanes]) for name in first[1]}
    kinds = parameter_kinds(models[lanes[0].seed])
    return Replicas(parameters, buffers, [new_slots(group, parameters, kinds) for group in groups])


def spread(vector: Tensor, ndim: int) -> Tensor:
    """A vector over lanes, (L,), viewed as (L, 1, ..., 1) with `ndim` dimensions."""
    return vector.view(-1, *([1] * (ndim - 1)))
