"""The nearest orthogonal matrix, by the Newton-Schulz iteration of Jordan et al. (2024), and the sizes that Muon scales by."""

import math

from ravine.rules._rule import Scalar, Tensors

STEPS = 5
"""Iterations: with the usual coefficients, singular values above 0.003 or so end between 0.68 and 1.13."""


def as_matrices(g: Tensors, *, batched: bool) -> Tensors:
    """`g` as (rows, everything else), or with `batched` as it is: the last two dimensions are matrices."""
    if batched and g.ndim >= 2:
        return g
    return g.reshape(g.shape[0] if g.ndim else 1, math.prod(g.shape[1:]))


def orthogonalised(g: Tensors, coefficients: tuple[Scalar, Scalar, Scalar], eps: Scalar, *, floor: bool, narrow: bool) -> Tensors:
    """Five steps x <- a x + (b x x' + c (x x')^2) x from `g` over its Frobenius norm.

    Args:
        g: (..., rows, columns).
        coefficients: a, b and c.
        eps: added to the norm, or with `floor` its least value.
        floor: see `eps`.
        narrow: multiply in bfloat16.
    """
    a, b, c = coefficients
    is_tall = g.shape[-2] > g.shape[-1]
    x = g.bfloat16() if narrow else g
    x = x.mT if is_tall else x
    norm = x.norm(dim=(-2, -1), keepdim=True)
    x = x / (norm.clamp_min(eps) if floor else norm + eps)
    for _ in range(STEPS):
        gram = x @ x.mT
        x = a * x + (b * gram + c * (gram @ gram)) @ x
    return (x.mT if is_tall else x).to(g.dtype)


def is_narrow(g: Tensors, *, half: bool, full: bool) -> bool:
    """Whether to multiply in bfloat16: as asked, else on accelerators only, where it is several times as fast."""
    return half or (not full and g.device.type != "cpu")


def size_factor(matrix: Tensors, *, moonlight: bool) -> float:
    """What an orthogonal matrix is multiplied by: sqrt(max(1, rows / columns)), or for Moonlight 0.2 sqrt(max(rows, columns))."""
    rows, columns = matrix.shape[-2:]
    return 0.2 * math.sqrt(max(rows, columns)) if moonlight else math.sqrt(max(1.0, rows / max(1, columns)))
