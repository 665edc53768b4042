import pytest

from lesson_checks import holding, measured, quick
from ravine.lessons import elongated_bowl as lesson


def test_the_quick_form_is_supported():
    assert quick("elongated-bowl").verdict == "supported"


@pytest.mark.parametrize(("lr", "steep"), [(0.15, True), (0.26, False)])
def test_a_rate_beyond_the_bound_grows_the_steep_coordinate(lr, steep):
    found = measured("elongated-bowl", lesson.Settings(lr=lr, steps=5))
    assert found.numbers["flat"].values[0] == pytest.approx(abs(1 - 2 * lr))
    assert found.numbers["steep"].values[0] == pytest.approx(abs(1 - 8 * lr))
    assert holding(lesson.PARTS, found.numbers)["steep"] is steep
