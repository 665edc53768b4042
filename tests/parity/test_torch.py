"""Float64 parity with `torch.optim`: 60 steps, lr changing at every step, two groups, and steps without a gradient."""

import pytest
import torch

from cases import CASES
from streams import SHAPES, give_gradients, parameters, rate, values

STEPS = 60
TOLERANCE = 1e-12


@pytest.mark.parametrize("driver", ["per_tensor", "foreach"])
@pytest.mark.parametrize("case", [case for case in CASES if case.torch_class], ids=lambda case: case.id)
def test_equals_torch(case, driver):
    ours, theirs = (parameters(case.shapes or SHAPES) for _ in range(2))
    mine = case.build(case.groups(ours[:2], ours[2:]), driver=driver)
    oracle = case.torch_class(case.groups(theirs[:2], theirs[2:]), **case.full)
    peaks = [group["lr"] for group in oracle.param_groups]
    for step in range(STEPS):
        for optimizer in (mine, oracle):
            for group, peak in zip(optimizer.param_groups, peaks, strict=True):
                group["lr"] = peak * rate(step)
        for params in (ours, theirs):
            give_gradients(params, step, skip=(1, 3) if step % 7 == 4 else ())
        mine.step()
        oracle.step()
        assert largest_difference(ours, theirs) <= TOLERANCE, f"step {step}"
    assert largest_difference(ours, parameters(case.shapes or SHAPES)) > 1e-2


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


def largest_difference(ours, theirs):
    """Largest difference as a share of the largest weight."""
    size = max(value.abs().max().item() for value in values(theirs) if value.numel())
    return max((a - b).abs().max().item() for a, b in zip(values(ours), values(theirs), strict=True) if a.numel()) / size
