import math

import pytest

from lesson_checks import holding, measured, quick
from ravine.lessons import loss_shapes as lesson


def test_the_quick_form_is_supported():
    assert quick("loss-shapes").verdict == "supported"


def test_the_numbers_are_the_formulas():
    numbers = measured("loss-shapes", lesson.Settings(p=0.01)).numbers
    assert numbers["cross-entropy"].values[0] == pytest.approx(-math.log(0.01))
    assert numbers["squared"].values[0] == pytest.approx(0.99**2)


def test_at_another_p_the_stated_numbers_fail():
    told = holding(lesson.PARTS, measured("loss-shapes", lesson.Settings(p=0.02)).numbers)
    assert told == {"cross-entropy": False, "squared": False, "absolute": True}
