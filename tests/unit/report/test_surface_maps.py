"""One map: contours, places, and paths that end where the picture does."""

import numpy as np
import pytest

from ravine.report._styles import styles, theme_named
from ravine.report.drawing import blank
from ravine.report.surface_maps import draw_path, draw_surface, ground_of, mixed
from surface_races import endless, few

LOOK = theme_named("light")


def drawn(race, name, **rest):
    figure = blank((4, 3), LOOK)
    axes = figure.subplots()
    draw_surface(axes, race.surface, LOOK)
    strand = draw_path(axes, race.surface, race.path(name), styles([name], LOOK)[name], LOOK, **rest)
    return axes, strand


def test_a_path_inside_is_drawn_whole():
    axes, strand = drawn(few(), "adam")
    np.testing.assert_array_equal(strand.line.get_xydata(), few().path("adam").positions)
    assert axes.get_xlim() == few().surface.domain[0]
    assert len(axes.images) == 1
    assert "start" in [text.get_text() for text in axes.texts]


def test_a_lost_path_ends_at_the_edge_with_a_cross_and_says_when():
    axes, strand = drawn(few(), "sgd")
    (left, right), (low, high) = few().surface.domain
    x, y = strand.line.get_xydata().T
    assert left <= x.min() <= x.max() <= right
    assert low - 1e-9 <= y.min() <= y.max() <= high + 1e-9
    assert min(abs(y[-1] - low), abs(y[-1] - high)) < 1e-9
    assert f"sgd diverged at step {few().path('sgd').diverged_at}" in [text.get_text() for text in axes.texts]
    assert "x" in [mark.get_marker() for mark in strand.marks if hasattr(mark, "get_marker")]


def test_a_path_that_ends_outside_says_so():
    axes, strand = drawn(endless(), "sgd")
    assert strand.line.get_xydata()[-1].tolist() == [-5.0, 0.0]
    assert "sgd ends outside" in [text.get_text() for text in axes.texts]


def test_words_at_crosses_stand_in_lines_of_their_own():
    heights = [next(text for text in drawn(few(), "sgd", line=line)[0].texts if "sgd" in text.get_text()).xyann[1] for line in (0, 1)]
    assert abs(heights[1] - heights[0]) == 12


def test_small_maps_have_neither_words_nor_ticks():
    figure = blank((2, 2), LOOK)
    axes = figure.subplots()
    draw_surface(axes, few().surface, LOOK, ground=ground_of(few().surface, LOOK, (2.0, 1.0)))
    draw_path(axes, few().surface, few().path("sgd"), styles(["sgd"], LOOK)["sgd"], LOOK, is_small=True)
    assert [text.get_text() for text in axes.texts] == []
    assert axes.get_xticks().tolist() == []


def test_the_ground_of_small_maps_is_the_contours():
    ground = ground_of(few().surface, LOOK, (2.0, 1.0))
    assert ground.shape == (150, 300, 4)
    assert ground[75, 150, :3].mean() < ground[2, 150, :3].mean() - 10


def test_a_flat_surface_and_holes_are_drawn():
    from dataclasses import replace

    for heights in (np.zeros((3, 3)), np.full((3, 3), np.nan), np.array([[1.0, np.nan, 2.0]] * 3), np.ones((3, 3))):
        axes = blank((2, 2), LOOK).subplots()
        draw_surface(axes, replace(few().surface, x=np.arange(3.0), y=np.arange(3.0), heights=heights), LOOK)


def test_mixing_ink_into_paper():
    assert mixed(LOOK, 0.0) == pytest.approx((1.0, 1.0, 1.0))
    assert max(mixed(LOOK, 1.0)) < 0.2
