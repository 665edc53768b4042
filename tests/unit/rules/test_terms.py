import math

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from ravine.rules import _terms
from ravine.rules._terms import choose, decay_between, momentum_product, power, rectification, root


@hypothesis.given(st.lists(st.floats(0.0, 1.0), min_size=1, max_size=5), st.integers(0, 100_000))
def test_a_lane_of_an_array_has_the_bits_of_the_number(bases, exponent):
    array = power(np.array(bases), exponent)
    assert array.dtype == np.float64
    assert array.tolist() == [power(base, exponent) for base in bases] == [math.pow(base, exponent) for base in bases]


def test_equal_bases_and_many_exponents_broadcast():
    exponents = np.array([1.0, 2.0, 3.0])
    expected = [math.pow(0.9, exponent) for exponent in exponents]
    assert power(0.9, exponents).tolist() == expected
    assert power(np.full(3, 0.9), exponents).tolist() == expected
    assert power(np.array([0.9]), exponents).tolist() == expected
    assert power(np.full(3, 0.9), 7).shape == (3,)
    assert power(np.full((2, 1), 0.9), exponents).tolist() == [expected, expected]


def test_one_number_stays_a_python_float():
    assert type(power(0.9, 3)) is float
    assert type(root(2.0)) is float


def test_not_a_number_stays_in_its_lane():
    result = power(np.array([np.nan, 0.5]), 2)
    assert math.isnan(result[0])
    assert result[1] == 0.25


@hypothesis.given(st.lists(st.floats(0.0, 1e300), min_size=1, max_size=5))
def test_roots_have_the_bits_of_the_number(values):
    assert root(np.array(values)).tolist() == [root(value) for value in values]


@pytest.mark.parametrize("condition", [True, False])
def test_choose_picks_one_number(condition):
    assert choose(condition, 1.0, 2.0) == (1.0 if condition else 2.0)


def test_choose_picks_per_lane():
    assert choose(np.array([True, False]), 1.0, np.array([2.0, 3.0])).tolist() == [1.0, 3.0]


def test_rectification_is_unknown_at_first_and_tends_to_one():
    values = [rectification(0.999, t) for t in range(1, 8)]
    assert values[:5] == [0.0] * 5
    assert 0.0 < values[5] < values[6] < 0.1
    assert rectification(0.999, 10**6) == pytest.approx(1.0)
    assert [rectification(beta2, 10**6) for beta2 in (0.0, 0.5, 0.6, 2 / 3)] == [0.0] * 4


def test_momentum_product_multiplies_until_it_does_not_matter():
    mu = [0.9 * (1 - 0.5 * 0.96 ** (0.1 * t)) for t in (1, 2, 3)]
    assert [momentum_product(0.9, 0.1, t) for t in (0, 1, 3, 2)] == pytest.approx([1.0, mu[0], mu[0] * mu[1] * mu[2], mu[0] * mu[1]])
    assert 0.0 < momentum_product(0.9, 0.1, 10**9) < 1e-30
    assert momentum_product(0.0, 0.1, 5) == 0.0


def test_a_decay_between_lies_on_the_line_of_half_lives():
    half_lives = [math.log(0.5) / math.log(decay_between(0.9, 0.999, share)) for share in (0.0, 0.25, 1.0, 7.0)]
    low, high = math.log(0.5) / math.log(0.9), math.log(0.5) / math.log(0.999)
    assert half_lives == pytest.approx([low, 0.75 * low + 0.25 * high, high, high])
    assert decay_between(0.9, 0.999, 1.0) == 0.999
    assert decay_between(0.0, 0.5, 0.0) == decay_between(0.5, 0.0, 0.5) == decay_between(0.0, 0.0, 0.5) == 0.0
    assert decay_between(0.0, 0.5, 0.5) == pytest.approx(0.25)


@hypothesis.given(st.lists(st.floats(0.0, 1.0, exclude_max=True), min_size=1, max_size=4), st.integers(1, 3000))
def test_arrays_over_steps_and_lanes_have_the_bits_of_the_number(bases, t):
    lanes, steps = np.array(bases), np.array([[t], [t + 1]])
    for function, others in ((rectification, ()), (momentum_product, (0.004,)), (decay_between, (0.99,))):
        scale = 3000 if function is decay_between else 1
        found = np.broadcast_to(function(lanes, *others, steps / scale if scale > 1 else steps), (2, len(bases)))
        for row in range(2):
            at = (t + row) / scale if scale > 1 else t + row
            assert found[row].tolist() == [function(base, *others, at) for base in bases]


def test_a_power_beyond_all_numbers_is_infinite():
    assert power(1e200, 2.0) == math.inf
    assert power(np.array([1e200, 2.0]), np.array([2.0, 2.0])).tolist() == [math.inf, 4.0]


def test_an_interval_ends_at_its_multiples():
    assert [t for t in range(8) if _terms.falls_due(t, 3)] == [0, 3, 6]
    assert _terms.falls_due(6, np.array([3.0, 4.0])).tolist() == [True, False]


def test_a_condition_may_hold_for_one_lane():
    conditions = (True, False, np.array([False, True]), np.array([False]))
    assert [_terms.any_of(condition) for condition in conditions] == [True, False, True, False]
