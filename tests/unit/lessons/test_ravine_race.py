import numpy as np
import pytest

from lesson_checks import measured, quick
from ravine.lessons import ravine_race as lesson

SMALL = lesson.Settings(condition=50, steps=120, starts=2)


@pytest.fixture(scope="module")
def found():
    return measured("ravine-race", SMALL)


def test_sgd_crosses_the_floor_and_momentum_overshoots(found):
    numbers = {name: np.array(sample.values) for name, sample in found.numbers.items()}
    assert numbers["oscillates"].all()
    assert (numbers["crawls"] > 0).all()
    assert (numbers["overshoots"] > 0.05).all()


def test_a_round_bowl_is_no_ravine():
    """On a bowl no wall is crossed at a good rate and nobody crawls, so that the parts can fail."""
    numbers = measured("ravine-race", lesson.Settings(condition=1, steps=100, starts=2)).numbers
    assert not any(numbers["oscillates"].values)
    assert max(numbers["crawls"].values) < 0


def test_turning_keeps_the_place_in_the_ravine():
    surface = lesson.surfaces.create("ravine:condition=50,angle=45")
    straight = lesson.surfaces.create("ravine:condition=50")
    place = (3.0, -1.2)
    assert float(surface(lesson._turned(place))) == pytest.approx(float(straight(place)))


@pytest.mark.slow
def test_the_quick_form():
    quick("ravine-race")
