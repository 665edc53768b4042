"""Depth and time as text and pictures."""

import numpy as np
import pytest

from ravine.exhibits import DepthStudy, Levels, Network, Recurrence, TimeLevels, TimeStudy
from ravine.report.depth_exhibits import depth_figure, depth_text, time_figure, time_text

DEPTH = 5


def falling(factor, seeds=3):
    """Levels that each layer multiplies by `factor` on the way back."""
    level = factor ** np.arange(DEPTH - 1, -1, -1.0)
    return np.stack([level * (1 + 0.1 * seed) for seed in range(seeds)])


@pytest.fixture(scope="module")
def study():
    flat = np.ones((3, DEPTH))
    networks = {Network("sigmoid", "xavier"): falling(1e-10), Network("relu", "he"): falling(1.0)}
    return DepthStudy(tuple(Levels(network, flat, levels, levels) for network, levels in networks.items()), 64)


@pytest.fixture(scope="module")
def times():
    parts = falling(2.0)[:, ::-1].copy()
    parts[:, 0] = 0.0
    levels = [TimeLevels(Recurrence("rnn", gain), falling(0.5), parts, np.full(3, 100.0), 1.0) for gain in (1.0, 2.0)]
    return TimeStudy(tuple(levels), 64)


def test_a_table_says_what_a_layer_multiplies(study):
    lines = depth_text(study).splitlines()
    sigmoid = next(line for line in lines if line.startswith(" sigmoid, xavier"))
    assert sigmoid.split()[-3:] == ["1e-10", "[1e-10,", "1e-10]"]
    assert "5 layers of 64, 3 seeds" in lines[-3] + lines[-2] + lines[-1]
    assert all(len(line) <= 100 for line in lines)


def test_curves_are_medians_read_from_left_to_right_as_they_are_computed(study):
    forward, backward = depth_figure(study).axes
    assert forward.get_xlim() == (1, DEPTH)
    assert backward.get_xlim() == (DEPTH, 1)
    line = next(line for line in backward.lines if len(line.get_xdata()) == DEPTH)
    assert list(line.get_xdata()) == [5, 4, 3, 2, 1]
    assert line.get_ydata() == pytest.approx(falling(1e-10)[1, ::-1])
    assert [text.get_text() for text in backward.texts if "," in text.get_text()] == ["sigmoid, xavier", "relu, he"]


def test_where_narrow_numbers_end_is_marked_where_it_is_in_sight(study):
    forward, backward = depth_figure(study, theme="dark").axes
    assert {"float16 ends"} <= {text.get_text() for text in backward.texts}
    assert "float16 ends" not in {text.get_text() for text in forward.texts}


def test_what_underflowed_breaks_off_without_a_warning(tmp_path):
    gone = np.array([[0.0, 0.0, 1e-20, 1.0], [0.0, 1e-30, 1e-10, 1.0], [0.0, 0.0, 1e-12, 1.0]])
    one = Levels(Network("sigmoid", "small"), np.ones((3, 4)), gone, gone)
    backward = depth_figure(DepthStudy((one,)), tmp_path / "d.png").axes[1]
    line = backward.lines[0]
    assert np.isfinite(line.get_ydata()).tolist() == [True, True, False, False]
    assert [text.get_text() for text in backward.texts if text.get_text() == "sigmoid, small"]
    assert "0 [0, 0]" in depth_text(DepthStudy((one,)))


def test_one_layer_and_one_seed_are_drawn():
    one = Levels(Network(), np.ones((1, 1)), np.ones((1, 1)), np.ones((1, 1)))
    forward = depth_figure(DepthStudy((one,))).axes[0]
    assert forward.get_xlabel() == "layer (one seed)"
    assert " -" in depth_text(DepthStudy((one,)))


def test_clipping_is_drawn_beside_what_was_before(times):
    signals, parts = time_figure(times).axes
    assert list(signals.lines[0].get_xdata()) == list(range(DEPTH))
    solid, faint = parts.lines[0], parts.lines[2]
    # The first step's part is 0 and left out.
    assert len(solid.get_xdata()) == DEPTH - 1
    assert faint.get_ydata() == pytest.approx(100 * np.asarray(solid.get_ydata()))
    assert faint.get_alpha() < 1
    assert "clipped to 1 (faint: before)" in parts.get_title(loc="left")


def test_without_clipping_nothing_is_said_of_it(times):
    free = TimeStudy(tuple(TimeLevels(one.recurrence, one.signals, one.parts, one.norms) for one in times.levels))
    parts = time_figure(free).axes[1]
    assert parts.get_title(loc="left") == "each step's part"
    assert len(parts.lines) == 2
    assert "nothing is clipped" in time_text(free).replace("\n", " ")


def test_a_table_says_what_clipping_does(times):
    line = next(line for line in time_text(times).splitlines() if "gain 2" in line)
    assert line.split()[-2:] == ["100", "0.01"]
