"""Known answers of every shape, an independent oracle, and names."""

import math

import numpy as np
import pytest
import torch

from ravine.base.errors import InputError, UnknownNameError
from ravine.schedules import REGISTRY, Constant, Cosine, Linear, create, names


def torch_rates(make, steps):
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    scheduler = make(optimizer)
    rates = []
    for _ in range(steps):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return np.array(rates)


def test_constant():
    assert Constant(horizon=5)(np.arange(5)).tolist() == [1.0] * 5


def test_linear_against_torch():
    theirs = torch_rates(lambda optimizer: torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.1, total_iters=50), 50)
    np.testing.assert_allclose(Linear(horizon=50, floor=0.1)(np.arange(50)), theirs, rtol=1e-13)


def test_cosine_against_torch():
    theirs = torch_rates(lambda optimizer: torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 50, eta_min=0.1), 50)
    np.testing.assert_allclose(Cosine(horizon=50, floor=0.1)(np.arange(50)), theirs, rtol=1e-13)


def test_cosine_known_answers():
    cosine = Cosine(horizon=12)
    assert cosine(0) == 1.0
    assert cosine(4) == pytest.approx(0.75, abs=1e-15)
    assert cosine(6) == pytest.approx(0.5, abs=1e-15)
    assert cosine(11) == (1 + math.cos(math.pi * (11 / 12))) / 2
    assert cosine(12) == 0.0


def test_a_floor_of_one_is_constant():
    for kind in (Linear, Cosine):
        assert kind(horizon=9, floor=1.0)(np.arange(9)).tolist() == [1.0] * 9


@pytest.mark.parametrize("floor", [-0.1, 1.5, float("nan"), "low"])
def test_a_floor_outside_zero_to_one(floor):
    with pytest.raises(InputError, match="floor="):
        create("cosine", floor=floor)


def test_names():
    assert names() == ("constant", "linear", "cosine") == tuple(REGISTRY)
    assert all(create(name).name == name for name in names())


def test_an_unknown_schedule_offers_the_nearest():
    with pytest.raises(UnknownNameError, match="no schedule is called 'cosin'; did you mean 'cosine'") as caught:
        create("cosin")
    assert caught.value.nearest == ("cosine",)


def test_an_unknown_setting_offers_the_nearest():
    with pytest.raises(UnknownNameError, match="no setting of 'cosine' is called 'flor'; did you mean 'floor'"):
        create("cosine", flor=0.1)
    with pytest.raises(UnknownNameError, match="'floor'"):
        create("constant", floor=0.1)
    with pytest.raises(UnknownNameError, match="'warmup_length'"):
        create("linear", warmup_length=3)
