"""The memory of a tile's lanes, and the description of one lane's steps that the driver reads."""

import ctypes
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from ravine.fleet.native.functions import GradientFunction, UpdateFunction, address, driver, kernel_table, pointers, scratch
from ravine.fleet.native.structures import Copy, Gather, Job, Stream

DRAWN_BYTES = 32 * 2**20
"""Random numbers that are drawn ahead."""

MOST_STEPS = 256
"""Steps of a block: so many that what surrounds a block costs nothing beside it."""


@dataclass(frozen=True, slots=True)
class LaneMemory:
    """What the lanes of a tile hold; L lanes, G lanes of one group, n elements of all parameters, S slots.

    Attributes:
        parameters: (L, n).
        slots: for each group, (G, S, n).
        state: buffers and frozen parameters, name -> (L, ...).
        data: leaves of the training split, contiguous.
        batch_size: examples in a batch.
    """

    parameters: Tensor
    slots: Sequence[Tensor]
    state: Mapping[str, Tensor]
    data: Sequence[Tensor]
    batch_size: int


@final
class Workspace:
    """Memory that all lanes of a tile share, one after the other: the second side of the state, gradients, a batch.

    Args:
        memory: of the lanes.
        gradient: the gradient function.
        updates: for each group, its update function.
        gathers: whether batches are picked from the data, or are the data.
    """

    def __init__(self, memory: LaneMemory, gradient: GradientFunction, updates: Sequence[UpdateFunction], *, gathers: bool) -> None:
        most = max(slots.shape[1] for slots in memory.slots)
        self.memory, self.gradient, self.updates = memory, gradient, updates
        self.parameters, self.gradients = (torch.zeros_like(memory.parameters[0]) for _ in range(2))
        self.slots = torch.zeros((most, memory.parameters.shape[1]), dtype=memory.parameters.dtype)
        self.state = {name: torch.zeros_like(memory.state[name][0]) for name in gradient.changed}
        self.loss, self.wrong = (torch.zeros((), dtype=memory.parameters.dtype) for _ in range(2))
        rows = memory.batch_size
        self.batch = [torch.zeros((rows, *leaf.shape[1:]), dtype=leaf.dtype) for leaf in memory.data] if gathers else list(memory.data)
        self.gathers = gathers
        self.scratch, self.scratch_place = scratch(max(function.scratch_bytes for function in (gradient, *updates)))

    @property
    def nbytes(self) -> int:
        """Bytes of what lanes share."""
        tensors = [self.parameters, self.gradients, self.slots, *self.state.values(), self.scratch, *(self.batch if self.gathers else [])]
        return sum(tensor.nbytes for tensor in tensors)


@final
class Feed:
    """What a block of steps reads and writes, in memory that stays where it is.

    Args:
        space: what lanes share.
        num_scalars: for each group, scalars of its rule.
        seeds: of the lanes; each has its own batches.
        most: steps of a block at most.

    Attributes:
        scalars: for each group, (G, steps, scalars).
        rows: seed -> rows of each batch, (steps, batch); empty if batches are the data.
        draws: random tensors, (steps, ...) each.
        losses: (L, steps) in the parameters' dtype.
        finite: (L, steps) bytes.
    """

    def __init__(self, space: Workspace, num_scalars: Sequence[int], seeds: Collection[int], most: int) -> None:
        memory, gradient = space.memory, space.gradient
        each = sum(math.prod(draw.shape) * draw.dtype.itemsize for draw in gradient.draws)
        self.steps = max(1, min(most, MOST_STEPS, DRAWN_BYTES // each if each else most))
        kind = memory.parameters[:0].numpy().dtype
        self.scalars = [
            np.zeros((len(slots), self.steps, count), dtype=kind) for slots, count in zip(memory.slots, num_scalars, strict=True)
        ]
        self.rows = {seed: torch.zeros((self.steps, memory.batch_size), dtype=torch.int64) for seed in seeds} if space.gathers else {}
        self.draws = [torch.zeros((self.steps, *draw.shape), dtype=draw.dtype) for draw in gradient.draws]
        self.losses = np.zeros((len(memory.parameters), self.steps), dtype=kind)
        self.finite = np.zeros((len(memory.parameters), self.steps), dtype=np.uint8)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a lane stands.

    Attributes:
        position: in the tile.
        group: index of its group.
        member: its place in the group.
        seed: its seed.
    """

    position: int
    group: int
    member: int
    seed: int


@final
class LaneJob:
    """One lane's steps, described once.

    Args:
        space: what lanes share.
        feed: what a block of steps reads and writes.
        place: of the lane.
    """

    def __init__(self, space: Workspace, feed: Feed, place: Place) -> None:
        self._space, self._feed, self._place = space, feed, place
        self._kept: list[Any] = []
        self._row = space.memory.parameters[place.position]
        self._slots = space.memory.slots[place.group][place.member]
        self._update = space.updates[place.group]
        self.job = Job(
            batch=space.memory.batch_size,
            n=self._row.numel(),
            element=self._row.element_size(),
            gradient=space.gradient.address,
            update=self._update.address,
            rows=feed.rows[place.seed].data_ptr() if feed.rows else 0,
            loss=space.loss.data_ptr(),
            wrong=space.wrong.data_ptr(),
            losses=feed.losses[place.position].ctypes.data,
            finite=feed.finite[place.position].ctypes.data,
            scratch=space.scratch_place,
            kernels=address(kernel_table(self._row.dtype, images=space.gradient.has_images)),
        )
        self._describe_gradient()
        self._describe_update()
        self._describe_copies()

    def _state(self, side: int) -> dict[str, Tensor]:
        """Buffers and frozen parameters: the lane's own, or on side 1 the shared copies of those that change."""
        own = {name: self._space.memory.state[name][self._place.position] for name in self._space.gradient.state}
        return own | self._space.state if side else own

    def _describe_gradient(self) -> None:
        space, gradient = self._space, self._space.gradient
        sides = [self._row, space.parameters]
        inputs, outputs = [], []
        for side in (0, 1):
            given = [*apart(sides[side], gradient), *self._state(side).values(), *space.batch]
            inputs.append(pointers([*given, *[0] * len(gradient.draws), *gradient.constants]))
            changed = self._state(1 - side)
            outputs.append(pointers([*apart(space.gradients, gradient), space.loss, *(changed[name] for name in gradient.changed)]))
        first = len(gradient.offsets) + len(gradient.state)
        gathered = list(zip(space.memory.data, space.batch, strict=True)) if space.gathers else []
        gathers = [Gather(first + at, data.data_ptr(), data[0].nbytes, place.data_ptr()) for at, (data, place) in enumerate(gathered)]
        streams = [Stream(first + len(space.batch) + at, drawn.data_ptr(), drawn[0].nbytes) for at, drawn in enumerate(self._feed.draws)]
        self.job.gradient_in, self.job.gradient_out = self._both(inputs), self._both(outputs)
        self.job.num_gathers, self.job.gathers = len(gathers), self._array(Gather, gathers)
        self.job.num_gradient_streams, self.job.gradient_streams = len(streams), self._array(Stream, streams)

    def _describe_update(self) -> None:
        space, gradient = self._space, self._space.gradient
        scalars = self._feed.scalars[self._place.group][self._place.member]
        count = scalars.shape[1]
        sides = [(self._row, *self._slots), (space.parameters, *space.slots[: len(self._slots)])]

        def addresses(rows: Sequence[Tensor]) -> list[Tensor | int]:
            return [place for row in rows for place in ([row.data_ptr()] if self._update.is_flat else apart(row, gradient))]

        inputs, outputs = [], []
        for side in (0, 1):
            (p, *slots), after = sides[side], sides[1 - side]
            inputs.append(pointers([*addresses([p, space.gradients, *slots]), *[0] * count]))
            outputs.append(pointers([*addresses(after), space.wrong]))
        first = (2 + len(self._slots)) * (1 if self._update.is_flat else len(gradient.offsets))
        base, size = scalars.ctypes.data, scalars.itemsize
        streams = [Stream(first + at, base + at * size, count * size) for at in range(count)]
        self.job.update_in, self.job.update_out = self._both(inputs), self._both(outputs)
        self.job.num_update_streams, self.job.update_streams = count, self._array(Stream, streams)

    def _describe_copies(self) -> None:
        space = self._space
        pairs = [(self._row, space.parameters), *zip(self._slots, space.slots, strict=False)]
        pairs += [(space.memory.state[name][self._place.position], tensor) for name, tensor in space.state.items()]
        copies = [Copy(own.data_ptr(), shared.data_ptr(), shared.nbytes) for own, shared in pairs]
        self.job.num_copies, self.job.copies = len(copies), self._array(Copy, copies)

    def _array(self, kind: Any, items: Sequence[Any]) -> int:
        array = (kind * max(1, len(items)))(*items)
        self._kept.append(array)
        return ctypes.addressof(array)

    def _both(self, pair: Sequence[Any]) -> Any:
        self._kept += pair
        return (ctypes.c_void_p * 2)(*(ctypes.addressof(array) for array in pair))


def run_lanes(jobs: Sequence[LaneJob], steps: int) -> np.ndarray:
    """Take a block of steps of each lane, one lane after the other.

    Returns:
        How many steps of each were finite: all that were asked for, or those before the first that was not.
    """
    taken = np.zeros(len(jobs), dtype=np.int64)
    driver()(pointers([ctypes.addressof(job.job) for job in jobs]), len(jobs), steps, taken.ctypes.data)
    return taken


def apart(flat: Tensor, gradient: GradientFunction) -> list[Tensor | int]:
    """Addresses of the parameters within a row that holds all of them."""
    return [flat.data_ptr() + start * flat.element_size() for start, _ in gradient.offsets.values()]


def leaves(tree: Any) -> list[Tensor]:
    """A tree's tensors, contiguous."""
    return [leaf.contiguous() for leaf in pytree.tree_leaves(tree)]
