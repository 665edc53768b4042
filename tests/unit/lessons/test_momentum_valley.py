import math

import numpy as np
import pytest

from lesson_checks import holding, measured, quick
from ravine.lessons import momentum_valley as lesson


def test_momentum_helps_in_a_valley_and_not_on_a_bowl():
    found = measured("momentum-valley", lesson.Settings(conditions=(1, 10, 40), starts=2))
    assert (np.array(found.numbers["round"].values) < 0).all()
    assert (np.array(found.numbers["grows"].values) > 0).all()


def test_a_valley_that_is_none_fails():
    found = measured("momentum-valley", lesson.Settings(conditions=(1, 10, 2), starts=3))
    told = holding(lesson.PARTS, found.numbers)
    assert told["long"] is False
    assert told["grows"] is False


def test_theory_grows_like_the_root():
    """For large k the factors are 1 - 2/root(k) and 1 - 2/k, whose logarithms have the ratio root(k)."""
    for condition in (100, 10_000):
        assert lesson._theory(condition) == pytest.approx(math.sqrt(condition), rel=0.01)


@pytest.mark.slow
def test_the_quick_form():
    quick("momentum-valley")
