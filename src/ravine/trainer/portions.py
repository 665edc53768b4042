"""Which rows are this process's: of every batch, and of a split that is evaluated; and whether all start from the same.

All processes draw the same batch; with B rows and n of them here, the mean loss over these n counts n / B. Gradients are
averaged over W processes, so that a process's loss is weighed W n / B before its backward pass: the average is then the
gradient of the mean over the batch, also where the rows do not come out even.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from ravine.base.errors import InputError, TaskError
from ravine.fleet.data import duplicate, size, slices
from ravine.fleet.durable import apart, digest
from ravine.fleet.tiles import weighted_mean
from ravine.tasks import Task
from ravine.trainer.distributed import Processes

EVALUATION_ROWS = 1024
"""Most rows that an evaluation takes at once."""

Measure = Callable[[Any], Mapping[str, Any]]
"""A function of a batch: its loss and every metric, 0-d."""


class Portion:
    """This process's rows of every batch.

    Args:
        processes: who there is.
        batch_size: rows of a batch.
        accumulate: pieces in which a process takes its rows.

    Attributes:
        weight: W n / B; 1 where rows come out even, and in one process.

    Raises:
        InputError: there are too few rows.
    """

    def __init__(self, processes: Processes, batch_size: int, accumulate: int = 1) -> None:
        least = accumulate * processes.world
        if processes.world > 1 and batch_size < least:
            pieces = f" in {accumulate} pieces" if accumulate > 1 else ""
            given = f"batch_size={batch_size} over {processes.world} processes{pieces}: must be at least {least}, a row for each"
            raise InputError(f"{given}. Use larger batches or fewer processes.", given=batch_size)
        self.start, self.stop = processes.part(batch_size)
        self.weight = 1.0 if processes.world == 1 else processes.world * (self.stop - self.start) / batch_size
        self._is_all = processes.world == 1

    def of(self, batch: Any) -> Any:
        """This process's rows of a batch."""
        return batch if self._is_all else pytree.tree_map(lambda leaf: leaf[self.start : self.stop], batch)


def evaluate(measure: Measure, split: Any, processes: Processes) -> dict[str, float]:
    """Means over a split, every row seen by one process.

    Args:
        measure: is called equally often in every process, with a row of somebody else's where there are none left.
        split: all of it, on the device.
        processes: who there is.
    """
    if processes.world == 1:
        values = weighted_mean([(dict(measure(piece)), count) for piece, count in slices(split, EVALUATION_ROWS, copy=True)])
        return {name: float(np.asarray(value).reshape(-1)[0]) for name, value in values.items()}
    rows = size(split)
    start, stop = processes.part(rows)
    rounds = math.ceil(rows / processes.world / EVALUATION_ROWS)
    sums: dict[str, Tensor] = {}
    for place in range(rounds):
        first, last = (start + (stop - start) * (place + shift) // rounds for shift in (0, 1))
        found = measure(duplicate(_cut(split, first, last) if last > first else _cut(split, 0, 1)))
        for name, value in found.items():
            wide = value.detach().double().reshape(-1)[0]
            # What a borrowed row gives is not even multiplied by 0: it may be no number.
            sums[name] = sums.get(name, torch.zeros_like(wide)) + (wide * (last - first) if last > first else torch.zeros_like(wide))
    totals = processes.total([float(value) for value in sums.values()])
    return {name: total / rows for name, total in zip(sums, totals, strict=True)}


def check_alike(model: nn.Module, batch: Any, processes: Processes) -> None:
    """See that all processes have the same weights and the same data.

    Raises:
        TaskError: one of them has others.
    """
    if processes.world == 1:
        return
    leaves = {str(place): leaf for place, leaf in enumerate(pytree.tree_leaves(batch)) if isinstance(leaf, Tensor)}
    own = digest("", apart(model.state_dict())), digest("", apart(leaves))
    for rank, theirs in enumerate(found := processes.gather(own)):
        for what, here, there in zip(("initial weights", "first rows"), found[0], theirs, strict=True):
            if here != there:
                given = f"{what} of process {rank} are not those of process 0"
                remedy = "Draw them from torch's, numpy's or Python's own streams, which are seeded, and read the same files everywhere"
                raise TaskError(f"{given}: all processes must train the same model on the same data. {remedy}.")


def data_digest(task: Task) -> str:
    """Of every bit of a task's splits: equal where a training draws the same rows."""
    splits = [task.data.train, task.data.validation, task.data.test]
    leaves = {str(place): leaf.cpu() for place, leaf in enumerate(pytree.tree_leaves(splits)) if isinstance(leaf, Tensor)}
    return digest("", leaves)


def _cut(split: Any, start: int, stop: int) -> Any:
    return pytree.tree_map(lambda leaf: leaf[start:stop], split)
