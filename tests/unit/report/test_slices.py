"""Slices as text and as pictures."""

import dataclasses

import numpy as np
import pytest

from ravine.base.errors import InputError
from ravine.records.slices import LossSlice
from ravine.report.slices import slice_figure, slice_text

SIDE = np.linspace(-1, 1, 9)
PLANE = 0.2 + SIDE[:, None] ** 2 + 3 * SIDE**2


def made(kind, dimensions=2):
    if kind == "around":
        y, losses, path, own = (SIDE, PLANE, np.zeros((1, 2)), [0.2]) if dimensions == 2 else (None, PLANE[4], np.zeros((1, 1)), [0.2])
        return LossSlice("tiny", kind, SIDE, y, losses, path, np.array(own), (), 60, 51, ("A note.",))
    if kind == "between":
        x = np.linspace(-0.25, 1.25, 13)
        return LossSlice("tiny", kind, x, None, 1 - (x - 0.5) ** 2, np.array([[0.0], [1.0]]), np.array([0.75, 0.75]), (), 60, 51)
    path = np.stack([np.linspace(-0.8, 0, 5), np.linspace(0.5, 0, 5) ** 2], axis=1)
    return LossSlice("tiny", kind, SIDE, SIDE, PLANE, path, np.linspace(2, 0.2, 5), (0.9, 0.08), 60, 51)


KINDS = [("around", 1), ("around", 2), ("between", 1), ("trajectory", 2)]


@pytest.mark.parametrize(("kind", "dimensions"), KINDS)
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_picture_of_each(tmp_path, kind, dimensions, theme):
    figure = slice_figure(made(kind, dimensions), tmp_path / "a.png", theme=theme)
    assert (tmp_path / "a.png").stat().st_size > 5000
    (axes,) = figure.axes
    assert len(axes.images) == (dimensions == 2)
    assert axes.get_title(loc="left").startswith("tiny: training loss")


def test_the_path_of_a_trajectory_is_on_its_map():
    (axes,) = slice_figure(made("trajectory")).axes
    np.testing.assert_array_equal(axes.lines[0].get_xydata(), made("trajectory").path)
    words = [text.get_text() for text in axes.texts]
    assert "first 2" in words
    assert "last 0.2" in words
    assert axes.get_xlabel() == "direction 1 (90.0% of the way)"


def test_holes_and_flat_maps_are_drawn():
    for losses in (np.full((9, 9), np.nan), np.ones((9, 9)), np.where(PLANE > 2, np.nan, PLANE), PLANE - 1):
        slice_figure(dataclasses.replace(made("around"), losses=losses))


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (
            "around",
            [
                "training loss around the model, 9 x 9 points; 51 parameters, mean losses over 60 training",
                "Loss of the model 0.2",
                "A note.",
            ],
        ),
        ("between", ["Losses of the models 0.75 and 0.75; barrier between them", "0.25"]),
        ("trajectory", ["90.0% of the trajectory lies along the first direction, 8.0% along the second"]),
    ],
)
def test_what_is_said(kind, words):
    text = slice_text(made(kind))
    assert all(word in text for word in words)
    assert all(len(line) <= 100 for line in text.splitlines())


def test_nothing_finite_is_said_to_be_so():
    assert "nowhere finite" in slice_text(dataclasses.replace(made("around"), losses=np.full((9, 9), np.nan)))


def test_another_ending_is_refused(tmp_path):
    with pytest.raises(InputError, match="must end in"):
        slice_figure(made("around"), tmp_path / "a.gif")
