"""Single operations: dead and saturated units, and numbers that stop being finite."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from ravine.doctor.operations import Operations, first_tensor


def seen(function, *given):
    operations = Operations()
    with operations:
        function(*given)
    return operations


@pytest.mark.parametrize("function", [torch.relu, functional.relu, nn.ReLU(), torch.Tensor.relu, lambda x: functional.relu_(x.clone())])
def test_units_that_are_zero_on_every_row_are_dead_however_they_are_written(function):
    x = torch.randn(20, 8)
    x[:, :2] = -1.0
    (unit,) = seen(function, x).units
    assert (unit.function, unit.count, unit.dead, unit.always_on) == ("relu", 8, 0.25, 0.0)


def test_units_that_are_zero_on_no_row_are_counted_beside_those_that_are_dead():
    x = torch.randn(20, 8)
    x[:, :2], x[:, 2:5] = -1.0, 1.0
    (unit,) = seen(torch.relu, x).units
    assert (unit.dead, unit.always_on) == (0.25, 0.375)


def test_channels_of_pictures_and_features_of_sequences_are_units():
    x = torch.rand(4, 8, 5, 5) + 0.1
    x[:, 0] = -1.0
    assert seen(torch.relu, x).units[0].dead == pytest.approx(1 / 8)
    y = torch.rand(4, 7, 10) + 0.1
    y[..., :5] = -1.0
    assert seen(torch.relu, y).units[0].dead == pytest.approx(0.5)


@pytest.mark.parametrize(("function", "share"), [(torch.tanh, 0.5), (torch.sigmoid, 0.5)])
def test_units_at_a_bound_on_every_row_are_saturated(function, share):
    x = torch.randn(20, 8)
    x[:, :4] = 50.0
    assert seen(function, x).units[0].saturated == share
    assert seen(function, torch.randn(20, 8)).units[0].saturated == 0.0


@pytest.mark.parametrize(
    ("function", "name"),
    [(torch.log, "log"), (lambda x: x / x, "div"), (torch.rsqrt, "rsqrt"), (lambda x: torch.exp(x + 1e4), "exp")],
)
def test_an_operation_that_leaves_the_finite_numbers_is_noted(function, name):
    (doubtful,) = seen(function, torch.zeros(3)).doubtful
    assert (doubtful.operation, doubtful.is_broken) == (name, True)
    assert seen(function, torch.full((3,), -9.99e3 if name == "exp" else 1.0)).doubtful == []


def test_a_mask_of_infinities_is_none_of_our_business():
    x = torch.randn(3, 3)
    assert seen(lambda: torch.softmax(x.masked_fill(torch.ones(3, 3).triu(1).bool(), float("-inf")), -1)).doubtful == []


def test_a_long_sum_in_half_precision_is_noted():
    assert seen(torch.sum, torch.ones(4096, dtype=torch.float16)).doubtful[0].is_broken is False
    assert seen(torch.sum, torch.ones(4096)).doubtful == []


def test_places_are_those_of_the_innermost_module():
    operations = Operations()
    with operations:
        operations.enter("outer")
        operations.enter("inner")
        torch.relu(torch.randn(3, 4))
        operations.leave()
        torch.relu(torch.randn(3, 4))
        with operations.paused():
            torch.relu(torch.randn(3, 4))
    assert [unit.place for unit in operations.units] == ["inner, relu", "outer, relu"]


def test_the_first_floating_tensor_of_a_tree():
    x = torch.zeros(2)
    assert first_tensor((torch.arange(2), {"a": x})) is x
    assert first_tensor((1, "a")) is None
