"""Signals: what a training run's numbers say, as pure functions of arrays."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ravine.base._checks import count
from ravine.base.errors import InputError


@dataclass(frozen=True, slots=True)
class GradientNoise:
    """What the spread of gradients over batches says.

    Attributes:
        squared_gradient: estimate of |G|^2, the squared norm of the true gradient; an estimate may be below 0.
        noise: estimate of tr(Sigma), the summed variance of one example's gradient.
        scale: tr(Sigma) / |G|^2, in examples; None where |G|^2 is not above 0, so that the ratio is unknown.
    """

    squared_gradient: float
    noise: float
    scale: float | None


def gradient_noise(
    small: Sequence[float] | np.ndarray, big: Sequence[float] | np.ndarray, *, small_batch: int, big_batch: int
) -> GradientNoise:
    r"""The gradient noise scale from squared gradient norms at two batch sizes.

    The mean gradient over B examples has E|G_B|^2 = |G|^2 + tr(Sigma) / B, which two sizes b < B solve without bias:

        |G|^2     = (B |G_B|^2 - b |G_b|^2) / (B - b)
        tr(Sigma) = (|G_b|^2 - |G_B|^2) / (1/b - 1/B)
        scale     = mean tr(Sigma) / mean |G|^2

    Numerator and denominator are averaged each by itself over many steps; the mean of their ratios would be biased. Training
    with batches of about `scale` examples costs about twice the fewest steps and twice the fewest examples.

    Args:
        small: squared norms at the small batch, one or more (n,).
        big: squared norms at the big batch, one or more; as many as `small` or not.
        small_batch: examples in a small batch, b.
        big_batch: examples in a big batch, B.

    Raises:
        InputError: the sizes are not 1 <= b < B, or a norm is missing, negative or not finite.

    Example:
        >>> gradient_noise([14.0], [5.0], small_batch=1, big_batch=10)
        GradientNoise(squared_gradient=4.0, noise=10.0, scale=2.5)

    References:
        McCandlish, Kaplan, Amodei et al. (2018), An empirical model of large-batch training, arXiv:1812.06162, appendix A.1.
    """
    count("small_batch", small_batch)
    count("big_batch", big_batch, at_least=small_batch + 1)
    at_small, at_big = _mean("small", small), _mean("big", big)
    squared_gradient = (big_batch * at_big - small_batch * at_small) / (big_batch - small_batch)
    noise = (at_small - at_big) * small_batch * big_batch / (big_batch - small_batch)
    return GradientNoise(squared_gradient, noise, noise / squared_gradient if squared_gradient > 0 else None)


def _mean(name: str, norms: Sequence[float] | np.ndarray) -> float:
    values = np.asarray(norms, dtype=np.float64)
    if values.ndim != 1 or not values.size or not np.all(np.isfinite(values) & (values >= 0)):
        raise InputError(f"{name}={norms!r}: must be squared norms, at least one, each finite and not negative. Leave out broken steps.")
    return float(values.mean())


def first_to_last(norms: Sequence[float]) -> float:
    """Gradient norm of the first layer over that of the last; infinite where the last is zero, NaN where both are."""
    first, last = float(norms[0]), float(norms[-1])
    return float(np.divide(first, last)) if last else float("inf") if first else float("nan")


def worst_over_median(norms: np.ndarray, window: int = 50) -> tuple[float, int]:
    """The largest norm relative to the median of those before it, and its step; of a local median, since norms fall as a run learns.

    Args:
        norms: of successive steps, (steps,).
        window: steps before each that the median is taken of; there must be half as many.
    """
    worst, place = 0.0, -1
    for step in range(window // 2, len(norms)):
        median = float(np.median(norms[max(0, step - window) : step]))
        if median > 0 and norms[step] / median > worst:
            worst, place = float(norms[step] / median), step
    return worst, place


def drift(variances: Sequence[float]) -> float:
    """Variance of the deepest layer over that of the first; NaN with fewer than two."""
    return float(variances[-1] / variances[0]) if len(variances) > 1 and variances[0] > 0 else float("nan")
