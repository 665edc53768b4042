"""What is scheduled, in every group, at every step."""

import pytest
import torch
from torch import nn

from ravine.base.errors import InputError, UnknownNameError
from ravine.tasks import load
from ravine.trainer import Options, resolve
from ravine.trainer.making import make_optimizer
from ravine.trainer.rates import Rates


def rates(**options):
    settings = resolve(load("line"), Options(steps=100, **options))
    optimizer = make_optimizer(nn.Linear(3, 2), settings)
    return Rates(optimizer, settings), optimizer


def test_rates_are_the_peak_times_the_multiplier_whatever_came_before():
    found, optimizer = rates(lr=0.5, schedule="linear", warmup=0)
    for step in (50, 50, 0, 50):
        assert found.set(step) == 0.5 * (100 - step) / 100
    assert {group["initial_lr"] for group in optimizer.param_groups} == {0.5}


@pytest.mark.parametrize("schedule", ["linear", {"lr": "linear", "weight_decay": "constant"}], ids=["rate", "more"])
def test_a_group_that_is_added_later_has_its_own_peak(schedule):
    found, optimizer = rates(lr=0.5, schedule=schedule, warmup=0)
    found.set(10)
    optimizer.add_param_group({"params": [nn.Parameter(torch.ones(2))], "lr": 0.1, "weight_decay": 0.0})
    found.set(50)
    assert [group["lr"] for group in optimizer.param_groups] == [0.25, 0.25, 0.05]


def test_other_hypers_follow_their_schedules():
    found, optimizer = rates(schedule={"weight_decay": "linear", "lr": "one_cycle", "beta1": "one_cycle"}, hypers={"beta2": 0.99})
    found.set(50)
    assert [group["weight_decay"] for group in optimizer.param_groups] == [0.05, 0.0]
    first, peak = [], 29
    for step in (0, peak, 99):
        found.set(step)
        first.append(optimizer.param_groups[0]["betas"])
    assert [pair[0] for pair in first] == pytest.approx([0.95, 0.85, 0.95])
    assert {pair[1] for pair in first} == {0.99}


def test_groups_follow_their_own():
    found, optimizer = rates(lr=0.5, schedule=[{"lr": "linear"}, {"lr": "constant"}], warmup=0)
    assert found.set(50) == 0.25
    assert [group["lr"] for group in optimizer.param_groups] == [0.25, 0.5]


def test_a_plateau_is_torchs():
    found, optimizer = rates(lr=0.5, schedule="plateau:patience=1,factor=0.5,threshold=0", warmup=0)
    other = torch.optim.SGD([nn.Parameter(torch.ones(1))], lr=0.5)
    torchs = torch.optim.lr_scheduler.ReduceLROnPlateau(other, factor=0.5, patience=1, threshold=0)
    seen = []
    for step, value in enumerate([1.0, 0.9, 0.9, 0.95, 0.9, 0.8, 0.9, 0.9, 0.9, 0.9]):
        found.observe(value)
        torchs.step(value)
        assert found.set(step) == other.param_groups[0]["lr"]
        seen.append(optimizer.param_groups[1]["lr"])
    assert seen[-1] == 0.0625


def test_a_plateaus_state_goes_with_a_checkpoint():
    one, _ = rates(lr=0.5, schedule="plateau:patience=0", warmup=0)
    for value in (1.0, 2.0, 0.5):
        one.observe(value)
    other, _ = rates(lr=0.5, schedule="plateau:patience=0", warmup=0)
    other.restore(one.state())
    assert other.state() == one.state() == {"best": 0.5, "bad": 0, "cooldown": 0, "reductions": 1}
    assert other.set(7) == 0.05
    assert rates()[0].state() == {}


def test_what_no_group_has_is_refused():
    with pytest.raises(UnknownNameError, match="no setting of param group 0 is called 'momentum'"):
        rates(schedule={"momentum": "linear"})
    with pytest.raises(InputError, match="3 schedules for 2 groups: must be one for all or one for each"):
        rates(schedule=[{"lr": "linear"}] * 3)
