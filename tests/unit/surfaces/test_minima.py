"""Minima of formulas: the lowest ones inside, all that are equally deep, none where the rim is lower."""

import pytest

from ravine.surfaces import minima
from ravine.surfaces.formula import Formula
from ravine.surfaces.functions import create
from ravine.surfaces.minima import find_minima

SQUARE = ((-5.0, 5.0), (-5.0, 5.0))


@pytest.mark.parametrize("name", ["himmelblau", "rastrigin", "styblinski_tang"])
def test_minima_that_are_known_are_found(name):
    surface = create(name)
    found = find_minima(surface.formula, surface.domain)
    assert sorted(found) == [pytest.approx(point, abs=1e-4) for point in sorted(surface.minima)]


@pytest.mark.parametrize("text", ["x**2 - y**2", "x + y", "exp(x)*y", "(x - y)**2", "x**3 - 3*x + y**2"])
def test_none_where_the_rim_is_as_low(text):
    assert find_minima(Formula(text), SQUARE) == ()


def test_places_without_a_height_are_passed_over():
    assert find_minima(Formula("log(x)**2 + y**2"), SQUARE)[0] == pytest.approx((1.0, 0.0), abs=1e-5)
    assert find_minima(Formula("log(-1 - x**2) + y"), SQUARE) == ()


@pytest.mark.parametrize("text", ["0*x + 3", "x**2 + 1e12", "sin(x)", "sin(x + 0.3*y)", "(x**2 + y**2 - 1)**2", "cos(2*pi*x)*cos(2*pi*y)"])
def test_none_where_more_places_are_as_low_than_are_followed(text):
    assert find_minima(Formula(text), SQUARE) == ()


@pytest.mark.parametrize("text", ["log(x)", "log(x**2 + y**2)", "tan(x) + y**2", "log((x - 0.01)**2 + y**2)"])
def test_none_where_it_falls_without_end(text):
    assert find_minima(Formula(text), SQUARE) == ()


def test_the_way_down_ends_where_there_is_no_bottom(monkeypatch):
    calls = []
    evaluate = Formula.__call__
    monkeypatch.setattr(Formula, "__call__", lambda formula, x, y: (calls.append(1), evaluate(formula, x, y))[1])
    monkeypatch.setattr(minima, "FOLLOWED", 1)
    assert find_minima(Formula("log(x + 0.001)"), SQUARE) == ()
    assert len(calls) < 2 * minima.EVALUATIONS


@pytest.mark.parametrize(
    ("text", "wanted"), [("sqrt(x**2 + y**2)", (0.0, 0.0)), ("(x**2 + y**2)**0.1", (0.0, 0.0)), ("sqrt((x - 0.01)**2 + y**2)", (0.01, 0.0))]
)
def test_a_tip_that_has_no_slope_is_found(text, wanted):
    assert find_minima(Formula(text), SQUARE) == (pytest.approx(wanted, abs=1e-6),)
