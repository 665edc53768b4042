"""How much memory a fleet will need, forecast before it starts."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from ravine.fleet.data import size
from ravine.fleet.lanes import Lane
from ravine.fleet.stacking import compute_dtype, split_state


@dataclass(frozen=True, slots=True)
class Footprint:
    """Bytes that one lane needs.

    Attributes:
        parameters: trainable tensors.
        buffers: buffers and frozen parameters.
        slot_unit: one slot for every parameter, in the compute dtype.
        activations: tensors that one batch's forward saves for the backward pass.
        examples: batch size that `activations` was measured with.
    """

    parameters: int
    buffers: int
    slot_unit: int
    activations: int
    examples: int

    def lane(self, num_slots: int) -> int:
        """Bytes of one lane while it steps: state, gradient, proposed state and activations."""
        state = self.parameters + self.buffers + num_slots * self.slot_unit
        return 2 * state + self.parameters + self.activations


def measure(objective: nn.Module, batch: Any) -> Footprint:
    """Count the bytes of a model's state and of what autograd saves for one batch."""
    trainable, fixed = split_state(objective)
    own = {tensor.untyped_storage().data_ptr() for tensor in [*trainable.values(), *fixed.values(), *pytree.tree_leaves(batch)]}
    saved: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            saved[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.enable_grad(), torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        loss = objective(batch)
    del loss
    return Footprint(
        parameters=sum(p.nbytes for p in trainable.values()),
        buffers=sum(b.nbytes for b in fixed.values()),
        slot_unit=sum(p.numel() * compute_dtype(p).itemsize for p in trainable.values()),
        activations=sum(saved.values()),
        examples=size(batch),
    )


def forecast(footprint: Footprint, tiles: Sequence[Sequence[Lane]], data_bytes: int) -> int:
    """Peak bytes of a run: the data set and the largest tile (one tile is alive at a time)."""
    peaks = [sum(footprint.lane(len(lane.rule.active_slots)) for lane in tile) for tile in tiles]
    return data_bytes + max(peaks, default=0)
