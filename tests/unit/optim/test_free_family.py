import copy
import doctest
import io

import pytest
import torch

from ravine import optim
from ravine.base.errors import InputError
from ravine.optim import free_family
from streams import give_gradients, parameters, same, train, values

AVERAGING = pytest.mark.parametrize(
    ("cls", "settings"),
    [
        (optim.SGDScheduleFree, {"lr": 0.1}),
        (optim.SGDScheduleFree, {"lr": 0.1, "momentum": 0.0}),
        (optim.AdamWScheduleFree, {"lr": 0.01}),
        (optim.AdamWScheduleFree, {"lr": 0.01, "betas": (0.0, 0.9)}),
    ],
    ids=lambda value: getattr(value, "__name__", str(value)),
)


def test_examples():
    result = doctest.testmod(free_family)
    assert result.attempted > 0
    assert result.failed == 0


@pytest.mark.parametrize("cls", [optim.Prodigy, optim.DAdaptAdam])
def test_groups_with_rates_of_their_own_are_refused(cls):
    first, second, third = parameters(shapes=((2,), (3,), (1,)))
    message = rf"lr=0.5 for {cls.__name__}, group 1, where group 0 has lr=1: one rate is estimated for all groups"
    with pytest.raises(InputError, match=message):
        cls([{"params": [first]}, {"params": [second], "lr": 0.5}])
    optimizer = cls([{"params": [first]}, {"params": [second], "lr": 0.0}])
    with pytest.raises(InputError, match="group 2"):
        optimizer.add_param_group({"params": [third], "lr": 0.25})
    assert len(optimizer.param_groups) == 2
    optimizer.param_groups[1]["lr"] = 0.5
    start = values([first, second])
    give_gradients([first, second], 0)
    with pytest.raises(InputError, match=message):
        optimizer.step()
    assert same(values([first, second]), start)


@pytest.mark.parametrize(("cls", "setting"), [(optim.Prodigy, {"d_coef": 2.0}), (optim.DAdaptAdam, {"betas": (0.5, 0.9)})])
def test_settings_of_the_estimate_must_agree(cls, setting):
    first, second = parameters(shapes=((2,), (3,)))
    with pytest.raises(InputError, match=rf"{next(iter(setting))}=.* for {cls.__name__}, group 1, .* must be equal"):
        cls([{"params": [first]}, {"params": [second], **setting}])


@pytest.mark.parametrize("cls", [optim.Prodigy, optim.DAdaptAdam])
def test_a_group_that_joins_late_shares_the_estimate(cls):
    first, second = parameters(shapes=((4,), (3,)))
    optimizer = cls([first], d0=1e-3)
    train(optimizer, [first], 5)
    optimizer.add_param_group({"params": [second]})
    assert torch.equal(optimizer.param_groups[1]["d"], optimizer.param_groups[0]["d"])
    train(optimizer, [first, second], 3)
    assert torch.equal(optimizer.param_groups[1]["d"], optimizer.param_groups[0]["d"])


@AVERAGING
@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16], ids=str)
def test_evaluating_changes_no_bit_of_the_training(cls, settings, dtype):
    params, others = parameters(dtype=dtype), parameters(dtype=dtype)
    through, stopping = cls(params, **settings), cls(others, **settings)
    for step in range(6):
        for own, optimizer in ((params, through), (others, stopping)):
            give_gradients(own, step)
            optimizer.step()
        before = values(others)
        stopping.eval()
        stopping.eval()
        assert step < 2 or not same(values(others), before)
        stopping.train()
        stopping.train()
    assert same(values(params), values(others))
    assert [set(state) for state in stopping.state.values()] == [set(state) for state in through.state.values()]


@AVERAGING
def test_the_averaged_weights_are_the_papers(cls, settings):
    (param,) = parameters(shapes=((3,),))
    optimizer = cls([param], **settings)
    points = []
    for step in range(5):
        give_gradients([param], step)
        optimizer.step()
        state = optimizer.state[param]
        points.append(param.detach().clone() if settings.get("momentum") == 0.0 or "betas" in settings else state["z"].clone())
    optimizer.eval()
    torch.testing.assert_close(param.detach(), torch.stack(points).mean(0), rtol=1e-12, atol=1e-12)


@AVERAGING
def test_a_step_at_the_averaged_weights_is_refused(cls, settings):
    params = parameters()
    optimizer = cls(params, **settings)
    train(optimizer, params, 2)
    optimizer.eval()
    start = values(params)
    give_gradients(params, 3)
    with pytest.raises(InputError, match=rf"{cls.__name__}, group 0: step\(\) after eval\(\).* Call optimizer.train\(\)"):
        optimizer.step()
    assert same(values(params), start)
    optimizer.train()
    optimizer.step()


@AVERAGING
def test_a_checkpoint_saved_in_evaluation_goes_on_with_the_same_bits(cls, settings):
    params, others = parameters(), parameters(seed=1)
    optimizer, resumed = cls(params, **settings), cls(others, **settings)
    train(optimizer, params, 4)
    optimizer.eval()
    file = io.BytesIO()
    torch.save((optimizer.state_dict(), values(params)), file)
    file.seek(0)
    state, weights = torch.load(file, weights_only=True)
    resumed.load_state_dict(state)
    with torch.no_grad():
        for param, weight in zip(others, weights, strict=True):
            param.copy_(weight)
    with pytest.raises(InputError, match="train"):
        resumed.step()
    for own, one in ((params, optimizer), (others, resumed)):
        one.train()
        train(one, own, 3, start=4)
    assert same(values(params), values(others))


def test_a_copy_in_evaluation_is_in_evaluation():
    params = parameters()
    optimizer = optim.SGDScheduleFree(params, lr=0.1)
    train(optimizer, params, 2)
    optimizer.eval()
    twin, twins = copy.deepcopy((optimizer, params))
    twin.train()
    optimizer.train()
    assert same(values(params), values(twins))


def test_parameters_that_were_never_stepped_are_their_own_average():
    stepped, idle = parameters(shapes=((2,), (3,)))
    optimizer = optim.AdamWScheduleFree([stepped, idle])
    give_gradients([stepped, idle], 0, skip=(1,))
    optimizer.step()
    start = values([idle])
    optimizer.eval()
    assert same(values([idle]), start)
    assert idle not in optimizer.state
    optimizer.train()
