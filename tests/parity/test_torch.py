"""Float64 parity with `torch.optim`: 60 steps, lr changing at every step, two groups, and steps without a gradient."""

import pytest
import torch

from cases import CASES
from oracles import TOLERANCE, from_torch
from streams import SHAPES, give_gradients, parameters


@pytest.mark.parametrize("driver", ["per_tensor", "foreach"])
@pytest.mark.parametrize("case", [case for case in CASES if case.torch_class], ids=lambda case: case.id)
def test_equals_torch(case, driver):
    assert from_torch(case, driver) <= TOLERANCE


@pytest.mark.parametrize("case", [case for case in CASES if case.torch_class], ids=lambda case: case.id)
def test_state_equals_torch(case):
    ours, theirs = (parameters(case.shapes or SHAPES) for _ in range(2))
    mine, oracle = case.build(ours), case.torch_class(theirs, **case.full)
    for step in range(5):
        for params, optimizer in ((ours, mine), (theirs, oracle)):
            give_gradients(params, step)
            optimizer.step()
    saved = mine.state_dict()["state"]
    for index, state in oracle.state_dict()["state"].items():
        for key, value in state.items():
            torch.testing.assert_close(saved[index][key], value, rtol=1e-12, atol=1e-14)
