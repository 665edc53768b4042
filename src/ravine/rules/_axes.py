"""One matrix for every axis of a tensor, in slots of their own: statistics, eigenbases and roots, for SOAP and Shampoo.

A slot of an axis that a tensor does not have is empty, of shape (0,). Slots hold a square matrix, or, where an axis is
longer than a rule's limit, nothing (SOAP) or a vector (Shampoo).
"""

import functools
from collections.abc import Sequence
from typing import Any

from ravine.rules._declarations import Slot
from ravine.rules._rule import Scalar, State, Tensors

MOST_AXES = 5
"""Axes with matrices of their own, enough for the weight of a three-dimensional convolution; later ones are left alone."""


def axis_slots(symbol: str, key: str, *, limit: int, least: int = 0, has_vectors: bool = False) -> tuple[Slot, ...]:
    """A slot for every axis: `symbol` and `key` with the axis' number behind them.

    Args:
        symbol: see `Slot`.
        key: see `Slot`.
        limit: longest axis with a square matrix.
        least: fewest dimensions of a tensor that has any.
        has_vectors: longer axes have a vector instead of nothing.
    """
    shapes = [functools.partial(_shape, axis, limit, least, has_vectors) for axis in range(MOST_AXES)]
    return tuple(Slot(f"{symbol}{axis}", f"{key}_{axis}", shape=shape) for axis, shape in enumerate(shapes))


def _shape(axis: int, limit: int, least: int, has_vectors: bool, shape: tuple[int, ...]) -> tuple[int, ...]:
    if len(shape) < least or axis >= max(1, len(shape)):
        return (0,)
    size = shape[axis] if shape else 1
    return (size, size) if size <= limit else (size,) if has_vectors else (0,)


def held(s: Any, symbol: str) -> list[Tensors]:
    """The slots of all axes."""
    return [getattr(s, f"{symbol}{axis}") for axis in range(MOST_AXES)]


def named(symbol: str, values: Sequence[Tensors]) -> State:
    """Values of all axes as slots."""
    return {f"{symbol}{axis}": value for axis, value in enumerate(values)}


def accumulated(g: Tensors, statistics: Sequence[Tensors], keep: Scalar, take: Scalar) -> list[Tensors]:
    """Statistics kept, plus `take` times the products of the gradient's slices along every axis, or their squares for a vector."""
    g = g if g.ndim else g.reshape(1)
    return [_accumulated(g, axis, old, keep, take) for axis, old in enumerate(statistics)]


def _accumulated(g: Tensors, axis: int, old: Tensors, keep: Scalar, take: Scalar) -> Tensors:
    if old.ndim < 2 and not old.numel():
        return old
    rows = g.movedim(axis, 0).flatten(1) if g.ndim > 1 else g.unsqueeze(1)
    return keep * old + take * (rows @ rows.mT if old.ndim == 2 else (rows * rows).sum(1))


def rotated(x: Tensors, matrices: Sequence[Tensors], *, back: bool = False) -> Tensors:
    """`x` multiplied along every axis by that axis' matrix, transposed unless `back`; a vector multiplies its axis' entries."""
    shape = x.shape
    x = x if x.ndim else x.reshape(1)
    for axis, matrix in enumerate(matrices):
        if matrix.ndim == 2:
            x = (x.movedim(axis, -1) @ (matrix.mT if back else matrix)).movedim(-1, axis)
        elif matrix.numel():
            x = x * matrix.reshape(-1, *[1] * (x.ndim - 1 - axis))
    return x.reshape(shape)


def eigenbases(statistics: Sequence[Tensors]) -> list[Tensors]:
    """Eigenvectors of every square matrix, those of large eigenvalues first."""
    return [_eigh(matrix, 1e-30)[1].flip(-1).contiguous() if matrix.ndim == 2 else matrix for matrix in statistics]


def iterated(statistics: Sequence[Tensors], bases: Sequence[Tensors], v: Tensors) -> tuple[list[Tensors], Tensors]:
    """Bases after one QR power step, ordered by estimated eigenvalues, and `v` with its entries in their order."""
    result = list(bases)
    for axis, (matrix, basis) in enumerate(zip(statistics, bases, strict=True)):
        if matrix.ndim == 2:
            product = matrix @ basis
            order = (basis * product).sum(0).argsort(descending=True, stable=True)
            v = v.index_select(axis, order)
            result[axis] = _qr(product.index_select(1, order))
    return result, v


def inverse_roots(statistics: Sequence[Tensors], power: Scalar, eps: Scalar) -> list[Tensors]:
    """(matrix + eps I) to the power of minus `power` for every axis; entry by entry for a vector."""
    result = []
    for matrix in statistics:
        if matrix.ndim == 2:
            values, vectors = _eigh(matrix, 0.0)
            # Rounding can push the eigenvalues of a sum of squares below 0.
            scaled = vectors * (values.clamp_min(0.0) + eps).pow(-power)
            result.append(scaled @ vectors.mT)
        else:
            result.append((matrix + eps).pow(-power) if matrix.numel() else matrix)
    return result


def selected(condition: Scalar, yes: Sequence[Tensors], no: Sequence[Tensors]) -> list[Tensors]:
    """All of `yes` where `condition` is not 0, else all of `no`."""
    if isinstance(condition, (int, float)):
        return list(yes if condition else no)
    return [a.where(condition != 0, b) for a, b in zip(yes, no, strict=True)]


def _eigh(matrix: Tensors, shift: float) -> tuple[Tensors, Tensors]:
    """Eigenvalues and eigenvectors of `matrix` + `shift` I.

    LAPACK raises for what is not finite, which would end every lane that shares the call with one that diverged.
    """
    import torch

    eye = torch.eye(matrix.shape[-1], dtype=matrix.dtype, device=matrix.device)
    values, vectors = torch.linalg.eigh((matrix + shift * eye).where(matrix.isfinite().all(), eye))
    # Row by row, as a checkpoint brings them back: products of one layout have other bits than those of another.
    return values, vectors.contiguous()


def _qr(matrix: Tensors) -> Tensors:
    """The orthogonal factor."""
    import torch

    return torch.linalg.qr(matrix)[0].contiguous()
