"""Functions of scalars that give the same bits for one Python float and for an array over lanes.

They take 0-d tensors as well, for optimiser steps that a CUDA graph holds: there, nothing may be read by the host.

numpy's vectorised `power` may differ from C's `pow` in the last bit, which would make a lane differ from its
stand-alone run. Addition, subtraction, multiplication, division and square root are correctly rounded
everywhere and need no such care.
"""

import functools
import math
import threading
from typing import Any

import numpy as np

from ravine.rules._rule import Scalar


def _raised(base: float, exponent: float) -> float:
    try:
        return math.pow(base, exponent)
    except OverflowError:  # a rate beyond all reason ends a lane, not the race
        return math.inf


def _pow(base: Any, exponent: Any) -> Any:
    with np.errstate(over="ignore"):
        return _powers(base, exponent)


_powers = np.frompyfunc(_raised, 2, 1)


def is_tensor(value: Any) -> bool:
    """Whether a scalar is a 0-d tensor, found without torch."""
    return hasattr(value, "requires_grad")


def power(base: Scalar, exponent: Scalar) -> Scalar:
    """`base ** exponent` by C's `pow`, for floats or broadcastable float64 arrays.

    Repeated bases are computed once: a fleet whose lanes share beta2 pays for one power a step.
    """
    if is_tensor(base) or is_tensor(exponent):
        return base**exponent
    if not isinstance(base, np.ndarray) and not isinstance(exponent, np.ndarray):
        return _raised(base, exponent)
    base, exponent = np.asarray(base, dtype=np.float64), np.asarray(exponent, dtype=np.float64)
    if base.ndim and base.size > 1 and (base == base.flat[0]).all():
        shape = np.broadcast_shapes(base.shape, exponent.shape)
        return np.broadcast_to(_as_float(_pow(base.flat[0], exponent)), shape)
    return _as_float(_pow(base, exponent))


def root(value: Scalar) -> Scalar:
    """Square root, correctly rounded, for a float or a float64 array."""
    if is_tensor(value):
        return value.sqrt()
    return np.sqrt(value) if isinstance(value, np.ndarray) else math.sqrt(value)


def choose(condition: Any, yes: Scalar, no: Scalar) -> Scalar:
    """`yes` where `condition` holds, else `no`, for Python values or arrays over lanes."""
    if is_tensor(condition):
        import torch

        # Two numbers would make float32; filled on the device, for a copy from the host cannot be captured.
        pair = [v if is_tensor(v) else torch.full((), v, dtype=torch.float64, device=condition.device) for v in (yes, no)]
        return torch.where(condition, *pair)
    if isinstance(condition, np.ndarray):
        return np.where(condition, yes, no)
    return yes if condition else no


def rectification(beta2: Scalar, t: Scalar) -> Scalar:
    """RAdam's factor on the step at step `t`, or 0 while the second moment has seen too few gradients to have a variance.

    With n = 2 / (1 - beta2) - 1 and n_t = n - 2 t beta2^t / (1 - beta2^t), it is
    sqrt((n_t - 4) (n_t - 2) n / ((n - 4) (n - 2) n_t)) where n_t > 5 (Liu et al., 2020, section 4).
    """
    end, kept = 2.0 / (1.0 - beta2) - 1.0, power(beta2, t)
    now = end - 2.0 * t * kept / (1.0 - kept)
    is_known = now > 5.0
    # Where it is not known, 6 keeps the root and the quotient below defined; its result is not used.
    end, now = choose(is_known, end, 6.0), choose(is_known, now, 6.0)
    factor = root((now - 4.0) * (now - 2.0) * end / ((end - 4.0) * (end - 2.0) * now))
    return choose(is_known, factor, 0.0)


def momentum_product(beta: Scalar, psi: Scalar, t: Scalar) -> Scalar:
    """NAdam's product of mu_1 ... mu_t with mu_i = beta (1 - 0.5 * 0.96^(i psi)), for floats or broadcastable arrays."""
    if is_tensor(t):
        raise TypeError("the product of all momenta so far needs the step as a number")
    if any(isinstance(value, np.ndarray) for value in (beta, psi, t)):
        return _as_float(_products(beta, psi, t))
    return _product(beta, psi, t)


def decay_between(start: Scalar, end: Scalar, share: Scalar) -> Scalar:
    """The decay factor that lies `share` of the way from `start` to `end`, and `end` beyond, by 1 / ln(decay).

    That is linear in the half-life (Pagliardini et al., 2024, equation for beta3), for floats or broadcastable arrays.
    """
    if is_tensor(share):
        raise TypeError("a decay factor that warms up needs the step as a number")
    if any(isinstance(value, np.ndarray) for value in (start, end, share)):
        return _as_float(_betweens(start, end, share))
    return _between(start, end, share)


@functools.lru_cache(maxsize=256)
def _products_so_far(beta: float, psi: float) -> list[float]:
    del beta, psi  # the key
    return [1.0]


_PRODUCTS_LOCK = threading.Lock()

_NEGLIGIBLE = 1e-30
"""Products below it, which 1 does not feel, stay as they are: rounding would keep them from ever reaching 0."""


def _product(beta: float, psi: float, t: float) -> float:
    steps = int(t)
    with _PRODUCTS_LOCK:
        products = _products_so_far(beta, psi)
        while len(products) <= steps and products[-1] > _NEGLIGIBLE:
            products.append(products[-1] * (beta * (1.0 - 0.5 * math.pow(0.96, len(products) * psi))))
        return products[min(steps, len(products) - 1)]


def _between(start: float, end: float, share: float) -> float:
    if share >= 1.0 or end <= 0.0:
        return end
    inverse = 0.0 if start <= 0.0 else 1.0 / math.log(start)
    weight = (1.0 - share) * inverse + share / math.log(end)
    return math.exp(1.0 / weight) if weight < 0.0 else 0.0


_products = np.frompyfunc(_product, 3, 1)
_betweens = np.frompyfunc(_between, 3, 1)


def _as_float(value: Any) -> Any:
    return np.asarray(value, dtype=np.float64)


def falls_due(t: Scalar, every: Scalar) -> Any:
    """Whether an interval of `every` steps ends at step `t`: at multiples of `every`, and at 0."""
    return t % every < 1


def any_of(condition: Any) -> bool:
    """Whether a condition holds, or for an array over lanes whether it holds anywhere."""
    return bool(np.any(condition))
