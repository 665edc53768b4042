"""A tile of one lane, trained as an ordinary module: for models that cannot be stacked or need no stacking."""

from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any, final

import numpy as np
import torch
from torch import Tensor, nn

from ravine.fleet.data import slices
from ravine.fleet.gradients import single_gradient
from ravine.fleet.lanes import Lane
from ravine.fleet.stacking import compute_dtype
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
        self._blocks = _blocks(list(self._named.values()), whole=self.lanes[0].rule.granularity == "element")
        rule, hypers = self.lanes[0].rule, self.lanes[0].hypers
        self._slots = [
            {
                slot.symbol: torch.full_like(block, float(hypers[slot.fill]) if slot.fill else 0.0, dtype=compute_dtype(block))
                for slot in rule.active_slots
            }
            for block, _ in self._blocks
        ]
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
            losses[offset, 0] = self._one_step(batch, scalars)
            finite[offset, 0] = self._is_alive
        self.done += num_steps
        return losses, finite

    def _one_step(self, batch: Any, scalars: SimpleNamespace) -> float:
        kept = [b.clone() for b in self._module.buffers()]
        gradients, loss = single_gradient(self._module, list(self._named.values()), batch)
        proposed = []
        total = loss.float()
        with torch.no_grad():
            for (block, members), slots in zip(self._blocks, self._slots, strict=True):
                dtype = compute_dtype(block)
                g = torch.cat([gradients[index].reshape(-1) for index in members]).view(block.shape).to(dtype)
                delta, new = self.lanes[0].rule.update(block.to(dtype), g, SimpleNamespace(**slots), scalars)
                value = (block.to(dtype) + delta).to(block.dtype)
                total = total + value.sum(dtype=dtype).float()
                proposed.append((value, new))
            if bool(torch.isfinite(total)):
                for (block, _), slots, (value, new) in zip(self._blocks, self._slots, proposed, strict=True):
                    block.copy_(value)
                    slots.update(new)
            else:
                self._is_alive = False
                for buffer, old in zip(self._module.buffers(), kept, strict=True):
                    buffer.copy_(old)
        return float(loss.float())

    def freeze(self, position: int) -> None:
        """See `Tile.freeze`."""
        assert position == 0
        self._is_alive = False

    def metrics(self, split: Any, rows: int) -> dict[str, np.ndarray]:
        """See `Tile.metrics`."""
        self._module.eval()
        try:
            with torch.no_grad():
                return weighted_mean([(self._module(piece, evaluate=True), n) for piece, n in slices(split, rows)])
        finally:
            self._module.train()

    def parameters(self, position: int) -> dict[str, Tensor]:
        """See `Tile.parameters`."""
        assert position == 0
        return {name: p.detach().clone() for name, p in self._named.items()}


def _blocks(parameters: list[nn.Parameter], *, whole: bool) -> list[tuple[Tensor, list[int]]]:
    """Storage of the parameters and which ones each block holds: one block a dtype, or one a parameter.

    With `whole`, the parameters become views of their block, so that writing the block moves the module.
    """
    if not whole:
        return [(p.data, [index]) for index, p in enumerate(parameters)]
    result = []
    for dtype in dict.fromkeys(p.dtype for p in parameters):
        members = [index for index, p in enumerate(parameters) if p.dtype == dtype]
        block = torch.cat([parameters[index].detach().reshape(-1) for index in members])
        offset = 0
        for index in members:
            p = parameters[index]
            p.data = block[offset : offset + p.numel()].view(p.shape)
            offset += p.numel()
        result.append((block, members))
    return result
