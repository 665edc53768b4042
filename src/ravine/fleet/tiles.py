"""Tiles: lanes that step together, stacked in one tensor or one module at a time.

Both kinds train the same lanes on the same batches with the same rule text; they differ by rounding only.
"""

import abc
import random
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from ravine.base._seeds import derive
from ravine.fleet.data import BatchOrder, duplicate, gather, rewrap, size
from ravine.fleet.devices import send
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


@dataclass(frozen=True, slots=True)
class BatchRows:
    """Rows of successive batches; T steps, S seeds, B rows, L lanes.

    Attributes:
        indices: (T, B), or (T, S, B) where lanes of several seeds read a batch each; None where a batch holds all rows.
        per_lane: (L,), each lane's place among the seeds; None where all lanes read one batch.
    """

    indices: Tensor | None
    per_lane: Tensor | None


def pick(training: Training, rows: BatchRows, step: int | Tensor) -> Any:
    """The batch of one step.

    Args:
        training: holds the data.
        rows: rows of a block of steps.
        step: position in the block; as a tensor, (1,), it stays on the device.
    """
    if rows.indices is None:
        return duplicate(training.train) if training.support.writes_input else rewrap(training.train)
    own = rows.indices.index_select(0, step)[0] if isinstance(step, Tensor) else rows.indices[step]
    return gather(training.train, own if rows.per_lane is None else own.index_select(0, rows.per_lane))


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

    @property
    def remark(self) -> str:
        """What a reader should know of how the tile ran, once it has; usually nothing."""
        return ""

    @property
    def is_savable(self) -> bool:
        """Whether `save` holds everything that the next step reads."""
        return True

    @abc.abstractmethod
    def save(self) -> dict[str, Tensor]:
        """Everything that the next step reads, under flat names; it may share memory with the tile, so use it before the next step.

        Random streams are no part of it: they are seeded for each step from the step's number, and batches are a
        function of the seed and of the number of steps taken.
        """

    @abc.abstractmethod
    def restore(self, saved: Mapping[str, Tensor]) -> None:
        """Bring a fresh tile of the same lanes to where `save` was called: what follows has the same bits as without the break."""

    def _go_to(self, done: int) -> None:
        """Count `done` steps as taken and pass over their batches."""
        self.done = done
        for order in self._orders.values():
            order.skip(done)

    def drop(self, numbers: Collection[int]) -> None:
        """Stop lanes, given by number: culled, or of no more interest. Numbers of other tiles are ignored."""
        for position, lane in enumerate(self.lanes):
            if lane.number in numbers:
                self.freeze(position)

    def _batches(self, num_steps: int, positions: Sequence[int] | None = None) -> Iterator[Any]:
        """The next batches; before each is used, random streams are seeded for the step if the model draws from them.

        Args:
            num_steps: how many.
            positions: lanes that read them, by position in the tile; all when left out.
        """
        return self._each(self._rows(num_steps, positions), num_steps)

    def _rows(self, num_steps: int, positions: Sequence[int] | None = None) -> BatchRows:
        """Which rows the next batches hold; arguments as for `_batches`."""
        indices = {seed: order.take(num_steps) for seed, order in self._orders.items() if not order.is_full_batch}
        if not indices:
            return BatchRows(None, None)
        if len(indices) == 1:
            return BatchRows(send(next(iter(indices.values())), self._device), None)
        lanes = self.lanes if positions is None else [self.lanes[position] for position in positions]
        places = {seed: place for place, seed in enumerate(indices)}
        per_lane = torch.tensor([places[lane.seed] for lane in lanes])
        return BatchRows(send(torch.stack(list(indices.values()), dim=1), self._device), send(per_lane, self._device))

    def _each(self, rows: BatchRows, num_steps: int) -> Iterator[Any]:
        for offset in range(num_steps):
            self._seed_step(offset)
            yield pick(self._training, rows, offset)

    def _seed_step(self, offset: int) -> None:
        """Seed the random streams for the step that lies `offset` after those taken, if the model draws from them."""
        if self._dropout_seed is not None:
            seed_streams(self._dropout_seed + self.done + offset, self._device)


def weighted_mean(parts: Sequence[tuple[dict[str, Any], int]]) -> dict[str, np.ndarray]:
    """Means over a split from means over its pieces, each weighted by its number of examples, in float64."""
    total = sum(count for _, count in parts)
    shares = np.array([count / total for _, count in parts])
    # Stacked first, so that a split on a device is fetched once a metric, not once a piece.
    stacked = {name: torch.stack([values[name].detach() for values, _ in parts]).cpu().double().numpy() for name in parts[0][0]}
    return {name: shares @ column.reshape(len(parts), -1) for name, column in stacked.items()}


def seed_streams(seed: int, device: torch.device) -> None:
    """Seed every stream that a user's forward may draw from."""
    # Not torch.manual_seed: where CUDA is not yet initialised it would queue a seed that outlives the run.
    torch.default_generator.manual_seed(seed % 2**63)
    if device.type == "cuda":
        torch.cuda.manual_seed_all(seed % 2**63)
    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002 - the legacy stream is what a user's forward draws from
