import pytest

from lesson_checks import holding, measured, quick
from ravine.lessons import saddle as lesson

SMALL = lesson.Settings(lr=0.05, steps=400, noise=0.01, seeds=8, starts=2)


@pytest.fixture(scope="module")
def numbers():
    return measured("saddle", SMALL).numbers


def test_nothing_but_noise_leaves_the_ridge(numbers):
    assert numbers["ridge"].values == (0.0,)
    assert all(numbers["noise"].values)


def test_momentum_is_sooner(numbers):
    assert min(numbers["momentum"].values) > 0


def test_without_noise_the_ridge_holds_sgd():
    numbers = measured("saddle", lesson.Settings(lr=0.05, steps=200, noise=0.0, seeds=8, starts=2)).numbers
    assert holding(lesson.PARTS, numbers)["noise"] is False


@pytest.mark.slow
def test_the_quick_form():
    quick("saddle")
