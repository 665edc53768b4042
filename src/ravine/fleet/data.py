"""Batches: the same for every lane of a seed, reshuffled each epoch, a function of the seed alone."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

ALIGNMENT = 64
"""Bytes of a cache line, to which torch aligns what it allocates."""


class BatchOrder:
    """Indices of successive batches for one seed.

    Each epoch is a fresh `torch.randperm` of one generator seeded once; the last incomplete batch of an epoch is
    left out. When one batch holds the whole data set (`is_full_batch`) there is nothing to take.

    Args:
        num_examples: size of the training split.
        batch_size: examples in a batch, at most `num_examples`.
        seed: seed of the generator.
    """

    def __init__(self, num_examples: int, batch_size: int, seed: int) -> None:
        self.is_full_batch = batch_size >= num_examples
        self._num_examples, self._batch_size = num_examples, batch_size
        self._generator = torch.Generator().manual_seed(seed)
        self._epoch = torch.empty(0, batch_size, dtype=torch.int64)

    def take(self, num_steps: int) -> Tensor:
        """Indices of the next batches: (num_steps, batch_size), int64."""
        blocks, missing = [], num_steps
        while missing:
            blocks.append(self._part(missing))
            missing -= len(blocks[-1])
        return torch.cat(blocks)

    def skip(self, num_steps: int) -> None:
        """Pass over the next batches: what follows is as if they had been taken. An epoch costs its shuffle and nothing else."""
        missing = 0 if self.is_full_batch else num_steps
        while missing:
            missing -= len(self._part(missing))

    def _part(self, most: int) -> Tensor:
        """The next batches of one epoch, at least one and at most `most`."""
        if not len(self._epoch):
            whole = self._num_examples // self._batch_size
            order = torch.randperm(self._num_examples, generator=self._generator)
            self._epoch = order[: whole * self._batch_size].view(whole, self._batch_size)
        part, self._epoch = self._epoch[:most], self._epoch[most:]
        return part


def gather(tree: Any, indices: Tensor) -> Any:
    """Rows of every tensor of a tree; `indices` of shape (B,) or (L, B) give leaves (B, ...) or (L, B, ...)."""
    if indices.ndim == 1:
        return pytree.tree_map(lambda leaf: leaf.index_select(0, indices), tree)
    return pytree.tree_map(lambda leaf: leaf.index_select(0, indices.reshape(-1)).view(*indices.shape, *leaf.shape[1:]), tree)


def slices(tree: Any, rows: int, *, copy: bool = False) -> Iterator[tuple[Any, int]]:
    """The tree cut into consecutive pieces of at most `rows` examples, each with its number of examples, one at a time.

    Args:
        tree: a split.
        rows: most examples of a piece.
        copy: whether pieces are copies, for models that write into their input; otherwise views where these are aligned.
    """
    total = size(tree)
    for start in range(0, total, rows):
        piece = pytree.tree_map(lambda leaf, start=start: leaf[start : start + rows], tree)
        yield duplicate(piece) if copy else aligned(piece), min(rows, total - start)


def aligned(tree: Any) -> Any:
    """The tree with every tensor at an address that does not differ by chance.

    MKL's products round differently where what they read begins elsewhere within a cache line, and memory that
    numpy allocated begins anywhere: two processes would compute different bits from the same numbers.
    """
    return pytree.tree_map(lambda leaf: leaf.clone() if leaf.device.type == "cpu" and leaf.data_ptr() % ALIGNMENT else leaf, tree)


def duplicate(tree: Any) -> Any:
    """The tree with copies of its tensors, in containers of its own."""
    return pytree.tree_map(lambda leaf: leaf.detach().clone(), tree)


def rewrap(tree: Any) -> Any:
    """The same tensors in containers of their own: a user's step may take entries out of a dictionary."""
    return pytree.tree_map(lambda leaf: leaf, tree)


def size(tree: Any) -> int:
    """Number of examples of a tree of tensors."""
    return len(pytree.tree_leaves(tree)[0])


def to_device(tree: Any, device: torch.device) -> Any:
    """The tree on another device."""
    return pytree.tree_map(lambda leaf: leaf.to(device), tree)
