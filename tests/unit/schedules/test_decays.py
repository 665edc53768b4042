"""Exponential, inverse time and inverse square root: known answers and settings."""

import numpy as np
import pytest

from ravine.base.errors import InputError
from ravine.schedules import Exponential, InverseSqrt, InverseTime


def test_exponential():
    assert Exponential(gamma=0.25, per=4)([0, 2, 4, 8]).tolist() == [1.0, 0.5, 0.25, 0.0625]
    assert Exponential(horizon=100)(100) == pytest.approx(0.01, abs=1e-15)
    assert Exponential(gamma=0.25, per=0.5, horizon=8)([0, 2, 4]).tolist() == [1.0, 0.5, 0.25]
    assert Exponential(gamma=2.0, per=1)(10) == 1024.0


def test_inverse_time():
    assert InverseTime(decay_rate=3.0, per=3)([0, 1, 3, 5]).tolist() == [1.0, 0.5, 0.25, 1 / 6]
    assert InverseTime(horizon=50)(50) == pytest.approx(0.1)
    assert InverseTime(decay_rate=1.0, per=0.5, horizon=8).warmup(4)(6) == 0.5, "a share is of the way after the warm-up"


def test_inverse_sqrt():
    assert InverseSqrt(timescale=5)([0, 15, 40]).tolist() == [1.0, 0.5, 1 / 3]
    assert InverseSqrt().warmup(5)([4, 5, 20]).tolist() == [1.0, 1.0, 0.5], "the length of the warm-up is its scale"
    assert InverseSqrt(horizon=100)(30) == 0.5, "a tenth of the way without one"
    assert InverseSqrt(timescale=0.2, horizon=100)(60) == 0.5


def test_which_need_a_horizon():
    assert not Exponential(per=1).needs_horizon
    assert Exponential().needs_horizon
    assert InverseTime(per=0.5).needs_horizon
    assert [InverseSqrt().needs_horizon, InverseSqrt().warmup(5).needs_horizon, InverseSqrt(timescale=3).needs_horizon] == [
        True,
        False,
        False,
    ]
    assert InverseSqrt(timescale=0.3).warmup(5).needs_horizon
    assert InverseSqrt().warmup(5)(np.array([5, 20])).tolist() == [1.0, 0.5]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Exponential(gamma=0.0), "gamma=0.0 for 'exponential': must be above 0"),
        (lambda: Exponential(per=0), "per=0: must be a whole number, at least 1"),
        (lambda: Exponential(per=1.0), "per=1.0 for 'exponential': must be above 0 and below 1"),
        (lambda: InverseTime(decay_rate=-1), "decay_rate=-1"),
        (lambda: InverseSqrt(timescale=0), "timescale=0"),
    ],
)
def test_unusable_settings(make, message):
    with pytest.raises(InputError, match=message):
        make()
