"""Functions of one tensor whose form depends on its dimensions: what its units, the rows that make one output each, hold."""

from ravine.rules._rule import Tensors


def centred(g: Tensors) -> Tensors:
    """The tensor minus the mean of each unit; one of fewer than two dimensions as it is.

    Args:
        g: (units, ...).
    """
    return g - g.mean(dim=tuple(range(1, g.ndim)), keepdim=True) if g.ndim > 1 else g


def unit_norms(x: Tensors) -> Tensors:
    """Euclidean norm of each unit, (units, 1, ...); of the whole tensor if it has fewer than two dimensions."""
    return (x * x).sum(dim=tuple(range(1, x.ndim)), keepdim=True).sqrt() if x.ndim > 1 else (x * x).sum().sqrt()
