"""What a user gives as data, turned once into trees of tensors: checked, and equally long.

A *tree* is a tensor, or a tuple or dictionary of trees; all its tensors share their first size, the rows.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import torch
from torch.utils import _pytree
from torch.utils.data import BatchSampler, DataLoader, IterableDataset, RandomSampler, SequentialSampler, TensorDataset, default_collate

from ravine.base._seeds import derive
from ravine.base.errors import DataError, RavineError
from ravine.tasks._randomness import isolated

Tree: TypeAlias = Any
"""A tensor, or a tuple or dictionary of trees."""


@dataclass(frozen=True, eq=False)
class Splits:
    """The materialised data of a task.

    Attributes:
        train: what gradients are taken on.
        validation: what rates are tuned on.
        test: what entrants are ranked on; None where the task has none.
    """

    train: Tree
    validation: Tree
    test: Tree | None = None

    @property
    def sizes(self) -> dict[str, int]:
        """Rows of every split, 0 for a missing one."""
        return {"train": rows(self.train), "validation": rows(self.validation), "test": 0 if self.test is None else rows(self.test)}


def rows(tree: Tree) -> int:
    """Number of rows of a tree."""
    return int(_pytree.tree_leaves(tree)[0].shape[0])


def take(tree: Tree, index: torch.Tensor) -> Tree:
    """The rows `index` of every tensor, copied."""
    return _pytree.tree_map(lambda leaf: leaf[index.to(leaf.device)], tree)


def split_validation(tree: Tree, seed: int) -> tuple[Tree, Tree]:
    """Cut a validation tree in two by a seeded permutation, for tasks without a test split.

    Args:
        tree: at least two rows.
        seed: the race's seed.

    Returns:
        the half to tune on (the larger one, where the count is odd) and the half to rank on.

    Raises:
        DataError: fewer than two rows.
    """
    count = rows(tree)
    if count < 2:
        raise DataError(f"validation has {count} row: it takes two to tune on one half and rank on the other. Give more rows, or test=.")
    order = torch.randperm(count, generator=torch.Generator().manual_seed(derive(seed, "split-validation")))
    half = (count + 1) // 2
    return take(tree, order[:half].sort().values), take(tree, order[half:].sort().values)


def materialise(data: object, split: str) -> Tree:
    """Turn tensors, a map-style data set or a DataLoader into one tree of tensors.

    A data set is read once, row by row, in order and under a fixed seed: random augmentation in it is frozen.
    A loader lends its data set and its `collate_fn`; its order and its `drop_last` are not used, since every race
    draws its own batches.

    Args:
        data: what the user gave.
        split: name for errors.

    Raises:
        DataError: no rows, unequal lengths, non-finite numbers, unequal shapes, or nothing that holds tensors.
    """
    with isolated(derive("materialise", split)):
        tree = _read(data, split)
    tree = _pytree.tree_map_with_path(lambda path, leaf: _tensor(leaf, split + _pytree.keystr(path)), tree)
    leaves = [(split + _pytree.keystr(path), leaf) for path, leaf in _pytree.tree_flatten_with_path(tree)[0]]
    _check_lengths(leaves, split)
    for name, leaf in leaves:
        _check_finite(name, leaf)
    return tree


def loader_batch_size(data: object) -> int | None:
    """The batch size of a DataLoader, None for anything else."""
    sampler = data.batch_sampler if isinstance(data, DataLoader) else None
    return sampler.batch_size if isinstance(sampler, BatchSampler) else None


def _read(data: object, split: str) -> Tree:
    if data is None:
        raise DataError(f"{split} is missing: give a tuple of tensors, a map-style Dataset or a DataLoader.")
    if isinstance(data, DataLoader) and not isinstance(data.dataset, IterableDataset):
        _check_loader(data, split)
        if type(data.dataset) is TensorDataset and data.collate_fn is default_collate:
            return data.dataset.tensors
        return _collate(data.dataset, data.collate_fn, split)
    if isinstance(data, TensorDataset):
        return data.tensors
    if isinstance(data, torch.Tensor | np.ndarray | tuple | Mapping):
        return dict(data) if isinstance(data, Mapping) else data
    if isinstance(data, list) and data and all(isinstance(part, torch.Tensor | np.ndarray) for part in data):
        return tuple(data)
    return _collate(data.dataset if isinstance(data, DataLoader) else data, default_collate, split)


def _check_loader(loader: Any, split: str) -> None:
    batches = loader.batch_sampler
    if type(batches) is not BatchSampler:
        kind = "no automatic batching" if batches is None else f"its own {type(batches).__name__}"
        raise DataError(f"{split}: the DataLoader has {kind}, which a race would ignore. Give a DataLoader with a batch_size.")
    if not isinstance(batches.sampler, SequentialSampler | RandomSampler):
        kind = type(batches.sampler).__name__
        raise DataError(f"{split}: the DataLoader's {kind} would be ignored. Give torch.utils.data.Subset(dataset, indices) instead.")


def _collate(dataset: Any, collate: Callable[[list[Any]], Any], split: str) -> Tree:
    if isinstance(dataset, IterableDataset) or not (hasattr(dataset, "__len__") and hasattr(dataset, "__getitem__")):
        allowed = "tensors, a Dataset with len() and [index], or a DataLoader over one"
        raise DataError(f"{split}={type(dataset).__name__}: must be {allowed}. Read a stream into tensors first.")
    samples = []
    for index in range(len(dataset)):
        try:
            samples.append(dataset[index])
        except Exception as error:
            raise DataError(f"{split}: reading item {index} raised {type(error).__name__}: {first_line(error)}") from error
    if not samples:
        raise DataError(f"{split} holds no rows. Give at least one.")
    try:
        tree = collate(samples)
    except RavineError:
        raise
    except Exception as error:
        remedy = "All items must have the same structure, types and shapes: pad or crop them."
        raise DataError(f"{split}: its items cannot be collated ({first_line(error)}). {remedy}") from error
    return tuple(tree) if isinstance(tree, list) else tree


def first_line(error: BaseException) -> str:
    """The first line of an error's message, for use inside a sentence."""
    text = str(error).strip()
    return text.splitlines()[0].rstrip(".") if text else type(error).__name__


def _tensor(leaf: object, name: str) -> torch.Tensor:
    if isinstance(leaf, torch.Tensor):
        return leaf.detach()
    if isinstance(leaf, np.ndarray) and leaf.dtype.kind in "biufc":
        # A copy, because torch warns about arrays that cannot be written to.
        return torch.from_numpy(np.array(leaf))
    kind = f"array of {leaf.dtype}" if isinstance(leaf, np.ndarray) else type(leaf).__name__
    raise DataError(f"{name} is of type {kind}: must be a tensor or a numeric array. Convert it with torch.tensor(...).")


def _check_lengths(leaves: list[tuple[str, torch.Tensor]], split: str) -> None:
    if not leaves:
        raise DataError(f"{split} holds no tensors. Give at least one.")
    for name, leaf in leaves:
        if leaf.ndim == 0:
            raise DataError(f"{name} is a single number: its first dimension must be the rows. Give a tensor of shape (rows, ...).")
    lengths = {leaf.shape[0] for _, leaf in leaves}
    if len(lengths) > 1:
        found = ", ".join(f"{name} has {leaf.shape[0]} rows" for name, leaf in leaves)
        raise DataError(f"{split}: the tensors must have equally many rows, but {found}.")
    if lengths == {0}:
        raise DataError(f"{split} holds no rows. Give at least one.")


def _check_finite(name: str, leaf: torch.Tensor) -> None:
    if not (leaf.is_floating_point() or leaf.is_complex()):
        return
    finite = torch.isfinite(leaf)
    if finite.all():
        return
    bad = torch.nonzero(~finite)
    place = ", ".join(str(int(part)) for part in bad[0])
    value = leaf[tuple(bad[0])].item()
    raise DataError(f"{name}[{place}] is {value} ({len(bad)} such of {leaf.numel()}): data must be finite. Drop or fill those rows.")
