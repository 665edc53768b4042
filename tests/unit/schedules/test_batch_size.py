"""Rates for another batch size."""

import pytest

from ravine.base.errors import InputError, UnknownNameError
from ravine.schedules import scaled_lr


def test_linear_and_square_root():
    assert scaled_lr(0.1, 256, 8192) == pytest.approx(3.2)
    assert scaled_lr(0.1, 256, 64, "linear") == pytest.approx(0.025)
    assert scaled_lr(1e-3, 64, 1024, rule="sqrt") == pytest.approx(4e-3)
    assert scaled_lr(1e-3, 64, 64, rule="sqrt") == 1e-3


def test_there_and_back():
    for rule in ("linear", "sqrt"):
        assert scaled_lr(scaled_lr(0.1, 32, 96, rule), 96, 32, rule) == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ((0.0, 32, 64), "lr=0.0: must be above 0"),
        ((float("nan"), 32, 64), "lr=nan"),
        ((0.1, 0, 64), "old_batch=0: must be a whole number, at least 1"),
        ((0.1, 32, 6.4), "new_batch=6.4"),
    ],
)
def test_unusable_numbers(given, message):
    with pytest.raises(InputError, match=message):
        scaled_lr(*given)


def test_an_unknown_rule():
    with pytest.raises(UnknownNameError, match=r"no rule for batch sizes is called 'square'.*SGD takes 'linear', Adam takes 'sqrt'"):
        scaled_lr(0.1, 32, 64, rule="square")
