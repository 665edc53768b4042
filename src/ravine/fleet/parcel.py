"""A task on its way to another process."""

import hashlib
import pickle
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch.utils import _pytree as pytree

from ravine.base.errors import TaskError
from ravine.tasks import Task, load


@dataclass(frozen=True, slots=True)
class Parcel:
    """A task as it travels to another process: pickled, or as the text from which it is loaded again.

    Attributes:
        pickled: the task, or None.
        reference: text for `ravine.tasks.load`, used when there is no pickle.
        settings: fields that differ from what `reference` gives.
        fingerprint: of the task that was packed.
    """

    pickled: bytes | None
    reference: str
    settings: Mapping[str, Any]
    fingerprint: bytes

    def open(self) -> Task:
        """The task.

        Raises:
            TaskError: it came out with other data or other weights.
        """
        task: Task = replace(load(self.reference), **self.settings) if self.pickled is None else pickle.loads(self.pickled)
        if fingerprint(task) != self.fingerprint:
            raise TaskError(
                f"task {task.name!r} has other data or other initial weights in a worker process than here: it draws from a stream "
                "that nothing seeds, or reads what changes. Make it the same each time, or use --workers 1."
            )
        return task


def pack(task: Task, mark: bytes | None = None) -> Parcel | None:
    """The task in a form that another process can open; None if it has neither a reference nor a pickle.

    Args:
        task: the task.
        mark: its fingerprint, where it is known.
    """
    mark = fingerprint(task) if mark is None else mark
    if task.reference:
        return Parcel(None, task.reference, {"batch_size": task.batch_size, "rank_by": task.rank_by}, mark)
    try:
        return Parcel(pickle.dumps(task), "", {}, mark)
    except Exception:  # pickle raises whatever the user's objects raise; lambdas are the usual case
        return None


def fingerprint(task: Task) -> bytes:
    """A digest of the splits and of the weights drawn under seed 0: equal where a race would give equal numbers."""
    digest = hashlib.blake2b()
    splits, model = task.data, task.build(0)
    trees = [splits.train, splits.validation, splits.test, dict(model.named_parameters()), dict(model.named_buffers())]
    for leaf in (leaf for tree in trees for leaf in pytree.tree_leaves(tree) if isinstance(leaf, torch.Tensor)):
        digest.update(f"{leaf.dtype}{tuple(leaf.shape)}".encode())
        digest.update(leaf.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().data)
    return digest.digest()
