"""Surfaces: their minima are minima, their starts are good, and a text names one or says what it could be."""

import dataclasses
import math

import numpy as np
import pytest
import torch

from ravine.base.errors import InputError, UnknownNameError
from ravine.surfaces.functions import REGISTRY, Surface, create, names


def slope(surface, point):
    place = torch.tensor(point, dtype=torch.float64, requires_grad=True)
    (found,) = torch.autograd.grad(surface.formula(*place.unbind()), place)
    return found.numpy()


SURFACES = [*names(), "ravine:condition=100,angle=30", "ravine:angle=90"]


@pytest.mark.parametrize("text", SURFACES)
def test_minima_are_minima(text):
    surface = create(text)
    heights = surface(surface.minima)
    assert heights == pytest.approx(heights[0], abs=1e-9)
    turn = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    for point in surface.minima:
        for radius in (1e-3, surface.tolerance):
            around = np.array(point) + radius * np.stack([np.cos(turn), np.sin(turn)], axis=1)
            assert (surface(around) > heights[0]).all()
        if text != "ackley":  # whose tip is a cone
            assert slope(surface, point) == pytest.approx([0, 0], abs=1e-6)


@pytest.mark.parametrize("text", SURFACES)
def test_nothing_in_the_picture_lies_below_the_minima(text):
    surface = create(text)
    x, y = (np.linspace(low, high, 101) for low, high in surface.domain)
    assert surface(np.stack(np.meshgrid(x, y), axis=-1)).min() >= surface.floor - 1e-9


@pytest.mark.parametrize("text", SURFACES)
def test_paths_begin_inside_and_away_from_the_minimum(text):
    surface = create(text)
    (left, right), (low, high) = surface.domain
    assert left < surface.start[0] < right
    assert low < surface.start[1] < high
    assert min(math.dist(surface.start, point) for point in surface.minima) > 10 * surface.tolerance
    assert surface.source
    assert surface.summary


@pytest.mark.parametrize(
    ("name", "height"),
    [
        ("rosenbrock", 0.0),
        ("beale", 0.0),
        ("himmelblau", 0.0),
        ("rastrigin", 0.0),
        ("ackley", 0.0),
        ("styblinski_tang", -78.33233140754282),
    ],
)
def test_heights_of_minima_are_those_of_the_literature(name, height):
    assert create(name).floor == pytest.approx(height, abs=1e-12)


def test_a_ravine_has_its_condition_number_at_any_angle():
    surface = create("ravine", condition=50.0, angle=25.0)
    place = torch.tensor([0.3, -0.2], dtype=torch.float64)
    curvature = torch.autograd.functional.hessian(lambda place: surface.formula(*place.unbind()), place)
    assert torch.linalg.eigvalsh(curvature).tolist() == pytest.approx([1.0, 50.0])
    assert create("ravine").formula.text == "0.5*(x**2 + 20*y**2)"


def test_settings_in_the_text_and_beside_it():
    assert create("ravine:condition=100").formula == create("ravine", condition=100).formula
    assert create("monkey-saddle").name == "monkey_saddle"
    assert create("bowl", start=(1.0, 1.0)).start == (1.0, 1.0)
    assert create("bowl", domain=((-1, 1), (-2, 2))).domain == ((-1, 1), (-2, 2))


def test_a_formula_of_ones_own():
    surface = create("(x - 1)**2 + 4*(y + 2)**2", start=(3.0, 2.0))
    assert surface.minima[0] == pytest.approx((1.0, -2.0), abs=1e-6)
    assert surface.start == (3.0, 2.0)
    assert float(surface([1.0, 0.0])) == 16.0


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("rosenbrok", "no surface is called 'rosenbrok'; did you mean 'rosenbrock'?"),
        ("ravine:conditon=3", "no setting of 'ravine' is called 'conditon'; did you mean 'condition'?"),
    ],
)
def test_unknown_names_offer_the_nearest(text, words):
    with pytest.raises(UnknownNameError) as raised:
        create(text)
    assert words in str(raised.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("bowl:condition=3", "has no settings"),
        ("ravine:condition", "must be NAME=VALUE"),
        ("ravine:angle=1,angle=2", "given twice"),
        ("ravine:condition=0.5", "must be at least 1"),
        ("ravine:condition=abc", "must be a number"),
        ("log(x)", "no finite height at its start"),
        ("sqrt(x + 3)", "no finite slope in x at its start"),
    ],
)
def test_bad_input_is_one_sentence(text, words):
    with pytest.raises(InputError, match=words):
        create(text)


def test_a_formula_has_no_settings():
    with pytest.raises(InputError, match="a formula has no settings"):
        create("x**2 + y**2", condition=3)


def test_no_text_at_all():
    with pytest.raises(InputError, match="must be text"):
        create(3)


@pytest.mark.parametrize("change", [{"domain": ((1.0, 1.0), (0.0, 1.0))}, {"tolerance": 0.0}, {"domain": ((0.0, math.inf), (0.0, 1.0))}])
def test_a_surface_refuses_what_cannot_be_drawn(change):
    with pytest.raises(InputError):
        dataclasses.replace(create("bowl"), **change)


def test_registry_names_are_what_they_make():
    assert [REGISTRY[name]().name for name in names()] == list(names())
    assert isinstance(create("bowl"), Surface)


def test_heights_that_cannot_be_drawn_count_as_infinite():
    surface = create("1e302*x**3 + y", start=(0.0, 0.0))
    assert surface([[1.0, 0.0], [-1.0, 0.0], [0.0, 2.0]]).tolist() == [math.inf, -math.inf, 2.0]
    with pytest.raises(InputError, match="no finite height at its start"):
        create("1e308*sin(x)")


def test_a_domain_wider_than_numbers_is_named_as_the_domain():
    with pytest.raises(InputError, match=r"the domain of .* must ascend and be finite"):
        create("x**2", domain=((-1e308, 1e308), (-1.0, 1.0)))
