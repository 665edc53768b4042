"""The lanes of a tile that are stacked just now, and their state moved into other stacks and back."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from ravine.fleet.lanes import Group, Lane, group_lanes
from ravine.fleet.stacking import Replicas
from ravine.fleet.stepping import keep_frozen
from ravine.fleet.tracing import Step


@dataclass(slots=True)
class Assembly:
    """Lanes that are stacked and step together.

    Attributes:
        positions: of the lanes in their tile, ascending.
        groups: neighbouring lanes of one rule.
        state: their state; leading dimension as `positions`.
        alive_L: lanes that still change.
        functional: one step as a function of the state (`functional_step`).
        compiled: the same, compiled, changing the state in place; None for the plain step.
    """

    positions: tuple[int, ...]
    groups: tuple[Group, ...]
    state: Replicas
    alive_L: Tensor
    functional: Callable[..., tuple[Replicas, Tensor, Tensor]] = field(repr=False)
    compiled: Step | None = field(default=None, repr=False)

    def advance(self, packed: Sequence[Tensor], batch: Any, t: int) -> Tensor:
        """Take step `t`, 1 at the first; the loss of every lane before it."""
        if self.compiled is not None:
            loss_L, self.alive_L = self.compiled(self.state, packed, self.alive_L, batch)
            return loss_L
        rules = [group.rule.at(t, SimpleNamespace(**group.hypers)) for group in self.groups]
        new, loss_L, keep_L = self.functional(self.state, packed, self.alive_L, batch, rules, t)
        # The comparison costs a look at L flags; rewriting every tensor for nothing costs a pass over the state. On
        # another device it would cost a wait for everything launched so far, which is dearer.
        is_whole = not keep_L.is_cuda and bool(keep_L.all())
        self.state = new if is_whole else keep_frozen(keep_L, self.groups, new, self.state)
        self.alive_L = keep_L
        return loss_L

    def freeze(self, position: int) -> None:
        """Stop a lane, given by its position in the tile, if it is stacked here."""
        if position in self.positions:
            self.alive_L = self.alive_L.clone()
            self.alive_L[self.positions.index(position)] = False


def same_bits(left: Tensor, right: Tensor) -> bool:
    """Whether two tensors are the same, not-a-numbers and signs of zeros included."""
    if left.shape != right.shape or left.dtype != right.dtype:
        return False
    pair = [tensor.detach().contiguous().reshape(-1) for tensor in (left, right)]
    return torch.equal(*(tensor.view(torch.uint8) if tensor.numel() else tensor for tensor in pair))


def same_state(left: Replicas, right: Replicas) -> bool:
    """Whether two states are the same, bit for bit."""
    pairs = [[pytree.tree_leaves((s.parameters, s.buffers, s.slots)) for s in (left, right)]]
    return all(len(a) == len(b) and all(map(same_bits, a, b)) for a, b in pairs)


def take(groups: Sequence[Group], state: Replicas, places: Sequence[int]) -> Replicas:
    """Copies of some lanes' state, in the order of `places`, which ascend; groups without a lane are left out."""
    device = next(iter((state.parameters | state.buffers).values())).device
    rows = torch.tensor(places, dtype=torch.int64, device=device)
    slots = []
    for group, held in zip(groups, state.slots, strict=True):
        own = rows[(rows >= group.start) & (rows < group.stop)] - group.start
        if len(own):
            slots.append({symbol: {name: stack.index_select(0, own) for name, stack in part.items()} for symbol, part in held.items()})
    return Replicas(
        {name: stack.index_select(0, rows) for name, stack in state.parameters.items()},
        {name: stack.index_select(0, rows) for name, stack in state.buffers.items()},
        slots,
    )


def join(lanes: Sequence[Lane], parts: Sequence[tuple[Sequence[int], Replicas]]) -> Replicas:
    """The state of a whole tile from parts of it.

    Args:
        lanes: lanes of the tile.
        parts: positions in the tile, ascending, and the state of the lanes there; every position once.
    """
    parameters, buffers = (_scatter(len(lanes), [(at, getattr(s, kind)) for at, s in parts]) for kind in ("parameters", "buffers"))
    slots = []
    for group in group_lanes(lanes):
        pieces: list[tuple[list[int], dict[str, dict[str, Tensor]]]] = []
        for positions, state in parts:
            for own, held in zip(group_lanes([lanes[position] for position in positions]), state.slots, strict=True):
                if own.rule.key == group.rule.key:
                    pieces.append(([position - group.start for position in positions[own.start : own.stop]], held))
        slots.append({symbol: _scatter(group.size, [(at, held[symbol]) for at, held in pieces]) for symbol in pieces[0][1]})
    return Replicas(parameters, buffers, slots)


def _scatter(length: int, pieces: Iterable[tuple[Sequence[int], Mapping[str, Tensor]]]) -> dict[str, Tensor]:
    whole: dict[str, Tensor] = {}
    for positions, stacks in pieces:
        for name, stack in stacks.items():
            if name not in whole:
                whole[name] = stack.new_empty((length, *stack.shape[1:]))
            whole[name][torch.tensor(positions, device=stack.device)] = stack
    return whole
