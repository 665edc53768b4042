"""Rows and columns of a matrix' second moment, as Adafactor keeps them, and the spacing of numbers."""

from ravine.rules._rule import Tensors


def row_shape(shape: tuple[int, ...]) -> tuple[int, ...]:
    """One number a row, nothing for a vector."""
    return (*shape[:-1], 1) if len(shape) > 1 else (0,)


def column_shape(shape: tuple[int, ...]) -> tuple[int, ...]:
    """One number a column, nothing for a vector."""
    return (*shape[:-2], 1, shape[-1]) if len(shape) > 1 else (0,)


def vector_shape(shape: tuple[int, ...]) -> tuple[int, ...]:
    """One number an element of a vector, nothing for a matrix."""
    return (0,) if len(shape) > 1 else shape


def spacing(p: Tensors) -> float:
    """The gap between 1 and the next number of `p`'s dtype."""
    import torch

    return torch.finfo(p.dtype).eps
