"""Patience: which evaluation is the best, and when waiting ends."""

import math

import pytest

from ravine.trainer.stopping import Stopping


@pytest.mark.parametrize(("higher", "values", "best"), [(False, [3.0, 1.0, 2.0], (2, 1.0)), (True, [0.1, 0.3, 0.2], (2, 0.3))])
def test_the_best_is_kept_whichever_way_is_up(higher, values, best):
    stopping = Stopping("x", higher_is_better=higher)
    for step, value in enumerate(values, 1):
        stopping.take(step, {"x": value, "loss": 0.0})
    assert (stopping.step, stopping.best) == best


def test_an_equal_value_is_no_improvement_and_one_that_is_not_finite_never():
    stopping = Stopping("x", higher_is_better=False, patience=3)
    assert [stopping.take(step, {"x": value}) for step, value in enumerate([math.nan, 1.0, 1.0, -math.inf])] == [False, True, False, False]
    assert not stopping.is_over
    stopping.take(5, {"x": 2.0})
    assert stopping.is_over


def test_without_patience_it_never_ends():
    stopping = Stopping("x", higher_is_better=False)
    for step in range(100):
        stopping.take(step, {"x": float(step)})
    assert not stopping.is_over


def test_it_goes_on_from_its_state():
    stopping = Stopping("x", higher_is_better=False, patience=2)
    stopping.take(1, {"x": 1.0})
    stopping.take(2, {"x": 2.0})
    other = Stopping("x", higher_is_better=False, patience=2)
    other.restore(stopping.state())
    assert other == stopping
    other.take(3, {"x": 1.5})
    assert other.is_over
