"""Every row: saved, pickled or copied and continued, a run keeps its bits; state dicts exchange with `torch.optim`."""

import copy
import io
import pickle

import pytest
import torch

from cases import CASES
from streams import SHAPES, give_gradients, parameters, same, train, values

every_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
in_torch = pytest.mark.parametrize("case", [case for case in CASES if case.torch_class], ids=lambda case: case.id)


@every_case
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("driver", ["per_tensor", "foreach"])
def test_a_resumed_run_keeps_its_bits(case, dtype, driver):
    params, other = parameters(dtype=dtype), parameters(dtype=dtype, seed=1)
    optimizer = case.build(case.groups(params[:2], params[2:]), driver=driver)
    train(optimizer, params, 4, skip_at=(0,))
    resumed = case.build(case.groups(other[:2], other[2:]), lr=0.5, driver=driver)
    file = io.BytesIO()
    torch.save((optimizer.state_dict(), values(params)), file)
    file.seek(0)
    state, weights = torch.load(file, weights_only=True)
    resumed.load_state_dict(state)
    with torch.no_grad():
        for param, weight in zip(other, weights, strict=True):
            param.copy_(weight)
    train(optimizer, params, 4, start=4)
    train(resumed, other, 4, start=4)
    assert same(values(params), values(other))
    for a, b in zip(params, other, strict=True):
        assert same(optimizer.state[a].values(), resumed.state[b].values())


@every_case
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda pair: pickle.loads(pickle.dumps(pair))], ids=["deepcopy", "pickle"])
def test_a_copy_continues_with_the_same_bits(case, dtype, duplicate):
    params = parameters(dtype=dtype)
    optimizer = case.build(case.groups(params[:2], params[2:]), driver="per_tensor", maximize=True)
    train(optimizer, params, 3)
    twin, twins = duplicate((optimizer, params))
    assert twin.param_groups[0]["driver"] == "per_tensor"
    assert twin.param_groups[0].keys() == optimizer.param_groups[0].keys()
    for step in range(3, 6):
        give_gradients(params, step)
        give_gradients(twins, step)
        optimizer.step()
        twin.step()
    assert same(values(params), values(twins))
    twin.add_param_group({"params": parameters()})
    assert twin.param_groups[-1].keys() == optimizer.param_groups[0].keys()


@every_case
def test_a_state_dict_shares_nothing_with_the_optimizer_that_loaded_it(case):
    params, other = parameters(), parameters()
    optimizer, resumed = case.build(params), case.build(other)
    train(optimizer, params, 2)
    resumed.load_state_dict(optimizer.state_dict())
    before = [value.clone() for param in params for value in optimizer.state[param].values()]
    for param in other:
        for value in resumed.state[param].values():
            value.add_(1.0)
    assert same([value for param in params for value in optimizer.state[param].values()], before)


@in_torch
@pytest.mark.parametrize("ours_first", [True, False], ids=["ours to torch", "torch to ours"])
def test_state_dicts_exchange_with_torch(case, ours_first):
    params, others = (parameters(case.shapes or SHAPES) for _ in range(2))

    def ours(targets):
        return case.build(case.groups(targets[:2], targets[2:]))

    def theirs(targets):
        return case.torch_class(case.groups(targets[:2], targets[2:]), **case.full)

    make_first, make_second = (ours, theirs) if ours_first else (theirs, ours)
    first = make_first(params)
    train(first, params, 4, skip_at=(0, 1, 2, 3))
    second = make_second(others)
    second.load_state_dict(copy.deepcopy(first.state_dict()))  # torch would share the tensors
    with torch.no_grad():
        for param, weight in zip(others, values(params), strict=True):
            param.copy_(weight)
    for step in range(4, 8):
        for targets, optimizer in ((params, first), (others, second)):
            give_gradients(targets, step)
            optimizer.step()
    for a, b in zip(values(params), values(others), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-13)


@in_torch
def test_a_round_trip_through_torch_keeps_every_setting(case):
    params, others = (parameters(case.shapes or SHAPES) for _ in range(2))
    ours, theirs = case.build(params), case.torch_class(others, **case.full)
    train(ours, params, 2)
    theirs.load_state_dict(ours.state_dict())
    back = case.build(params)
    back.load_state_dict(theirs.state_dict())
    assert back.state_dict()["param_groups"] == ours.state_dict()["param_groups"]


@every_case
def test_step_counts_of_old_checkpoints_may_be_numbers(case):
    params, others = parameters(), parameters()
    optimizer, resumed = case.build(params), case.build(others)
    train(optimizer, params, 3)
    old = copy.deepcopy(optimizer.state_dict())
    for state in old["state"].values():
        state["step"] = int(state["step"])
    resumed.load_state_dict(old)
    assert all(resumed.state[param]["step"].dtype == torch.float32 and resumed.state[param]["step"] == 3 for param in others)


@every_case
def test_settings_added_since_an_old_checkpoint_take_the_defaults(case):
    params, others = parameters(), parameters()
    optimizer, resumed = case.build(params), case.build(others)
    old = optimizer.state_dict()
    for group in old["param_groups"]:
        for key in ("maximize", "driver"):
            del group[key]
    resumed.load_state_dict(old)
    assert resumed.param_groups[0]["maximize"] is False
    assert resumed.param_groups[0]["driver"] == "auto"
