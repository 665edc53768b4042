"""A range test as plain data."""

import json

import numpy as np
import pytest

from ravine.records.sweeps import RangeTest


def found(descents, divergences):
    rates = np.geomspace(1e-5, 1.0, 10)
    return RangeTest("t", "sgd", rates, np.ones((10, 2)), np.ones((10, 2)), descents, divergences)


def test_a_bound_is_the_geometric_mean_over_seeds():
    test = found((1e-3, 1e-1), (1.0, 4.0))
    assert (test.descent, test.divergence) == (pytest.approx(1e-2), pytest.approx(2.0))


def test_a_seed_without_a_bound_leaves_no_mean():
    test = found((1e-3, None), (None, None))
    assert (test.descent, test.divergence) == (None, None)
    assert test.summary()["first_descent_lr"] == {"mean": None, "low": 1e-3, "high": 1e-3, "seeds": [1e-3, None]}


def test_the_json_has_no_numbers_that_are_not_finite_and_says_what_it_is_not():
    summary = json.loads(json.dumps(found((1e-3, 1e-3), (None, None)).summary(), allow_nan=False))
    assert (summary["schema"], summary["steps"], summary["seeds"]) == (1, 10, 2)
    assert "does not pick it" in summary["statement"]
