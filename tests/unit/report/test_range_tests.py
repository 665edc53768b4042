"""A range test as text and as a picture."""

import numpy as np
import pytest

from ravine.base.errors import InputError
from ravine.records.sweeps import RangeTest
from ravine.report.range_tests import range_figure, range_text


@pytest.fixture
def test():
    rates = np.geomspace(1e-5, 1.0, 50)
    losses = np.stack([2.0 / (1 + 100 * rates), 2.1 / (1 + 100 * rates)], axis=1)
    losses[45:, 0] = np.nan
    return RangeTest("bowl", "sgd", rates, losses, losses, (1e-3, 2e-3), (0.5, None))


def test_the_text_has_the_bounds_of_every_seed_and_says_what_they_are_not(test):
    text = range_text(test)
    assert "bowl, sgd: the rate rises from 1e-05 to 1 in 50 steps" in text
    assert "0.001" in text
    assert "does not pick it" in text
    assert any(line.split()[:1] == ["mean"] and line.split()[-1] == "-" for line in text.splitlines())


def test_the_figure_draws_every_seed_and_marks_the_bounds(test, tmp_path):
    figure = range_figure(test, tmp_path / "range.png")
    (axes,) = figure.axes
    assert (tmp_path / "range.png").stat().st_size > 5_000
    assert axes.get_xscale() == "log"
    assert [text.get_text().strip() for text in axes.texts] == ["first descent", "divergence"]
    assert sum(line.get_label().startswith("seed") for line in axes.lines) == 2


def test_without_bounds_nothing_is_marked(test):
    bare = RangeTest("bowl", "sgd", test.rates, test.losses, test.smoothed, (None, None), (None, None))
    assert not range_figure(bare, theme="dark").axes[0].texts


def test_an_unknown_ending_is_refused(test, tmp_path):
    with pytest.raises(InputError, match="gif"):
        range_figure(test, tmp_path / "range.gif")
