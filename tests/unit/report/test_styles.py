import itertools

import pytest

from ravine.base.errors import UnknownNameError
from ravine.report._styles import series, styles, theme_named

LIGHT = theme_named("light")
USUAL = ["sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adam", "adamw", "lion"]


def test_a_usual_name_looks_the_same_in_every_figure():
    together = styles(USUAL, LIGHT)
    for name in USUAL:
        assert styles([name, "muon"], LIGHT)[name] == together[name]


def test_no_two_look_alike():
    names = [*USUAL, "adam#2", "adam#3", *(f"rule{number}" for number in range(15))]
    assert len(set(styles(names, LIGHT).values())) == len(names)


def test_the_same_optimiser_entered_again_keeps_its_colour_with_another_dash():
    found = styles(["adam", "adam#2"], LIGHT)
    assert found["adam"].color == found["adam#2"].color
    assert found["adam"].dash != found["adam#2"].dash


def test_usual_names_differ_in_colour_and_close_relatives_in_dash_too():
    found = styles(USUAL, LIGHT)
    assert len({style.color for style in found.values()}) == len(USUAL)
    assert found["adam"].dash != found["adamw"].dash
    assert found["sgd"].dash != found["momentum"].dash


def test_an_unusual_name_prefers_a_colour_of_its_own():
    found = styles(["adam", "sgd", "muon", "shampoo"], LIGHT)
    assert len({style.color for style in found.values()}) == 4


def test_ink_follows_the_theme():
    assert styles(["adamw"], theme_named("dark"))["adamw"].color == theme_named("dark").ink != LIGHT.ink
    with pytest.raises(UnknownNameError, match="no theme is called 'drak'; did you mean 'dark'"):
        theme_named("drak")


def test_a_series_differs_from_neighbour_to_neighbour_in_colour_dash_and_mark():
    found = list(series([f"curve {number}" for number in range(8)], LIGHT).values())
    assert len(set(found)) == 8
    for one, other in itertools.pairwise(found):
        assert one.color != other.color
        assert one.dash != other.dash
        assert one.mark != other.mark
    assert found[5].dash != found[0].dash, "two blues"
    assert "ink" not in {style.color for style in found}
