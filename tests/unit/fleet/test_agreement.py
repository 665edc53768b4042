"""What counts as rounding, and why weights are changed before a comparison."""

import math

import pytest
import torch
from torch import nn

from ravine.fleet.agreement import is_close, shrink


@pytest.mark.parametrize(
    ("value", "reference", "scale", "same"),
    [
        ([1.0, 2.0], [1.0, 2.0], 0.0, True),
        ([1.0, 2.001], [1.0, 2.0], 0.0, True),
        ([1.0, 2.003], [1.0, 2.0], 0.0, False),
        # What is small beside the largest gradient of the model may differ by more of itself.
        ([1e-5], [0.0], 0.0, False),
        ([1e-5], [0.0], 1.0, True),
        ([math.nan], [1.0], 0.0, False),
        ([math.nan, 1.0], [math.nan, 1.0], 0.0, True),
        ([math.inf], [math.nan], 0.0, True),
        ([], [], 0.0, True),
    ],
)
def test_rounding_is_measured_by_the_largest_number(value, reference, scale, same):
    assert is_close(torch.tensor(value), torch.tensor(reference), scale, 1e-3) == same


def test_whole_numbers_agree_or_not():
    assert is_close(torch.tensor([3]), torch.tensor([3]), 0.0, 1.0)
    assert not is_close(torch.tensor([3]), torch.tensor([4]), 100.0, 1.0)


def test_every_parameter_changes_and_no_buffer():
    norm = nn.BatchNorm1d(2)
    shrink(norm)
    assert norm.weight.tolist() == pytest.approx([0.9, 0.9])
    assert norm.running_var.tolist() == [1.0, 1.0]
