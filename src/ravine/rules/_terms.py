"""Functions of scalars that give the same bits for one Python float and for an array over lanes.

numpy's vectorised `power` may differ from C's `pow` in the last bit, which would make a lane differ from its
stand-alone run. Addition, subtraction, multiplication, division and square root are correctly rounded
everywhere and need no such care.
"""

import math
from typing import Any

import numpy as np

from ravine.rules._rule import Scalar

_pow = np.frompyfunc(math.pow, 2, 1)


def power(base: Scalar, exponent: Scalar) -> Scalar:
    """`base ** exponent` by C's `pow`, for floats or broadcastable float64 arrays.

    Repeated bases are computed once: a fleet whose lanes share beta2 pays for one power a step.
    """
    if not isinstance(base, np.ndarray) and not isinstance(exponent, np.ndarray):
        return math.pow(base, exponent)
    base, exponent = np.asarray(base, dtype=np.float64), np.asarray(exponent, dtype=np.float64)
    if base.ndim and base.size > 1 and (base == base.flat[0]).all():
        shape = np.broadcast_shapes(base.shape, exponent.shape)
        return np.broadcast_to(_as_float(_pow(base.flat[0], exponent)), shape)
    return _as_float(_pow(base, exponent))


def root(value: Scalar) -> Scalar:
    """Square root, correctly rounded, for a float or a float64 array."""
    return np.sqrt(value) if isinstance(value, np.ndarray) else math.sqrt(value)


def choose(condition: Any, yes: Scalar, no: Scalar) -> Scalar:
    """`yes` where `condition` holds, else `no`, for Python values or arrays over lanes."""
    if isinstance(condition, np.ndarray):
        return np.where(condition, yes, no)
    return yes if condition else no


def _as_float(value: Any) -> Any:
    return np.asarray(value, dtype=np.float64)
