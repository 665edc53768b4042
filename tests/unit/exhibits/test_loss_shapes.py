"""Losses over p: exact values, and slopes against their formulas."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ravine.base.errors import InputError, UnknownNameError
from ravine.exhibits.loss_shapes import LOSSES, POINTS, TEXTBOOK, LossSettings, losses_at

INSIDE = st.floats(1e-6, 1 - 1e-6)


def one(name, p, **settings):
    return losses_at([p], [name], LossSettings(**settings)).shapes[0]


def test_the_textbook_s_numbers():
    assert one("cross_entropy", 0.01).values[0] == pytest.approx(-math.log(0.01), rel=1e-14)
    assert round(float(one("cross_entropy", 0.01).values[0]), 3) == 4.605
    assert one("squared", 0.01).values[0] == pytest.approx(0.9801, rel=1e-14)
    assert one("absolute", 0.01).slopes[0] == one("absolute", 0.9).slopes[0] == -1


@given(INSIDE)
def test_values_and_slopes_are_their_formulas(p):
    e = 1 - p
    formulas = {
        "cross_entropy": (-math.log(p), -1 / p),
        "squared": (e * e, -2 * e),
        "absolute": (e, -1.0),
        "huber": (0.5 * e * e, -e) if e <= 0.5 else (0.5 * (e - 0.25), -0.5),
        "focal": (-e * e * math.log(p), 2 * e * math.log(p) - e * e / p),
        "label_smoothed": (-0.95 * math.log(p) - 0.05 * math.log(e), -0.95 / p + 0.05 / e),
    }
    assert formulas.keys() == LOSSES.keys()
    for name, (value, slope) in formulas.items():
        found = one(name, p)
        assert found.values[0] == pytest.approx(value, rel=1e-9, abs=1e-12)
        assert found.slopes[0] == pytest.approx(slope, rel=1e-6, abs=1e-9)
        assert found.logit_slopes[0] == pytest.approx(slope * p * e, rel=1e-6, abs=1e-9)


def test_what_a_logit_gets_from_a_sure_mistake():
    """Cross-entropy pushes with all its might, the squared error hardly."""
    assert one("cross_entropy", 1e-4).logit_slopes[0] == pytest.approx(-1, abs=1e-3)
    assert one("squared", 1e-4).logit_slopes[0] == pytest.approx(0, abs=1e-3)


def test_settings_take_effect():
    assert one("focal", 0.3, gamma=0).values == pytest.approx(one("cross_entropy", 0.3).values)
    assert one("huber", 0.3, delta=1).values == pytest.approx(one("squared", 0.3).values / 2)
    # Of three classes, the two wrong ones share 0.7.
    smoothed = -(0.9 + 0.1 / 3) * math.log(0.3) - 2 * 0.1 / 3 * math.log(0.35)
    assert one("label_smoothed", 0.3, classes=3).values[0] == pytest.approx(smoothed)
    assert one("cross_entropy", 0.3, classes=50).values[0] == pytest.approx(-math.log(0.3))


def test_without_places_there_are_many_and_those_of_the_textbook():
    shapes = losses_at()
    assert len(shapes.p) >= POINTS
    assert set(TEXTBOOK) <= set(shapes.p.tolist())
    assert (np.diff(shapes.p) > 0).all()
    assert [shape.name for shape in shapes.shapes] == list(LOSSES)
    assert shapes.shape("focal").values.shape == shapes.p.shape


def test_a_summary_is_plain():
    found = losses_at([0.5, 0.25], ["squared"]).summary()
    assert (found["schema"], found["p"]) == (1, [0.25, 0.5])
    assert found["losses"]["squared"]["values"] == [0.5625, 0.25]
    assert found["settings"]["gamma"] == 2.0


@pytest.mark.parametrize(
    ("p", "message"),
    [
        ([0.0], "p=0.0: must be above 1e-300 and below 1. At 0 and 1"),
        ([5e-324], "p=5e-324"),
        ([1.0], "p=1.0"),
        ([float("nan")], "p=nan"),
        ([], "p is empty: must hold"),
    ],
)
def test_a_probability_that_is_none(p, message):
    with pytest.raises(InputError, match=message):
        losses_at(p)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"gamma": -1}, "gamma=-1: must be at least 0"),
        ({"gamma": 1e308}, "gamma=1e[+]308: must be at least 0 and at most 100"),
        ({"delta": 0}, "delta=0: must be above 0 and at most 1"),
        ({"smoothing": 1}, "smoothing=1: must be at least 0 and below 1"),
        ({"classes": 1}, "classes=1: must be a whole number, at least 2"),
    ],
)
def test_settings_that_are_none(settings, message):
    with pytest.raises(InputError, match=message):
        LossSettings(**settings)


def test_an_unknown_loss_has_near_names():
    with pytest.raises(UnknownNameError, match="no loss is called 'cross-entropy'; did you mean 'cross_entropy'"):
        losses_at([0.5], ["cross-entropy"])
