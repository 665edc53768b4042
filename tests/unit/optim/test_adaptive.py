import copy
import doctest

import pytest
import torch

from ravine import optim
from ravine.optim import adaptive
from ravine.rules._terms import momentum_product


def leaf(dtype=torch.float64):
    return torch.nn.Parameter(torch.tensor([1.0, 2.0], dtype=dtype))


def step(optimizer, times=1):
    for _ in range(times):
        for group in optimizer.param_groups:
            for param in group["params"]:
                param.grad = torch.sin(3 * param.detach())
        optimizer.step()


def test_examples():
    result = doctest.testmod(adaptive)
    assert result.attempted > 0
    assert result.failed == 0


@pytest.mark.parametrize("cls", [adaptive.NAdam, adaptive.RAdam], ids=lambda cls: cls.__name__)
def test_decoupling_is_a_setting_that_checkpoints_carry(cls):
    optimizer, theirs = (
        cls([leaf()], decoupled_weight_decay=True),
        getattr(torch.optim, cls.__name__)([leaf()], decoupled_weight_decay=True),
    )
    for source in (optimizer, theirs):
        loaded = cls([leaf()])
        loaded.load_state_dict(source.state_dict())
        assert loaded.param_groups[0]["decoupled_weight_decay"] is True
    old = optimizer.state_dict()
    del old["param_groups"][0]["decoupled_weight_decay"]
    loaded = cls([leaf()])
    loaded.load_state_dict(old)
    assert loaded.param_groups[0]["decoupled_weight_decay"] is False


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16], ids=str)
def test_the_momentum_product_is_written_but_not_kept(dtype):
    optimizer = adaptive.NAdam([leaf(dtype), leaf(dtype)], betas=(0.8, 0.99), momentum_decay=0.1)
    step(optimizer, 3)
    saved = optimizer.state_dict()
    expected = momentum_product(0.8, 0.1, 3)
    assert [state["mu_product"].item() for state in saved["state"].values()] == [expected] * 2
    assert not any("mu_product" in state for state in optimizer.state.values())
    loaded = adaptive.NAdam([leaf(dtype), leaf(dtype)])
    before = copy.deepcopy(saved)
    loaded.load_state_dict(saved)
    assert not any("mu_product" in state for state in loaded.state.values())
    assert saved["state"].keys() == before["state"].keys()
    assert all("mu_product" in state for state in saved["state"].values())


def test_a_parameter_without_state_has_no_product():
    optimizer = adaptive.NAdam([leaf()])
    assert optimizer.state_dict()["state"] == {}


def test_torchs_product_in_low_precision_does_no_harm():
    theirs = torch.optim.NAdam([leaf()])
    step(theirs, 4)
    state = theirs.state_dict()
    state["state"][0]["mu_product"] = state["state"][0]["mu_product"].bfloat16()
    ours = adaptive.NAdam([torch.nn.Parameter(theirs.param_groups[0]["params"][0].detach().clone())])
    ours.load_state_dict(state)
    step(theirs, 3)
    step(ours, 3)
    # torch's product is float32 all the way, ours is exact.
    torch.testing.assert_close(ours.param_groups[0]["params"][0], theirs.param_groups[0]["params"][0], rtol=1e-6, atol=1e-8)


def test_the_plain_names_are_exported():
    assert (optim.Adadelta, optim.Adamax, optim.NAdam, optim.RAdam) == (
        adaptive.Adadelta,
        adaptive.Adamax,
        adaptive.NAdam,
        adaptive.RAdam,
    )
