import pytest
import torch

from ravine.optim import _drivers
from ravine.rules import Rule
from ravine.rules.adam import Adam
from ravine.rules.sgd import SGD

SCALARS = {"lr": 0.5, "l2": 0.0, "momentum": 0.0, "gain": 1.0}


class Whole(Rule):
    """A rule that needs whole tensors."""

    name = "whole"
    granularity = "tensor"
    hypers = ()

    def scalars(self, h, t):
        return {}

    def update(self, p, g, s, c):
        return -g / g.norm(), {}


@pytest.mark.parametrize("name", ["auto", "foreach"])
def test_foreach_runs_element_rules_only(name):
    assert _drivers.pick(name, SGD()) is _drivers.foreach
    assert _drivers.pick(name, Whole()) is _drivers.per_tensor


def test_named_drivers_are_taken_literally():
    assert _drivers.pick("per_tensor", SGD()) is _drivers.per_tensor
    assert _drivers.pick("compiled", Whole()) is _drivers.compiled


@pytest.mark.parametrize(
    ("dtype", "wide"),
    [(torch.float64, torch.float64), (torch.float32, torch.float32), (torch.bfloat16, torch.float32), (torch.float16, torch.float32)],
)
def test_arithmetic_is_never_narrower_than_float32(dtype, wide):
    assert _drivers.compute_dtype(dtype) == wide


@pytest.mark.parametrize("driver", [_drivers.per_tensor, _drivers.foreach])
def test_half_precision_is_rounded_once(driver):
    # Two roundings of bfloat16, of the step and of the sum, would leave 1.0 where it is.
    param, grad = torch.ones(1, dtype=torch.bfloat16), torch.full((1,), 2**-7 + 2**-9, dtype=torch.bfloat16)
    driver(SGD(), SCALARS, [param], [grad], [{}])
    assert param.item() == 1.0 - 2**-8
    assert param.dtype == torch.bfloat16


@pytest.mark.parametrize("driver", [_drivers.per_tensor, _drivers.foreach])
def test_states_are_new_tensors_and_parameters_the_same(driver):
    params, grads = [torch.ones(2), torch.ones(3)], [torch.ones(2), torch.ones(3)]
    states = [{"m": torch.zeros(2), "v": torch.zeros(2)}, {"m": torch.zeros(3), "v": torch.zeros(3)}]
    addresses = [param.data_ptr() for param in params]
    c = {"keep1": 0.5, "take1": 0.5, "keep2": 0.5, "take2": 0.5, "step": 0.1, "correct": 1.0, "eps": 0.0}
    updated = driver(Adam(), c, params, grads, states)
    assert [param.data_ptr() for param in params] == addresses
    assert [state["m"].tolist() for state in updated] == [[0.5] * 2, [0.5] * 3]
    assert [state["m"].tolist() for state in states] == [[0.0] * 2, [0.0] * 3]


def test_one_large_tensor_is_its_own_bucket(monkeypatch):
    monkeypatch.setattr(_drivers, "BUCKET_ELEMENTS", 4)
    sizes = [5, 1, 3, 1]
    assert [sizes[bucket] for bucket in _drivers._buckets([torch.zeros(size) for size in sizes])] == [[5], [1, 3], [1]]


def test_stacks_hold_equal_shapes_of_a_limited_size(monkeypatch):
    monkeypatch.setattr(_drivers, "STACK_ELEMENTS", 10)
    monkeypatch.setattr(_drivers, "LARGEST_STACKED_ON_CPU", 8)
    params = [torch.zeros(shape) for shape in ((2, 2), (3, 3), (2, 2), (2, 2), (3, 3), (0, 2))]
    assert list(_drivers._alike(params)) == [[0, 2], [3], [1], [4], [5]]
    params[2] = params[2].double()
    assert list(_drivers._alike(params))[:2] == [[0, 3], [1]]
