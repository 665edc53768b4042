"""A tile of one lane, trained as an ordinary module: for models that cannot be stacked or need no stacking."""

from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any, final

import numpy as np
import torch
from torch import Tensor, nn

from ravine.fleet.blocks import Block, lay_out, separate
from ravine.fleet.data import slices
from ravine.fleet.gradients import single_gradient
from ravine.fleet.lanes import Lane
from ravine.fleet.stacking import compute_dtype
from ravine.fleet.stepping import in_float32
from ravine.fleet.tiles import Tile, Training, weighted_mean


@final
class LoopTile(Tile):
    """One lane, its parameters laid end to end, so that an element rule runs once and not once a tensor.

    Args:
        lanes: exactly one.
        models: its seed -> objective, freshly built under that seed; the tile owns and changes it.
        training: what all tiles share.
    """

    def __init__(self, lanes: Sequence[Lane], models: Mapping[int, nn.Module], training: Training) -> None:
        super().__init__(lanes, training)
        assert len(self.lanes) == 1
        self._module = models[self.lanes[0].seed].train()
        self._named = {name: p for name, p in self._module.named_parameters() if p.requires_grad}
        self._blocks = lay_out(list(self._named.values()), self.lanes[0].rule, self.lanes[0].hypers)
        self._is_alive = True

    def run(self, num_steps: int) -> tuple[np.ndarray, np.ndarray]:
        """See `Tile.run`."""
        rows = self.groups[0].scalars(self.done, num_steps, self._training.horizon)
        losses = np.full((num_steps, 1), np.nan, dtype=np.float32)
        finite = np.zeros((num_steps, 1), dtype=bool)
        for offset, batch in enumerate(self._batches(num_steps)):
            if not self._is_alive:
                break
            scalars = SimpleNamespace(**{name: float(values[offset, 0]) for name, values in rows.items()})
            losses[offset, 0] = self._one_step(batch, self.done + offset, scalars)
            finite[offset, 0] = self._is_alive
        self.done += num_steps
        return losses, finite

    def _one_step(self, batch: Any, step: int, scalars: SimpleNamespace) -> float:
        kept = [b.clone() for b in self._module.buffers()]
        parameters = list(self._named.values())
        gradients, loss = single_gradient(self._module, parameters, batch, accumulate=self._training.support.accumulates)
        if any(g is None for g in gradients):
            present = [g is not None for g in gradients]
            self._blocks = [part for block in self._blocks for part in separate(block, parameters, present)]
        updated, proposed = [block for block in self._blocks if gradients[block.members[0]] is not None], []
        total = loss.to(torch.promote_types(loss.dtype, torch.float32))
        with torch.no_grad():
            for block in updated:
                own = scalars if block.age == step else self._scalars_at(step, block.age)
                value, new = self._propose(block, gradients, own)
                total = total + value.sum(dtype=compute_dtype(value))
                proposed.append((value, new))
            if bool(torch.isfinite(total)):
                for block, (value, new) in zip(updated, proposed, strict=True):
                    block.storage.copy_(value)
                    block.slots.update(new)
                    block.age += 1
            else:
                self._is_alive = False
                for buffer, old in zip(self._module.buffers(), kept, strict=True):
                    buffer.copy_(old)
        return float(in_float32(loss))

    def _propose(self, block: Block, gradients: Sequence[Tensor | None], scalars: SimpleNamespace) -> tuple[Tensor, dict[str, Tensor]]:
        storage, dtype = block.storage, compute_dtype(block.storage)
        parts = [g.reshape(-1) for g in (gradients[index] for index in block.members) if g is not None]
        g = torch.cat(parts).view(storage.shape).to(dtype)
        delta, new = self.lanes[0].rule.update(storage.to(dtype), g, SimpleNamespace(**block.slots), scalars)
        return (storage.to(dtype) + delta).to(storage.dtype), new

    def _scalars_at(self, step: int, age: int) -> SimpleNamespace:
        """Scalars of parameters that missed steps: the rate is that of the step, the rule's t their own count."""
        group = self.groups[0]
        rate = group.hypers["lr"] * group.schedules[0](np.array([step]), self._training.horizon)
        values = group.rule.scalars(SimpleNamespace(**{**group.hypers, "lr": rate}), np.array([age + 1]))
        return SimpleNamespace(**{name: float(np.asarray(value, dtype=np.float64).reshape(-1)[0]) for name, value in values.items()})

    def freeze(self, position: int) -> None:
        """See `Tile.freeze`."""
        assert position == 0
        self._is_alive = False

    def metrics(self, split: Any, rows: int) -> dict[str, np.ndarray]:
        """See `Tile.metrics`."""
        support = self._training.support
        self._module.eval()
        try:
            with torch.set_grad_enabled(support.evaluates_with_gradients):
                pieces = slices(split, rows, copy=support.writes_input)
                return weighted_mean([(self._evaluate(piece), count) for piece, count in pieces])
        finally:
            self._module.train()

    def _evaluate(self, piece: Any) -> dict[str, Tensor]:
        return {name: value.detach() for name, value in self._module(piece, evaluate=True).items()}

    def parameters(self, position: int) -> dict[str, Tensor]:
        """See `Tile.parameters`."""
        assert position == 0
        return {name: p.detach().clone() for name, p in self._named.items()}
