import numpy as np
import pytest

from lesson_checks import measured, quick
from ravine.lessons import best_rate_quadratic as lesson

SMALL = lesson.Settings(steps=60, starts=2, rates=5)


@pytest.fixture(scope="module")
def also():
    return measured("best-rate-quadratic", SMALL).also


def test_sgd_ends_where_the_formula_says(also):
    """Each coordinate is multiplied by 1 - lr curvature at each of 60 steps."""
    places = lesson.starts(2, 0, x=(0.5, 2.0), y=(0.5, 2.0))
    heights = [0.5 * (20 * (x * (1 - 20 * 0.04) ** 60) ** 2 + (y * (1 - 0.04) ** 60) ** 2) for x, y in places]
    assert also["log10 of SGD's final height at 0.04"].values == pytest.approx(np.log10(heights), abs=1e-6)


def test_the_best_rate_is_the_lowest_of_those_that_were_tried(also):
    """Of 0.001, 0.0056, 0.032, 0.18 and 1: SGD's limit is 0.1, and below it larger is faster."""
    assert any(label.startswith("log10 of SGD's height at its best rate, median 0.0316") for label in also)


@pytest.mark.slow
def test_the_quick_form_holds_only_at_the_stated_rates():
    assert quick("best-rate-quadratic").verdict == "holds only at the stated settings"
