"""The gradient noise scale: its algebra, and that it is unbiased."""

import math

import numpy as np
import pytest

from ravine.base.errors import InputError
from ravine.doctor import gradient_noise
from ravine.doctor.signals import drift, first_to_last, worst_over_median


@pytest.mark.parametrize(("small", "big"), [(1, 2), (4, 64), (100, 101)])
def test_expected_norms_give_back_what_they_were_made_of(small, big):
    true, noise = 3.0, 40.0
    found = gradient_noise([true + noise / small], [true + noise / big], small_batch=small, big_batch=big)
    assert (found.squared_gradient, found.noise) == pytest.approx((true, noise))
    assert found.scale == pytest.approx(noise / true)


def test_numerator_and_denominator_are_averaged_each_by_itself():
    found = gradient_noise([14.0, 50.0, 5.0], [5.0, 8.0, 5.0], small_batch=1, big_batch=10)
    alone = [gradient_noise([s], [b], small_batch=1, big_batch=10) for s, b in ((14.0, 5.0), (50.0, 8.0), (5.0, 5.0))]
    assert found.noise == pytest.approx(np.mean([one.noise for one in alone]))
    assert found.scale == pytest.approx(sum(one.noise for one in alone) / sum(one.squared_gradient for one in alone))
    assert found.scale != pytest.approx(np.mean([one.scale for one in alone]))


def test_a_gradient_lost_in_its_noise_is_unknown():
    found = gradient_noise([100.0], [1.0], small_batch=1, big_batch=10)
    assert found.squared_gradient < 0
    assert found.scale is None


@pytest.mark.parametrize(
    "arguments",
    [
        ([1.0], [1.0], 4, 4),
        ([1.0], [1.0], 0, 4),
        ([], [1.0], 1, 2),
        ([1.0], [math.nan], 1, 2),
        ([-1.0], [1.0], 1, 2),
        ([[1.0]], [1.0], 1, 2),
    ],
)
def test_what_is_no_measurement_is_refused(arguments):
    small, big, few, many = arguments
    with pytest.raises(InputError):
        gradient_noise(small, big, small_batch=few, big_batch=many)


def test_first_layer_over_last():
    assert first_to_last([1e-6, 1.0, 1e-2]) == pytest.approx(1e-4)
    assert first_to_last([1.0, 0.0]) == math.inf
    assert math.isnan(first_to_last([0.0, 0.0]))


def test_the_largest_norm_is_told_from_those_before_it_alone():
    falling = np.geomspace(100.0, 1.0, 200)
    assert worst_over_median(falling)[0] < 1.0
    falling[120] *= 10
    worst, step = worst_over_median(falling)
    assert step == 120
    # Ten times its neighbour, of a curve that falls by half within the window.
    assert worst == pytest.approx(5.54, abs=0.01)


def test_drift_of_the_variance_with_depth():
    assert drift([2.0, 1.0, 1e-8]) == pytest.approx(5e-9)
    assert math.isnan(drift([1.0]))
    assert math.isnan(drift([0.0, 1.0]))
