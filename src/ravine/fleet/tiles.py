"""Tiles: lanes that step together, stacked in one tensor or one module at a time.

Both kinds train the same lanes on the same batches with the same rule text; they differ by rounding only.
"""

import abc
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from ravine.base._seeds import derive
from ravine.fleet.data import BatchOrder, duplicate, gather, rewrap, size
from ravine.fleet.lanes import Lane, group_lanes
from ravine.fleet.support import Support


@dataclass(frozen=True, slots=True)
class Training:
    """What all tiles of a run share.

    Attributes:
        train: tree of training tensors, on the device of the run.
        batch_size: examples in a batch.
        horizon: steps of the whole training.
        race_seed: seed of the race.
        support: what the model's forward needs.
    """

    train: Any
    batch_size: int
    horizon: int
    race_seed: int
    support: Support


class Tile(abc.ABC):
    """Lanes that step together.

    Args:
        lanes: arranged lanes (`tile_lanes`).
        training: what all tiles share.
    """

    def __init__(self, lanes: Sequence[Lane], training: Training) -> None:
        self.lanes = tuple(lanes)
        self.groups = group_lanes(lanes)
        self.done = 0
        self._training = training
        self._device = pytree.tree_leaves(training.train)[0].device
        self._orders = {
            seed: BatchOrder(size(training.train), training.batch_size, derive(training.race_seed, seed, "order"))
            for seed in sorted({lane.seed for lane in lanes})
        }
        self._dropout_seed = derive(training.race_seed, lanes[0].seed, "dropout") if training.support.draws_random else None

    @property
    def shares_batch(self) -> bool:
        """Whether every lane reads the same batch at each step."""
        return len(self._orders) == 1 or all(order.is_full_batch for order in self._orders.values())

    @abc.abstractmethod
    def run(self, num_steps: int) -> tuple[np.ndarray, np.ndarray]:
        """Take the next steps.

        Returns:
            losses (steps, lanes) float32, each before its step's update, and whether each lane was still finite
            after the step (steps, lanes).
        """

    @abc.abstractmethod
    def freeze(self, position: int) -> None:
        """Stop a lane; its state stays as it is."""

    @abc.abstractmethod
    def metrics(self, split: Any, rows: int) -> dict[str, np.ndarray]:
        """Loss and metrics of every lane over a whole split, (lanes,) float64, `rows` examples at a time."""

    @abc.abstractmethod
    def parameters(self, position: int) -> dict[str, Tensor]:
        """One lane's parameters, detached copies."""

    def _batches(self, num_steps: int) -> Iterator[Any]:
        """The next batches; before each is used, random streams are seeded for the step if the model draws from them."""
        indices = {seed: order.take(num_steps).to(self._device) for seed, order in self._orders.items() if not order.is_full_batch}
        for offset in range(num_steps):
            if self._dropout_seed is not None:
                _seed_streams(self._dropout_seed + self.done + offset, self._device)
            if not indices:
                yield duplicate(self._training.train) if self._training.support.writes_input else rewrap(self._training.train)
            elif len(indices) == 1:
                yield gather(self._training.train, indices[self.lanes[0].seed][offset])
            else:
                yield gather(self._training.train, torch.stack([indices[lane.seed][offset] for lane in self.lanes]))


def weighted_mean(parts: Sequence[tuple[dict[str, Any], int]]) -> dict[str, np.ndarray]:
    """Means over a split from means over its pieces, each weighted by its number of examples, in float64."""
    total = sum(count for _, count in parts)
    shares = np.array([count / total for _, count in parts])
    return {
        name: shares @ np.stack([np.atleast_1d(values[name].detach().cpu().double().numpy()) for values, _ in parts])
        for name in parts[0][0]
    }


def _seed_streams(seed: int, device: torch.device) -> None:
    # Not torch.manual_seed: where CUDA is not yet initialised it would queue a seed that outlives the run.
    torch.default_generator.manual_seed(seed % 2**63)
    if device.type == "cuda":
        torch.cuda.manual_seed_all(seed % 2**63)
    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002 - the legacy stream is what a user's forward draws from
