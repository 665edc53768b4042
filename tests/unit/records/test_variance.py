"""How much of a spread lies between groups, and how much inside them."""

import numpy as np
import pytest

from ravine.records.variance import variance_components


def test_components_are_found_again_on_average():
    rng = np.random.default_rng(0)
    found = [variance_components(rng.normal(0.0, 2.0, size=(6, 1)) + rng.normal(size=(6, 5))) for _ in range(400)]
    assert np.mean([one.between**2 for one in found]) == pytest.approx(4.0, rel=0.1)
    assert np.mean([one.within**2 for one in found]) == pytest.approx(1.0, rel=0.05)
    assert np.mean([one.share for one in found]) == pytest.approx(0.75, abs=0.06)


def test_by_hand_with_groups_of_unequal_size():
    found = variance_components([np.array([1.0, 3.0]), np.array([6.0, 7.0, 8.0])])
    # Means 2 and 7 around 5: MSB = 2 * 9 + 3 * 4 = 30; MSW = (2 + 2) / 3; n0 = 5 - 13 / 5.
    inside, between = 4 / 3, (30 - 4 / 3) / 2.4
    assert found.within == pytest.approx(inside**0.5)
    assert found.between == pytest.approx(between**0.5)
    assert found.share == pytest.approx(between / (between + inside))


def test_groups_that_differ_less_than_chance_have_nothing_in_common():
    found = variance_components([np.array([0.0, 2.0]), np.array([2.0, 0.0])])
    assert (found.between, found.share) == (0.0, 0.0)


def test_what_cannot_be_told_is_none():
    one_run_each = variance_components([np.array([1.0]), np.array([3.0])])
    assert (one_run_each.within, one_run_each.share) == (None, None)
    assert one_run_each.between == pytest.approx(np.std([1.0, 3.0], ddof=1))
    alone = variance_components([np.array([1.0, 3.0])])
    assert (alone.between, alone.share) == (None, None)
    assert alone.within == pytest.approx(2**0.5)
    assert variance_components([np.array([1.0])]).within is None
    equal = variance_components([np.array([1.0, 1.0]), np.array([1.0, 1.0])])
    assert (equal.between, equal.within, equal.share) == (0.0, 0.0, None)
