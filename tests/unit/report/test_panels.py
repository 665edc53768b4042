import numpy as np
import pytest

from ravine.base.errors import InputError, UnknownNameError
from ravine.report._styles import styles, theme_named
from ravine.report.panels import Bar, Contour, Curve, Panel, Picture, picture_figure

X = np.arange(1.0, 50.0)
CURVES = (Curve(name="sgd", x=X, y=1 / X), Curve(name="adam", x=X, y=1 / X**2, low=0.5 / X**2, high=2 / X**2))


def drawn(*panels, **options):
    return picture_figure(Picture(panels=panels, caption="A caption."), **options)


def colors(axes):
    return [line.get_color() for line in axes.lines]


def test_optimisers_have_their_colours_in_every_panel():
    look = theme_named("light")
    chosen = styles(["sgd", "adam"], look)
    figure = drawn(Panel(title="a", curves=CURVES), Panel(title="b", curves=CURVES[::-1]))
    assert colors(figure.axes[0]) == [chosen["sgd"].color, chosen["adam"].color]
    assert colors(figure.axes[1]) == [chosen["adam"].color, chosen["sgd"].color]
    assert [text.get_text() for text in figure.legends[0].texts] == ["sgd", "adam"]


def test_a_single_panel_names_its_curves_at_their_ends():
    figure = drawn(Panel(title="a", curves=CURVES))
    assert not figure.legends
    assert {text.get_text() for text in figure.axes[0].texts} == {"sgd", "adam"}


def test_a_band_is_filled_and_few_points_have_bars():
    many, few = CURVES[1], Curve(name="adam", x=[1, 2], y=[1, 2], low=[0.5, 1], high=[2, 3])
    assert len(drawn(Panel(title="a", curves=(many,))).axes[0].collections) == 1
    axes = drawn(Panel(title="a", curves=(few,))).axes[0]
    assert [segment.tolist() for segment in axes.collections[0].get_segments()] == [[[1, 0.5], [1, 2]], [[2, 1], [2, 3]]]


def test_a_broken_curve_ends_in_a_cross_within_the_panel():
    curve = Curve(name="sgd", x=[0, 1, 2], y=[1.0, 1e9, np.nan], is_broken=True)
    axes = drawn(Panel(title="a", curves=(curve,), y_range=(0.0, 2.0))).axes[0]
    cross = next(line for line in axes.lines if line.get_marker() == "x")
    assert cross.get_xydata().tolist() == [[1.0, 2.0]]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_bars_show_value_and_interval(theme):
    bars = (Bar(label="one", value=1.0, low=0.5, high=2.0, name="adam"), Bar(label="two", value=3.0))
    axes = drawn(Panel(title="a", bars=bars, levels={"none": 0.0}), theme=theme).axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["one", "two"]
    assert axes.collections[0].get_segments()[0].tolist() == [[0.5, 0], [2.0, 0]]
    assert {"1", "3", "none"} <= {text.get_text() for text in axes.texts}


def test_a_contour_lies_behind_the_curves():
    x, y = np.linspace(-1, 1, 9), np.linspace(-2, 2, 7)
    contour = Contour(x=x, y=y, z=x[None] ** 2 + y[:, None] ** 2 - 3)
    axes = drawn(Panel(title="a", contour=contour, curves=CURVES[:1], x_range=(-1, 1), y_range=(-2, 2))).axes[0]
    assert axes.collections
    assert axes.get_xlim() == (-1, 1)


def test_a_flat_contour_is_no_failure():
    contour = Contour(x=np.arange(3.0), y=np.arange(3.0), z=np.zeros((3, 3)))
    drawn(Panel(title="a", contour=contour, curves=CURVES[:1]))


def test_logarithmic_axes_speak_plain_numbers():
    axes = drawn(Panel(title="a", curves=CURVES, log_y=True, log_x=True)).axes[0]
    assert axes.yaxis.get_major_formatter()(1e-6, 0) == "1e-6"
    assert axes.yaxis.get_major_formatter()(0.01, 0) == "0.01"
    axes.set_ylim(0.01, 1.0)
    assert [axes.yaxis.get_minor_formatter()(value, 0) for value in (0.02, 0.03, 0.05)] == ["0.02", "", "0.05"]


def test_a_long_logarithmic_axis_names_powers_of_ten_only():
    bars = (Bar(label="low", value=1e-4), Bar(label="high", value=1e3))
    axis = drawn(Panel(title="a", bars=bars, log_x=True)).axes[0].xaxis
    assert axis.get_major_formatter()(0.01, 0) == "0.01"
    assert [axis.get_minor_formatter()(value, 0) for value in (0.02, 0.05)] == ["", ""]


def test_levels_and_ticks_are_named():
    axes = drawn(Panel(title="a", curves=CURVES[:1], levels={"target": 0.5}, ticks={1.0: "one"})).axes[0]
    assert axes.texts[0].get_text() == "target"
    assert [label.get_text() for label in axes.get_xticklabels()] == ["one"]


def test_an_empty_place_in_the_grid_is_blank():
    figure = drawn(*(Panel(title=str(index), curves=CURVES) for index in range(3)))
    assert [axes.axison for axes in figure.axes] == [True, True, True, False]


def test_files_and_errors(tmp_path):
    target = tmp_path / "p.svg"
    drawn(Panel(title="a", curves=CURVES), path=target)
    first = target.read_bytes()
    drawn(Panel(title="a", curves=CURVES), path=target)
    assert target.read_bytes() == first
    with pytest.raises(InputError, match=r"must end in \.pdf, \.png, \.svg"):
        drawn(Panel(title="a", curves=CURVES), path=tmp_path / "p.gif")
    with pytest.raises(UnknownNameError, match="no theme is called 'drak'"):
        drawn(Panel(title="a", curves=CURVES), theme="drak")
