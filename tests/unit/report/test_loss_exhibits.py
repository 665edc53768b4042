"""Loss shapes and loss scaling as text and pictures: what is drawn is what was computed."""

import numpy as np
import pytest

from ravine.base.errors import InputError
from ravine.exhibits import LossSettings, cast_gradients, losses_at
from ravine.report.loss_exhibits import loss_scaling_figure, loss_scaling_text, loss_shapes_figure, loss_shapes_text


def rows(text):
    return [line.split() for line in text.splitlines() if line.strip()]


def test_a_table_of_losses_has_the_textbook_s_numbers():
    text = loss_shapes_text(losses_at([0.01, 0.5], ["cross_entropy", "squared"]))
    assert ["0.01", "cross_entropy", "4.605", "-100", "-0.99"] in rows(text)
    assert ["0.01", "squared", "0.9801", "-1.98", "-0.0196"] in rows(text)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_three_panels_of_curves(theme, tmp_path):
    shapes = losses_at()
    figure = loss_shapes_figure(shapes, tmp_path / "l.png", theme=theme)
    assert (tmp_path / "l.png").stat().st_size > 1000
    for axes, part in zip(figure.axes, ("values", "slopes", "logit_slopes"), strict=True):
        drawn = [np.asarray(line.get_ydata()) for line in axes.lines]
        assert len(drawn) == 6
        for line, shape in zip(drawn, shapes.shapes, strict=True):
            assert line == pytest.approx(np.abs(getattr(shape, part)))
    assert figure.axes[1].get_yscale() == "log"
    assert "cross-entropy 4.61" in figure.axes[0].texts[0].get_text()
    looks = {(line.get_color(), line.get_linestyle(), line.get_marker()) for line in figure.axes[0].lines}
    assert len(looks) == 6


def test_the_key_says_what_the_losses_leave_open():
    figure = loss_shapes_figure(losses_at(None, ["focal", "huber"], LossSettings(gamma=5, delta=0.25)))
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["focal, gamma 5", "huber, delta 0.25"]
    assert loss_shapes_figure(losses_at([0.3, 0.4])).axes[0].texts[:] == [], "no number that was not computed"


def test_few_gradients_have_a_column_each():
    text = loss_scaling_text(cast_gradients([1e-3, 4e-8, 9e-9], ["fp16"]))
    assert ["fp16", "1", "65,504", "5.96e-08", "0.001", "5.96e-08*", "vanishes"] in rows(text)
    assert ["fp16", "2¹⁵", "65,504", "5.96e-08", "0.001", "4e-08", "9e-09"] in rows(text)
    assert "A star: among the format's smallest numbers" in text


def test_many_gradients_have_shares():
    text = loss_scaling_text(cast_gradients(np.geomspace(1e-9, 1, 30), ["bf16"], [1.0]))
    assert ["bf16", "1", "3.39e+38", "9.18e-41", "100", "%", "0", "%", "0", "%", "0", "%"] in rows(text)


def test_dots_say_what_became_of_each_gradient():
    found = cast_gradients([1.0, 4e-8, 9e-9, 3e9], ["fp16"], [1.0])
    axes = loss_scaling_figure(found).axes[0]
    dots = {float(line.get_xdata()[0]): (line.get_marker(), line.get_markerfacecolor()) for line in axes.lines}
    assert {g: mark for g, (mark, _) in dots.items()} == {1.0: "o", 4e-8: "o", 9e-9: "x", 3e9: "^"}
    assert dots[4e-8][1] == "none" != dots[1.0][1]
    normal, subnormal = axes.patches
    assert (normal.get_x(), normal.get_x() + normal.get_width()) == (2.0**-14, 65504)
    assert subnormal.get_x() == 2.0**-24
    low, high = axes.get_xlim()
    assert low < 9e-9
    assert high > 3e9


def test_a_scale_moves_the_range_and_is_named():
    axes = loss_scaling_figure(cast_gradients([1.0], ["fp16"], [1.0, 2.0**15, 3.0])).axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["fp16", "fp16 × 2¹⁵", "fp16 × 3"]
    assert axes.patches[2].get_x() == 2.0**-29


def test_many_gradients_have_a_histogram_of_all_of_them(tmp_path):
    found = cast_gradients(np.geomspace(1e-7, 1, 500), source="somewhere")
    figure = loss_scaling_figure(found, tmp_path / "h.svg", theme="dark")
    histogram, ranges = figure.axes
    assert sum(bar.get_height() for bar in histogram.patches) == 500
    assert "500 numbers" in histogram.get_title(loc="left")
    assert "somewhere" in ranges.get_xlabel()
    shares = [text.get_text() for text in ranges.texts]
    assert shares[-1] == "survive"
    assert len(shares) == 1 + len(found.casts)


def test_bad_names_are_refused_before_anything_is_drawn(tmp_path):
    with pytest.raises(InputError, match="must end in"):
        loss_shapes_figure(losses_at([0.5]), tmp_path / "x.gif")
    with pytest.raises(InputError, match="no theme is called"):
        loss_scaling_figure(cast_gradients(), theme="sepia")
