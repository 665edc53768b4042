import math

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from ravine.rules._terms import choose, power, root


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
