"""The second gradient of rules that take one: at a point uphill of the parameters, for each lane its own.

Shapes: L lanes of the tile, A lanes whose rule takes two gradients.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import vmap
from torch.utils import _pytree as pytree

from ravine.fleet.blocks import Block
from ravine.fleet.gradients import StackedGradient, single_gradient
from ravine.fleet.lanes import Group
from ravine.fleet.stacking import Stack, compute_dtype
from ravine.rules import Rule
from ravine.rules._ascent import SECOND_GRADIENT, ascents
from ravine.rules._step import Part
from ravine.tasks.kinds import Kind


class Ascent:
    """Second gradients of a tile's stacked lanes.

    Lanes that need one take it in one further call, in which the others have no part: a model that draws random
    numbers then draws the same ones for a lane, whatever else its tile holds.

    Args:
        gradient: of the stacked model.
        groups: of the tile.
        kinds: name -> kind of the parameter.
        shares_batch: whether all lanes read one batch, or its leaves have a leading lane dimension.
    """

    def __init__(self, gradient: StackedGradient, groups: Sequence[Group], kinds: Mapping[str, Kind], *, shares_batch: bool) -> None:
        self._gradient, self._kinds, self._shares_batch = gradient, kinds, shares_batch
        self._groups = [(index, group) for index, group in enumerate(groups) if SECOND_GRADIENT in group.rule.needs]

    @property
    def is_needed(self) -> bool:
        """Whether any lane takes two gradients."""
        return bool(self._groups)

    def gradients(self, parameters: Stack, buffers: Stack, first: Stack, scalars: Sequence[Mapping[str, Tensor]], batch: Any) -> Stack:
        """The gradients that rules are to get: second ones where they take two, the first ones elsewhere.

        Args:
            parameters: name -> (L, ...).
            buffers: after the first forward, (L, ...); what the second does to them is dropped.
            first: gradients at the parameters, (L, ...).
            scalars: of each group.
            batch: as the first forward found it.
        """
        moved = [_uphill(group, parameters, first, scalars[index], self._kinds) for index, group in self._groups]
        lanes = [lane for _, group in self._groups for lane in range(group.start, group.stop)]
        second, _, _ = self._gradient(
            {name: torch.cat([part[name] for part in moved]) for name in parameters},
            {name: stack[lanes] for name, stack in buffers.items()},
            batch if self._shares_batch else pytree.tree_map(lambda leaf: leaf[lanes], batch),
        )
        rows = {lane: place for place, lane in enumerate(lanes)}
        return {name: _merged(first[name], second[name], rows) for name in first}


def _merged(first: Tensor, second: Tensor, rows: Mapping[int, int]) -> Tensor:
    """Lanes of `second` where there are any, of `first` elsewhere."""
    return torch.stack([second[rows[lane]] if lane in rows else first[lane] for lane in range(len(first))])


def _uphill(group: Group, parameters: Stack, gradients: Stack, scalars: Mapping[str, Tensor], kinds: Mapping[str, Kind]) -> Stack:
    """The parameters of one group's lanes, moved to where their second gradient is taken."""
    names = list(parameters)

    def one_lane(p: Stack, g: Stack, c: dict[str, Tensor]) -> Stack:
        wide = {name: compute_dtype(p[name]) for name in names}
        parts = [
            Part(
                group.rule.part(kinds[name]),
                p[name].to(wide[name]),
                g[name].to(wide[name]),
                {},
                {key: value.to(wide[name]) for key, value in c.items()},
            )
            for name in names
        ]
        return {name: (part.p + way).to(p[name].dtype) for name, part, way in zip(names, parts, ascents(parts), strict=True)}

    p, g = ({name: stack[group.start : group.stop] for name, stack in stacks.items()} for stacks in (parameters, gradients))
    moved: Stack = vmap(one_lane)(p, g, dict(scalars))
    return moved


def single_second_gradient(
    module: nn.Module,
    parameters: list[nn.Parameter],
    batch: Any,
    blocks: Sequence[Block],
    parts: Sequence[Part],
    *,
    accumulate: bool,
) -> list[Tensor | None]:
    """The same for a lane that is an ordinary module; parameters and buffers are left as they were found.

    Args:
        module: maps a batch to a scalar loss.
        parameters: its trainable parameters.
        batch: as the first forward found it.
        blocks: those of them that have a gradient.
        parts: of the blocks, with their gradients.
        accumulate: see `single_gradient`.
    """
    kept, buffers = [block.storage.clone() for block in blocks], [buffer.clone() for buffer in module.buffers()]
    for block, part, way in zip(blocks, parts, ascents(parts), strict=True):
        block.storage.copy_(part.p + way)
    found, _ = single_gradient(module, parameters, batch, accumulate=accumulate)
    for block, value in zip(blocks, kept, strict=True):
        block.storage.copy_(value)
    for buffer, old in zip(module.buffers(), buffers, strict=True):
        buffer.copy_(old)
    members = {index for block in blocks for index in block.members}
    return [
        torch.zeros_like(p) if g is None and index in members else g for index, (p, g) in enumerate(zip(parameters, found, strict=True))
    ]


def takes_two(rule: Rule) -> bool:
    """Whether a rule takes a second gradient."""
    return SECOND_GRADIENT in rule.needs
