"""Pictures of races on surfaces: every path is there, in its optimiser's style, and nothing is blank."""

import numpy as np
import pytest

from ravine.base.errors import InputError
from ravine.report._styles import styles, theme_named
from ravine.report.surfaces import ACROSS, drawn, short_formula, surface_figure
from ravine.surfaces import race
from surface_races import endless, few, many


def test_paths_beside_heights_in_each_ones_own_style():
    figure = surface_figure(few())
    plane, curves = figure.axes[:2]
    chosen = styles([path.optimizer for path in few().paths], theme_named("light"))
    for style in chosen.values():
        assert style.color in [line.get_color() for line in plane.lines]
        assert style.color in [line.get_color() for line in curves.lines]
    assert curves.get_yscale() == "log"
    (key,) = figure.legends
    words = [text.get_text() for text in key.get_texts()]
    assert words[0] == f"sgd, lr 0.2: diverged at step {few().path('sgd').diverged_at}"
    assert words[2] == f"adam, lr 0.3: {few().path('adam').steps_to_minimum} steps"
    assert "there to stay" in curves.get_title(loc="left")


def test_heights_are_those_of_the_paths_up_to_the_floor():
    _, strands = drawn(few(), theme_named("light"))
    x, y = strands[-1].line.get_xydata().T
    assert x.tolist() == list(range(61))
    np.testing.assert_allclose(y, np.maximum(few().path("adam").heights, 1e-12 * few().path("adam").heights[0]))


def test_many_have_a_map_each_the_first_to_arrive_first():
    figure = surface_figure(many())
    names = [axes.get_title(loc="left").split("\n")[0] for axes in figure.axes if axes.get_title(loc="left")]
    heights = [many().path(name).final_height for name in names]
    assert len(names) == len(many().paths)
    assert heights == sorted(heights)
    assert len(figure.axes) % ACROSS == 0
    assert "x from -2 to 2, y from -1 to 3" in figure.get_suptitle()


def test_several_seeds_are_all_drawn_and_named_once():
    found = race("bowl", ["sgd", "adam"], lr=0.1, steps=5, noise=1.0, seeds=(0, 1, 2))
    figure, strands = drawn(found, theme_named("light"))
    assert len(strands) == 12
    assert len(figure.legends[0].get_texts()) == 2
    assert "first there" in figure.axes[1].get_title(loc="left")


def test_without_a_minimum():
    figure = surface_figure(endless())
    assert "lowest height seen" in figure.axes[1].get_title(loc="left")
    words = [text.get_text() for text in figure.legends[0].get_texts()]
    assert "at the end" in words[1]
    assert not any("not reached" in word for word in words)


def test_many_without_a_minimum_are_in_the_order_of_their_heights():
    found = race("x + 0*y", {f"sgd#{number}": {"lr": 1e-3 * number} for number in range(1, 10)}, steps=2, start=(0.0, 0.0))
    figure = surface_figure(found)
    assert "the lowest at the end first" in figure.get_suptitle()
    assert figure.axes[0].get_title(loc="left").startswith("sgd#9\n")


@pytest.mark.parametrize("suffix", ["png", "svg"])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_files(tmp_path, suffix, theme):
    surface_figure(few(), tmp_path / f"a.{suffix}", theme=theme)
    assert (tmp_path / f"a.{suffix}").stat().st_size > 5000


def test_a_race_in_which_all_are_lost_is_no_blank_picture():
    figure = surface_figure(race("bowl", ["sgd", "momentum"], lr=50.0, steps=20))
    assert sum("diverged at step" in text.get_text() for text in figure.axes[0].texts) == 2
    crosses = [line for line in figure.axes[1].lines if line.get_marker() == "x"]
    assert len(crosses) == 2
    assert not any(line.get_clip_on() for line in crosses)


def test_another_ending_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"must end in .pdf, .png, .svg"):
        surface_figure(few(), tmp_path / "a.bmp")


def test_long_formulas_are_shortened():
    assert short_formula(few().surface) == "ravine"
    long = race("x**2 + y**2 + " + " + ".join(["0*x"] * 20), ["sgd"], lr=0.1, steps=1).surface
    assert len(short_formula(long)) == 48
