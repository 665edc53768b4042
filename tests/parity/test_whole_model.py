"""Float64 parity of rules that look at the whole model, average or take the curvature: 60 steps, changing lr, missing gradients."""

import pytest
import torch

from cases import CASES
from oracles import SMALL, WHOLE_TOLERANCE, from_whole, has
from streams import give_gradients, parameters, values

PAIRS = [(case, name) for case in CASES for name in case.whole]


@pytest.mark.parametrize(("case", "name"), PAIRS, ids=lambda value: getattr(value, "id", value))
def test_equals_the_oracle(case, name):
    if name == "optax" and not has("jax"):
        pytest.skip("jax is not installed")
    assert from_whole(case, name) <= WHOLE_TOLERANCE


def test_a_group_at_rate_0_takes_no_part_in_the_distance():
    for name in ("prodigy", "dadapt_adam"):
        case = next(case for case in CASES if case.id == name)
        alone, beside = parameters(shapes=SMALL[:1]), parameters(shapes=SMALL)
        one, two = case.build(alone), case.build([{"params": beside[1:], "lr": 0.0, "weight_decay": 0.3}, {"params": beside[:1]}])
        start = values(beside[1:])
        for step in range(10):
            give_gradients(beside, step)
            alone[0].grad = beside[0].grad.clone()
            one.step()
            two.step()
        assert torch.equal(alone[0], beside[0])
        assert all(torch.equal(a, b) for a, b in zip(start, beside[1:], strict=True))
        assert torch.equal(one.param_groups[0]["d"], two.param_groups[0]["d"])
