"""Minima of formulas: the lowest ones inside, all that are equally deep, none where the rim is lower."""

import pytest

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
