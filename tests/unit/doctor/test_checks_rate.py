"""The rung `rate`: a rate outside, near the top, and inside."""

import numpy as np
import pytest

from ravine.doctor.checks_rate import rate, working_rate
from ravine.records.sweeps import RangeTest


def bounds(descents=(1e-3, 2e-3), divergences=(1.0, 2.0)):
    rates = np.geomspace(1e-7, 1e1, 100)
    return RangeTest("t", "adamw", rates, np.ones((100, 2)), np.ones((100, 2)), descents, divergences)


@pytest.mark.parametrize(
    ("lr", "expected"),
    [
        (1e-6, [("error", "the rate is too low")]),
        (5e-5, [("warning", "the rate is too low")]),
        (1e-3, []),
        (0.1, []),
        (0.5, [("warning", "the rate is near the top")]),
        (1.0, [("error", "the rate is too high")]),
        (None, []),
    ],
)
def test_where_a_rate_lies(lr, expected):
    assert [(finding.severity, finding.title) for finding in rate(bounds(), lr).findings] == expected


@pytest.mark.parametrize(("descent", "remedy"), [(0.0119, "lr=0.002"), (0.0151, "lr=0.002"), (0.02, "lr=0.002"), (0.96, "lr=0.1")])
def test_the_rate_that_is_advised_is_above_the_bound(descent, remedy):
    (found,) = rate(bounds(descents=(descent, 1.0)), 1e-3).findings
    assert f"Use {remedy} or more" in found.remedy


def test_without_a_descent_nothing_is_known():
    none = bounds(descents=(None, None))
    assert rate(none, None).rung.verdict == "unknown"
    assert [finding.title for finding in rate(none, 1e-3).findings] == ["the loss falls at no rate"]


def test_the_rate_of_the_short_training_lies_inside():
    assert working_rate(bounds(), 1e-2) == 1e-2
    assert working_rate(bounds(), 1.0) == pytest.approx(0.1)
    assert working_rate(bounds(descents=(0.5, 0.5), divergences=(None, None)), 1e-4) == pytest.approx(0.05)
    assert working_rate(bounds(descents=(None, None), divergences=(None, None)), 1e-3) == 1e-3
