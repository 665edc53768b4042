"""Small races on surfaces, for tests of what is drawn and said of them."""

import functools

from ravine.surfaces import race


@functools.cache
def few(noise=0.0):
    """Three optimisers of which one is lost."""
    return race("ravine", {"sgd": {"lr": 0.2}, "momentum": {"lr": 0.02}, "adam": {"lr": 0.3}}, steps=60, noise=noise)


@functools.cache
def many():
    """More optimisers than one map has colours for."""
    names = ["sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adam", "adamw", "lion", "adamax", "nadam"]
    return race("rosenbrock", names, lr=(1e-3, 0.1), steps=20)


@functools.cache
def endless():
    """A plane, which has no minimum, on which a path ends outside the picture."""
    return race("x + 0*y", {"sgd": {"lr": 1.0}, "adam": {"lr": 1e-3}}, steps=9, start=(0.0, 0.0))
