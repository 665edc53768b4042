import doctest
from types import SimpleNamespace as N

import numpy as np
import pytest

from ravine.rules import sgd
from ravine.rules.sgd import SGD


def walk(rule, grads, **hypers):
    """Deltas of one number under given gradients, from weight 1."""
    h = N(**({"lr": 1.0, "momentum": 0.0, "dampening": 0.0, "l2": 0.0} | hypers))
    state, weight, deltas = {"m": 0.0}, 1.0, []
    for t, g in enumerate(grads, start=1):
        delta, state = rule.update(weight, g, N(**state), N(**rule.scalars(h, t)))
        weight += delta
        deltas.append(delta)
    return deltas


def test_examples():
    result = doctest.testmod(sgd)
    assert result.attempted > 0
    assert result.failed == 0


def test_plain():
    assert walk(SGD(), [1.0, 2.0], lr=0.5) == [-0.5, -1.0]


def test_l2_is_added_to_the_gradient():
    assert walk(SGD(decays=True), [1.0, 1.0], l2=0.5) == [-1.5, -0.75]


def test_heavy_ball():
    assert walk(SGD(buffered=True), [1.0, 1.0, 1.0], momentum=0.5) == [-1.0, -1.5, -1.75]


def test_dampening_spares_the_first_step():
    assert walk(SGD(buffered=True), [1.0, 1.0, 1.0], momentum=0.9, dampening=0.9) == pytest.approx([-1.0, -1.0, -1.0])
    assert walk(SGD(buffered=True), [1.0, 0.0], momentum=0.9, dampening=0.9) == pytest.approx([-1.0, -0.9])


def test_nesterov_looks_ahead():
    assert walk(SGD(buffered=True, nesterov=True), [1.0, 1.0], momentum=0.5) == [-1.5, -1.75]


def test_scalars_take_lanes():
    h = N(lr=np.array([0.1, 0.2]), momentum=0.9, dampening=np.array([0.5, 0.0]), l2=0.0)
    assert SGD().scalars(h, np.array([1, 2]))["gain"].tolist() == [1.0, 1.0]
    assert SGD().scalars(h, np.array([2, 1]))["gain"].tolist() == [0.5, 1.0]


def test_decoupled_decay_leaves_the_buffer_alone():
    rule = SGD(buffered=True, decays=True, decoupled=True)
    assert walk(rule, [1.0, 0.0], lr=0.5, momentum=0.5, l2=0.5) == [-0.75, -0.25 - 0.25 * 0.25]
