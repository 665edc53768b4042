"""A tile whose lanes are stacked: one call computes every lane's loss, gradient and update."""

from collections.abc import Mapping, Sequence
from functools import reduce
from typing import Any, final

import numpy as np
import torch
from torch import Tensor, nn

from ravine.fleet.data import gather, size, slices
from ravine.fleet.gradients import stacked_gradient, stacked_metrics
from ravine.fleet.lanes import Lane
from ravine.fleet.stacking import compute_dtype, stack_models
from ravine.fleet.stepping import in_float32, keep_frozen
from ravine.fleet.tiles import Tile, Training, weighted_mean
from ravine.fleet.tracing import Step, compile_step, functional_step


@final
class StackedTile(Tile):
    """Lanes as a leading dimension.

    Args:
        lanes: arranged lanes; of one seed if the model draws random numbers.
        models: seed -> objective, freshly built under that seed.
        training: what all tiles share.
    """

    def __init__(self, lanes: Sequence[Lane], models: Mapping[int, nn.Module], training: Training) -> None:
        super().__init__(lanes, training)
        for model in models.values():
            for name in training.support.unused:
                model.get_parameter(name).requires_grad_(False)
        self.state = stack_models(self.lanes, self.groups, models)
        self._module = models[self.lanes[0].seed].train()
        self._names = [tuple(group.scalars(0, 1, training.horizon)) for group in self.groups]
        self._dtype = reduce(torch.promote_types, (compute_dtype(p) for p in self.state.parameters.values()), torch.float32)
        self._alive_L = torch.ones(len(self.lanes), dtype=torch.bool, device=self._device)
        self._functional = functional_step(stacked_gradient(self._module, shared_batch=self.shares_batch), self.groups, self._names)
        self._step: Step = self._eager

    def compile(self, known: dict[Any, Step]) -> float:
        """Replace the eager step by a compiled one.

        Args:
            known: compiled steps of earlier tiles by signature; used and extended.

        Returns:
            Seconds spent; 0 if a step for the same shapes was known.
        """
        signature = (tuple((group.rule.key, group.size) for group in self.groups), self.shares_batch)
        if signature in known:
            self._step = known[signature]
            return 0.0
        example = ([block[0] for block in self._scalars(1)], self._alive_L, self._peek())
        self._step, seconds = compile_step(self._functional, self.groups, self.state, example)
        known[signature] = self._step
        return seconds

    def run(self, num_steps: int) -> tuple[np.ndarray, np.ndarray]:
        """See `Tile.run`."""
        scalars = self._scalars(num_steps)
        losses, finite = [], []
        with torch.no_grad():
            for offset, batch in enumerate(self._batches(num_steps)):
                loss_L, self._alive_L = self._step(self.state, [block[offset] for block in scalars], self._alive_L, batch)
                losses.append(loss_L)
                finite.append(self._alive_L)
        self.done += num_steps
        return in_float32(torch.stack(losses)).cpu().numpy(), torch.stack(finite).cpu().numpy()

    def freeze(self, position: int) -> None:
        """See `Tile.freeze`."""
        self._alive_L = self._alive_L.clone()
        self._alive_L[position] = False

    def metrics(self, split: Any, rows: int) -> dict[str, np.ndarray]:
        """See `Tile.metrics`."""
        evaluate, state = stacked_metrics(self._module), self.state
        self._module.eval()
        try:
            with torch.no_grad():
                pieces = slices(split, rows, copy=self._training.support.writes_input)
                return weighted_mean([(evaluate(state.parameters, state.buffers, piece), count) for piece, count in pieces])
        finally:
            self._module.train()

    def parameters(self, position: int) -> dict[str, Tensor]:
        """See `Tile.parameters`."""
        unused = {name: self.state.buffers[name] for name in sorted(self._training.support.unused)}
        return {name: stack[position].clone() for name, stack in (self.state.parameters | unused).items()}

    def _eager(self, state: Any, packed: Sequence[Tensor], alive_L: Tensor, batch: Any) -> tuple[Tensor, Tensor]:
        new, loss_L, keep_L = self._functional(state, packed, alive_L, batch)
        # The comparison costs a look at L flags; rewriting every tensor for nothing costs a pass over the state.
        self.state = new if bool(keep_L.all()) else keep_frozen(keep_L, self.groups, new, state)
        return loss_L, keep_L

    def _scalars(self, num_steps: int) -> list[Tensor]:
        """For each group its scalars for the next steps: (steps, scalars, lanes), cast last."""
        return [
            torch.from_numpy(np.stack(list(group.scalars(self.done, num_steps, self._training.horizon).values()), axis=1)).to(
                self._device, self._dtype
            )
            for group in self.groups
        ]

    def _peek(self) -> Any:
        """A batch of the right shape that does not advance the order of batches."""
        train, rows = self._training.train, self._training.batch_size
        if rows >= size(train):
            return train
        return gather(train, torch.zeros((rows,) if self.shares_batch else (len(self.lanes), rows), dtype=torch.int64, device=self._device))
