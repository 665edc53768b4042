"""The loss of one task at many weights: lanes of one stack, as many at a time as memory is meant for.

K lanes of a chunk, D directions.
"""

import copy
from collections.abc import Mapping, Sequence
from typing import Any, final

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import replace_all_batch_norm_modules_, vmap

from ravine.base.errors import InputError
from ravine.fleet.calibration import MOST_LANES
from ravine.fleet.data import gather, size, slices
from ravine.fleet.memory import EVALUATION_BYTES, measure
from ravine.fleet.stacking import split_state
from ravine.fleet.substitutes import stackable_operations
from ravine.surfaces.directions import Weights
from ravine.tasks import Task
from ravine.tasks._randomness import isolated
from ravine.tasks.functional import functional_call
from ravine.tasks.objective import Objective

PREFIX = "model."
AGREE = 1e-3
"""Relative difference between a stacked loss and the same alone that counts as rounding."""

NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)


@final
class Losses:
    """Mean losses over a task's training rows.

    Args:
        task: whose loss it is.
        state: a model's `state_dict()`, or the model; what is not trained is the same at all weights.
        rows: most rows, spread evenly over the training split.
        fresh_statistics: whether batch normalisation takes the statistics of the rows in place of those that it has
            gathered, which belong to one model only.

    Attributes:
        weights: trainable tensors of `state` by name.
        rows: rows that are used.
        notes: what a reader should know.
    """

    def __init__(self, task: Task, state: nn.Module | Weights, *, rows: int, fresh_statistics: bool = False) -> None:
        model = filled(task, state)
        has_norms = any(isinstance(module, NORMS) for module in model.modules())
        self.notes: list[str] = []
        if has_norms and fresh_statistics:
            replace_all_batch_norm_modules_(model)
            self.notes.append("Batch normalisation takes its statistics from the rows that are measured, at every point anew.")
        elif has_norms:
            self.notes.append("Batch normalisation keeps the statistics of the model in the middle at every point.")
        self._objective = Objective(model, task).eval()
        split = task.data.train
        self.rows = min(rows, size(split))
        chosen = torch.linspace(0, size(split) - 1, self.rows).round().long()
        self._data = split if self.rows == size(split) else gather(split, chosen)
        self._prefixed, self._fixed = split_state(self._objective)
        self.weights = {name.removeprefix(PREFIX): tensor for name, tensor in self._prefixed.items()}
        self._lanes, self._piece = self._room()
        self._stacks = True

    def at(self, directions: Sequence[Weights], coordinates: np.ndarray) -> np.ndarray:
        """Losses, float64 (N,), at the weights plus coordinates (N, D) times directions; NaN where they are not finite."""
        found = []
        for first in range(0, len(coordinates), self._lanes):
            part = torch.from_numpy(np.ascontiguousarray(coordinates[first : first + self._lanes]))
            found.append(self._chunk(self._moved(directions, part)))
        losses = np.concatenate(found)
        return np.where(np.isfinite(losses), losses, np.nan)

    def alone(self, weights: Weights) -> float:
        """The loss of one model, without a stack."""
        with isolated(0), torch.no_grad():
            state = {**self._named(weights), **self._fixed}
            parts: list[float] = [float(functional_call(self._objective, state, (piece,))) * count for piece, count in self._pieces()]
        return sum(parts) / self.rows

    def _moved(self, directions: Sequence[Weights], part: Tensor) -> dict[str, Tensor]:
        """Stacked weights of a chunk, name -> (K, ...)."""
        stacked = {}
        for name, own in self.weights.items():
            ways = torch.stack([direction[name] for direction in directions])
            stacked[name] = own + torch.tensordot(part.to(own.device, own.dtype), ways, dims=1)
        return stacked

    def _chunk(self, stacked: dict[str, Tensor]) -> np.ndarray:
        if self._stacks:
            try:
                losses = self._together(stacked)
                one = self.alone({name: tensor[0] for name, tensor in stacked.items()})
                if abs(losses[0] - one) <= AGREE * max(abs(one), 1e-3) or not np.isfinite(one):
                    return losses
            except (RuntimeError, ValueError):  # torch has no rule for stacking something that the model does
                pass
            self._stacks = False
            self.notes.append("The model cannot be stacked, so its losses were computed one after the other.")
        lanes = range(len(next(iter(stacked.values()))))
        return np.array([self.alone({name: tensor[lane] for name, tensor in stacked.items()}) for lane in lanes])

    def _together(self, stacked: Weights) -> np.ndarray:
        def one_lane(weights: dict[str, Tensor], batch: Any) -> Tensor:
            with stackable_operations():
                loss: Tensor = functional_call(self._objective, {**weights, **self._fixed}, (batch,))
            return loss

        total = 0.0
        with isolated(0), torch.no_grad():
            for piece, count in self._pieces():
                total = total + count * vmap(one_lane, in_dims=(0, None), randomness="same")(self._named(stacked), piece).double()
        return (total / self.rows).cpu().numpy()  # type: ignore[attr-defined,no-any-return]  # a tensor after the first piece

    def _pieces(self) -> Any:
        return slices(self._data, self._piece, copy=True)

    def _named(self, weights: Weights) -> dict[str, Tensor]:
        return {PREFIX + name: tensor for name, tensor in weights.items()}

    def _room(self) -> tuple[int, int]:
        """Lanes of a chunk, and rows of a piece."""
        own = sum(tensor.nbytes for tensor in self.weights.values())
        lanes = max(1, min(MOST_LANES, EVALUATION_BYTES // max(1, own)))
        few = gather(self._data, torch.arange(min(8, self.rows)))
        try:
            with isolated(0):
                each = measure(copy.deepcopy(self._objective), few).evaluation
        except Exception:  # a model that cannot be watched is given little at a time
            return 1, min(self.rows, 64)
        return lanes, max(1, min(self.rows, EVALUATION_BYTES // max(1, each * lanes)))


def filled(task: Task, state: nn.Module | Weights) -> nn.Module:
    """The task's model with given weights.

    Raises:
        InputError: they are another model's; the first that differs is named.
    """
    given: Mapping[str, Tensor] = state.state_dict() if isinstance(state, nn.Module) else state
    model = task.build(0)
    own = model.state_dict()
    for name in [*own, *(name for name in given if name not in own)]:
        here, there = (_form(held.get(name)) for held in (own, given))
        if here != there:
            what = f"the weights are of another model than {task.name!r} builds: {name} is {there} there and {here} here"
            raise InputError(f"{what}. Give weights of this task's model.")
    model.load_state_dict(dict(given))
    return model


def _form(tensor: Tensor | None) -> str:
    return "missing" if tensor is None else f"of shape {tuple(tensor.shape)}"
