"""The one look: what all figures share."""

import itertools
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.text import Text

from ravine.base.errors import InputError
from ravine.report._styles import styles, theme_named
from ravine.report.drawing import (
    blank,
    checked,
    dress,
    headed,
    key,
    label_ends,
    mark_level,
    name_decades,
    rendered,
    save,
    short_name,
    spread,
    titled,
)

LOOK = theme_named("light")


def axes():
    found = blank((4.0, 3.0), LOOK).subplots()
    dress(found, LOOK)
    return found


@given(st.lists(st.floats(0, 1), max_size=12).map(sorted))
def test_spread_keeps_the_order_the_gap_and_the_panel(heights):
    placed = spread(heights, gap=0.05)
    assert all(b - a >= 0.05 - 1e-9 for a, b in itertools.pairwise(placed))
    assert all(-1e-9 <= height <= 1 + 1e-9 for height in placed)


def test_spread_moves_as_little_as_it_can():
    assert spread([0.1, 0.5, 0.9], gap=0.05) == pytest.approx([0.1, 0.5, 0.9])
    assert spread([0.5, 0.5, 0.9], gap=0.1) == pytest.approx([0.45, 0.55, 0.9])
    assert spread([], gap=0.1) == []


def test_names_at_the_ends_do_not_overlap_and_keep_their_order():
    found = axes()
    found.plot([0, 1], [0, 1])
    names = ["sgd", "adam", "lion"]
    label_ends(found, {name: (1.0, 0.5 + index / 1000) for index, name in enumerate(names)}, styles(names, LOOK), LOOK, gap=0.08)
    found.figure.canvas.draw()
    # Of the words alone, without the lines that lead to them.
    boxes = {text.get_text(): Text.get_window_extent(text) for text in found.texts}
    assert boxes["sgd"].y1 <= boxes["adam"].y0
    assert boxes["adam"].y1 <= boxes["lion"].y0


def test_two_and_five_are_named_between_powers_of_ten():
    found = axes()
    found.set_yscale("log")
    name_decades(found.yaxis, "{:.3f}".format)
    major, minor = found.yaxis.get_major_formatter(), found.yaxis.get_minor_formatter()
    assert [major(0.1, 0), *(minor(value, 0) for value in (0.2, 0.3, 0.5))] == ["0.100", "0.200", "", "0.500"]
    name_decades(found.yaxis, between=False)
    assert found.yaxis.get_minor_formatter()(0.2, 0) == ""


@pytest.mark.parametrize(("low", "high"), [(0.76, 1.25), (2.12, 2.31), (0.3, 0.9), (13, 44), (4.0, 11)])
def test_a_short_logarithmic_axis_names_at_least_two_numbers(low, high):
    found = axes()
    found.set_yscale("log")
    found.set_ylim(low, high)
    name_decades(found.yaxis)
    found.figure.canvas.draw()
    named = {tick.get_text() for tick in found.get_yticklabels(which="both")}
    shown = [float(text) for text in named if text and low <= float(text) <= high]
    assert 2 <= len(shown) <= 12


def test_titles_and_labels_are_in_the_theme_s_ink():
    found = axes()
    titled(found, LOOK, "a title", across="step", up="loss")
    texts = [found.title, found.xaxis.label, found.yaxis.label]
    assert [found.get_title(loc="left"), found.get_xlabel(), found.get_ylabel()] == ["a title", "step", "loss"]
    assert {text.get_color() for text in texts[1:]} == {LOOK.ink}
    titled(found, LOOK)
    assert found.get_title(loc="left") == "a title", "what is left out stays"


def test_a_head_and_a_level_say_what_they_are():
    found = axes()
    headed(found.figure, LOOK, "a head")
    mark_level(found, 0.3, "target", LOOK)
    assert found.figure.get_suptitle() == "a head"
    assert found.texts[0].get_text() == "target"
    assert list(found.lines[0].get_ydata()) == [0.3, 0.3]


def test_a_key_names_every_style_and_none_is_no_key():
    found = axes()
    key(found.figure, styles(["sgd", "adam"], LOOK), LOOK)
    assert [text.get_text() for text in found.figure.legends[0].get_texts()] == ["sgd", "adam"]
    key(found.figure, {}, LOOK)
    assert len(found.figure.legends) == 1


def test_a_long_name_keeps_its_beginning_and_its_end():
    assert short_name("adam") == "adam"
    long = short_name("a_name_that_is_far_too_long_for_any_figure#2")
    assert (len(long), long[-2:], long[:6]) == (30, "#2", "a_name")


@pytest.mark.parametrize(("kind", "start"), [("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF")])
def test_equal_figures_have_equal_bytes(kind, start):
    assert rendered(axes().figure, kind) == rendered(axes().figure, kind)
    assert rendered(axes().figure, kind).startswith(start)


def test_a_file_is_written_whole_or_not_at_all(tmp_path):
    save(axes().figure, tmp_path / "a.PNG")
    assert [path.name for path in tmp_path.iterdir()] == ["a.PNG"]
    with pytest.raises(InputError, match="cannot be written: No such file or directory; check the folder"):
        save(axes().figure, tmp_path / "nowhere" / "a.png")
    with pytest.raises(InputError, match=r"a\.gif: a figure's name must end in \.pdf, \.png, \.svg; give such a name"):
        checked(Path("a.gif"))
