"""The gradient noise scale of synthetic Gaussians, whose true gradient and covariance are known."""

import functools

import numpy as np

from ravine.doctor import gradient_noise

DIMENSIONS, SMALL, BIG, STEPS = 50, 8, 64, 4000
GRADIENT = np.full(DIMENSIONS, 0.2)
DEVIATIONS = np.linspace(0.5, 1.5, DIMENSIONS)
TRUTH = (float((GRADIENT**2).sum()), float((DEVIATIONS**2).sum()), float((DEVIATIONS**2).sum() / (GRADIENT**2).sum()))
"""|G|^2, tr(Sigma) and the scale."""


@functools.cache
def norms():
    """Squared norms at the small and the big batch, one of each a step."""
    rng = np.random.default_rng(2018)
    examples = GRADIENT + DEVIATIONS * rng.normal(size=(STEPS, BIG, DIMENSIONS))
    return (examples[:, :SMALL].mean(1) ** 2).sum(1), (examples.mean(1) ** 2).sum(1)


def estimates():
    small, big = norms()
    found = gradient_noise(small, big, small_batch=SMALL, big_batch=BIG)
    return found.squared_gradient, found.noise, found.scale


def standard_errors():
    """Of the three estimates, from blocks of 100 steps; the scale's by the delta method."""
    small, big = norms()
    blocks = [
        gradient_noise(a, b, small_batch=SMALL, big_batch=BIG) for a, b in zip(small.reshape(-1, 100), big.reshape(-1, 100), strict=True)
    ]
    true, _, scale = TRUTH
    columns = np.array([[one.squared_gradient, one.noise, (one.noise - scale * one.squared_gradient) / true] for one in blocks])
    return columns.std(axis=0, ddof=1) / np.sqrt(len(blocks))
