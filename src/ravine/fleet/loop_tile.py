"""A tile of one lane, trained as an ordinary module: for models that cannot be stacked or need no stacking."""

import math
from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any, final

import numpy as np
import torch
from torch import Tensor, nn

from ravine.fleet.ascent import single_second_gradient, takes_two
from ravine.fleet.blocks import Block, lay_out, restore_blocks, save_blocks, separate, start
from ravine.fleet.curvature import CURVATURE, single_curvature, wants
from ravine.fleet.data import duplicate, slices
from ravine.fleet.gradients import single_gradient
from ravine.fleet.habits import held_attributes
from ravine.fleet.lanes import Lane
from ravine.fleet.native import Functions, Unsupported
from ravine.fleet.stacking import compute_dtype, split_state
from ravine.fleet.stepping import in_float32
from ravine.fleet.tiles import Tile, Training, weighted_mean
from ravine.fleet.updating import BlockUpdate
from ravine.rules._step import Part, Symbols, step_lane
from ravine.tasks.kinds import parameter_kinds

_Proposal = tuple[Tensor, Mapping[str, Tensor], Tensor | float]
"""A block's values and slots after a step, and a number that is finite if the values are."""


@final
class LoopTile(Tile):
    """One lane, its parameters laid end to end, so that an element rule runs once and not once a tensor.

    Args:
        lanes: exactly one.
        models: its seed -> objective, freshly built under that seed; the tile owns and changes it.
        training: what all tiles share.
        functions: native functions of the fleet ("fused"): where the rule has one, a step's whole update is one native call.
    """

    def __init__(
        self, lanes: Sequence[Lane], models: Mapping[int, nn.Module], training: Training, functions: Functions | None = None
    ) -> None:
        super().__init__(lanes, training)
        assert len(self.lanes) == 1
        self._module = models[self.lanes[0].seed].train()
        self._named = {name: p for name, p in self._module.named_parameters() if p.requires_grad}
        kinds, rule, hypers = parameter_kinds(self._module), self.lanes[0].rule, self.lanes[0].hypers
        self._kinds = [kinds[name] for name in self._named]
        self._blocks = lay_out(list(self._named.values()), rule, hypers, self._kinds)
        self._lane = {slot.symbol: start(slot, self._blocks[0].storage, hypers) for slot in rule.lane_slots}
        self._is_alive = True
        self._estimates: list[Tensor | None] = []
        self._functions, self._updates = functions, dict[int, BlockUpdate | None]()
        # A module whose forward nothing is known of may come to have buffers.
        self._has_buffers = not training.support.stackable or any(True for _ in self._module.buffers())
        # A look at each step's outcome makes the host wait for a device; there, both outcomes are computed and one selected.
        self._looks = self._device.type == "cpu"
        # What a stack could not keep, a snapshot cannot either; a model that can be stacked has nothing of the kind.
        self._attributes = {} if training.support.stackable else held_attributes(self._module)

    def run(self, num_steps: int) -> tuple[np.ndarray, np.ndarray]:
        """See `Tile.run`."""
        rows = self.groups[0].scalars(self.done, num_steps, self._training.horizon)
        scalars_TS = np.stack([values[:, 0] for values in rows.values()], axis=1)
        losses = np.full((num_steps, 1), np.nan, dtype=np.float32)
        finite = np.zeros((num_steps, 1), dtype=bool)
        alive, taken = torch.tensor(self._is_alive, device=self._device), list[tuple[Tensor, Any]]()
        for offset, batch in enumerate(self._batches(num_steps)):
            if not self._is_alive:
                break
            taken.append(self._one_step(batch, self.done + offset, dict(zip(rows, scalars_TS[offset].tolist(), strict=True)), alive))
            alive = taken[-1][1]
        if taken:
            losses[: len(taken), 0] = in_float32(torch.stack([loss for loss, _ in taken])).cpu().numpy()
            flags = [flag for _, flag in taken]
            finite[: len(taken), 0] = flags if self._looks else torch.stack(flags).cpu().numpy()
            self._is_alive = bool(finite[len(taken) - 1, 0])
        self.done += num_steps
        return losses, finite

    def _one_step(self, batch: Any, step: int, scalars: Mapping[str, float], alive: Any) -> tuple[Tensor, Any]:
        """Loss before the step, and whether the lane is alive after it: a bool, or 0-d on a device that is not waited for."""
        kept = [b.clone() for b in self._module.buffers()] if self._has_buffers else []
        parameters = list(self._named.values())
        spare = duplicate(batch) if takes_two(self.lanes[0].rule) or self.lanes[0].rule.needs else None
        gradients, loss = single_gradient(self._module, parameters, batch, accumulate=self._training.support.accumulates)
        if any(g is None for g in gradients):
            present = [g is not None for g in gradients]
            parts = [part for block in self._blocks for part in separate(block, parameters, present)]
            if len(parts) > len(self._blocks):
                self._blocks = parts
                self._updates.clear()
        updated = [block for block in self._blocks if gradients[block.members[0]] is not None]
        # A copy, for a loss may be a view of a parameter, which the update changes.
        recorded = loss.clone()
        with torch.no_grad():
            own = [scalars if block.age == step else self._scalars_at(step, block.age) for block in updated]
            if takes_two(self.lanes[0].rule):
                uphill, accumulate = self._parts(updated, gradients, own), self._training.support.accumulates
                gradients = single_second_gradient(self._module, parameters, spare, updated, uphill, accumulate=accumulate)
            self._estimates = self._curvature(updated, spare, step)
            proposed, lane = self._propose_all(updated, gradients, own)
            checks = [recorded.to(torch.promote_types(loss.dtype, torch.float32)), *(check for *_, check in proposed)]
            if self._looks:
                alive = all(math.isfinite(float(check)) for check in checks)
                self._accept(updated, proposed, kept, is_alive=alive)
                self._lane = lane if alive else self._lane
            else:
                alive = alive & torch.isfinite(
                    torch.stack([torch.as_tensor(check, dtype=torch.float64, device=self._device) for check in checks]).sum()
                )
                self._select(updated, proposed, kept, alive)
                self._lane = {symbol: torch.where(alive, value, self._lane[symbol]) for symbol, value in lane.items()}
        return recorded, alive

    def _accept(self, updated: Sequence[Block], proposed: Sequence[_Proposal], kept: Sequence[Tensor], *, is_alive: bool) -> None:
        """Take over a step, or, if the lane is not alive after it, leave everything as it was before."""
        self._is_alive = is_alive
        if not is_alive:
            for buffer, old in zip(self._module.buffers(), kept, strict=True):
                buffer.copy_(old)
            return
        for block, (value, new, _) in zip(updated, proposed, strict=True):
            block.storage.copy_(value)
            block.slots.update(new)
            block.age += 1

    def _select(self, updated: Sequence[Block], proposed: Sequence[_Proposal], kept: Sequence[Tensor], alive: Tensor) -> None:
        """The same, decided on the device: the host need not know."""
        for buffer, old in zip(self._module.buffers(), kept, strict=True):
            buffer.copy_(torch.where(alive, buffer, old))
        for block, (value, new, _) in zip(updated, proposed, strict=True):
            block.storage.copy_(torch.where(alive, value, block.storage))
            block.slots.update({name: torch.where(alive, slot, block.slots[name]) for name, slot in new.items()})
            block.age += 1

    def _propose_all(
        self, blocks: Sequence[Block], gradients: Sequence[Tensor | None], scalars: Sequence[Mapping[str, float]]
    ) -> tuple[list[_Proposal], dict[str, Tensor]]:
        """Proposals for all blocks that have a gradient, and the lane's own next state."""
        rule = self.lanes[0].rule
        if rule.is_plain:
            return [self._propose(block, gradients, own) for block, own in zip(blocks, scalars, strict=True)], {}
        parts = self._parts(blocks, gradients, scalars)
        changes, lane = step_lane(parts, self._lane)
        proposals = list[_Proposal]()
        for block, part, (delta, new) in zip(blocks, parts, changes, strict=True):
            value = (part.p + delta).to(block.storage.dtype)
            proposals.append((value, new, value.sum(dtype=part.p.dtype)))
        return proposals, lane

    def _parts(self, blocks: Sequence[Block], gradients: Sequence[Tensor | None], scalars: Sequence[Mapping[str, float]]) -> list[Part]:
        """Blocks that have a gradient, as a rule that looks at all of them takes them."""
        parts, rule, hypers = list[Part](), self.lanes[0].rule, SimpleNamespace(**self.lanes[0].hypers)
        for block, own in zip(blocks, scalars, strict=True):
            dtype, variant = compute_dtype(block.storage), rule.at(block.age + 1, hypers).part(self._kinds[block.members[0]])
            known = {CURVATURE: _joined(block, self._estimates).to(dtype)} if self._estimates and wants(variant) else {}
            parts.append(Part(variant, block.storage.to(dtype), _joined(block, gradients).to(dtype), block.slots | known, own))
        return parts

    def _curvature(self, blocks: Sequence[Block], batch: Any, step: int) -> list[Tensor | None]:
        """An estimate for every parameter, where a rule with the flags of the step wants one; else nothing."""
        lane = self.lanes[0]
        if not any(wants(lane.rule.at(block.age + 1, SimpleNamespace(**lane.hypers))) for block in blocks):
            return []
        return single_curvature(self._module, self._named, batch, lane.rule, training=self._training, place=(lane.seed, step + 1))

    def _propose(self, block: Block, gradients: Sequence[Tensor | None], scalars: Mapping[str, float]) -> _Proposal:
        native = self._native(block)
        if native is not None:
            return native.propose([g for g in (gradients[index] for index in block.members) if g is not None], list(scalars.values()))
        storage, dtype = block.storage, compute_dtype(block.storage)
        g = _joined(block, gradients).to(dtype)
        delta, new = self.lanes[0].rule.update(storage.to(dtype), g, SimpleNamespace(**block.slots), SimpleNamespace(**scalars))
        value = (storage.to(dtype) + delta).to(storage.dtype)
        return value, new, value.sum(dtype=dtype)

    def _native(self, block: Block) -> BlockUpdate | None:
        """The native update of a block; None where there is none."""
        if self._functions is None:
            return None
        if id(block) not in self._updates:
            names = tuple(self.groups[0].scalars(0, 1, self._training.horizon))
            try:
                function = self._functions.flat_update(self.lanes[0].rule, names, block.storage.dtype)
                self._updates[id(block)] = BlockUpdate(function, block, len(names))
            except Unsupported:
                self._updates[id(block)] = None
        return self._updates[id(block)]

    def _scalars_at(self, step: int, age: int) -> dict[str, float]:
        """Scalars of parameters that missed steps: the rate is that of the step, the rule's t their own count."""
        group = self.groups[0]
        values = group.rule.scalars(group.hypers_at(np.array([step]), self._training.horizon), np.array([age + 1]))
        return {name: float(np.asarray(value, dtype=np.float64).reshape(-1)[0]) for name, value in values.items()}

    def freeze(self, position: int) -> None:
        """See `Tile.freeze`."""
        assert position == 0
        self._is_alive = False

    def metrics(self, split: Any, rows: int) -> dict[str, np.ndarray]:
        """See `Tile.metrics`."""
        support = self._training.support
        self._module.eval()
        trained = self._average()
        try:
            with torch.set_grad_enabled(support.evaluates_with_gradients):
                pieces = slices(split, rows, copy=support.writes_input)
                return weighted_mean([(self._evaluate(piece), count) for piece, count in pieces])
        finally:
            self._module.train()
            for block, values in zip(self._blocks, trained, strict=False):
                block.storage.copy_(values)

    def _average(self) -> list[Tensor]:
        """Put the weights at which to evaluate in the place of those that are trained, and return copies of these."""
        rule = self.lanes[0].rule
        if not rule.is_averaging:
            return []
        trained = [block.storage.clone() for block in self._blocks]
        with torch.no_grad():
            for block in self._blocks:
                p = block.storage.to(compute_dtype(block.storage))
                own = Symbols(**{**self._lane, **block.slots}), Symbols(**self._scalars_at(max(0, self.done - 1), max(0, block.age - 1)))
                block.storage.copy_(rule.part(self._kinds[block.members[0]]).evaluate(p, *own))
        return trained

    def _evaluate(self, piece: Any) -> dict[str, Tensor]:
        return {name: value.detach() for name, value in self._module(piece, evaluate=True).items()}

    def parameters(self, position: int) -> dict[str, Tensor]:
        """See `Tile.parameters`."""
        assert position == 0
        return {name: p.detach().clone() for name, p in self._named.items()}

    @property
    def is_savable(self) -> bool:
        """Not if the forward has changed Python state of the module: no file holds that without code to load it."""
        return self._training.support.stackable or held_attributes(self._module) == self._attributes

    def save(self) -> dict[str, Tensor]:
        """See `Tile.save`."""
        lane = {f"lane.{symbol}": value for symbol, value in self._lane.items()}
        fixed = {f"fixed.{name}": tensor for name, tensor in split_state(self._module)[1].items()}
        return {"done": torch.tensor(self.done), "is_alive": torch.tensor(self._is_alive)} | save_blocks(self._blocks) | lane | fixed

    def restore(self, saved: Mapping[str, Tensor]) -> None:
        """See `Tile.restore`."""
        with torch.no_grad():
            self._blocks = restore_blocks(list(self._named.values()), self.lanes[0].rule, saved)
            self._updates.clear()
            self._lane = {symbol: saved[f"lane.{symbol}"].to(self._device, copy=True) for symbol in self._lane}
            for name, tensor in split_state(self._module)[1].items():
                tensor.copy_(saved[f"fixed.{name}"])
        self._is_alive = bool(saved["is_alive"])
        self._go_to(int(saved["done"]))


def _joined(block: Block, gradients: Sequence[Tensor | None]) -> Tensor:
    """The gradients of a block's parameters, in the shape of its storage."""
    return torch.cat([g.reshape(-1) for g in (gradients[index] for index in block.members) if g is not None]).view(block.storage.shape)
