"""Optimizers from settings, and the weights at which they want the model evaluated."""

import pytest
import torch
from torch import nn

from ravine.base.errors import InputError
from ravine.tasks import load
from ravine.trainer import Options, resolve
from ravine.trainer.making import evaluating, make_optimizer, set_rate, takes_two


def made(model=None, **options):
    return make_optimizer(nn.Linear(3, 2) if model is None else model, resolve(load("line"), Options(**options)))


def test_decay_is_on_weights_only():
    decays = {tuple(param.shape): group["weight_decay"] for group in made().param_groups for param in group["params"]}
    assert decays == {(2, 3): 0.1, (2,): 0.0}


def test_rates_are_the_peak_times_the_multiplier_whatever_came_before():
    optimizer = made(lr=0.5)
    for _ in range(3):
        assert set_rate(optimizer, 0.1) == 0.05
    assert {group["initial_lr"] for group in optimizer.param_groups} == {0.5}


def test_an_optimizer_of_ones_own_is_used_as_it_is():
    optimizer = made(optimizer=lambda model: torch.optim.SGD(model.parameters(), lr=0.3))
    assert type(optimizer) is torch.optim.SGD
    assert optimizer.param_groups[0]["initial_lr"] == 0.3
    with pytest.raises(InputError, match=r"optimizer returned int: must return a torch\.optim\.Optimizer"):
        made(optimizer=lambda model: 3)


@pytest.mark.parametrize("name", ["adamw", "schedule_free_adamw", "adamw+ema"])
def test_evaluating_gives_the_weights_back(name):
    torch.manual_seed(0)
    model = nn.Linear(3, 2)
    optimizer = made(model, optimizer=name, lr=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        model(torch.ones(4, 3)).square().sum().backward()
        optimizer.step()
    before = model.weight.detach().clone()
    with evaluating(optimizer):
        assert torch.equal(model.weight, before) == (name == "adamw")
    assert torch.equal(model.weight, before)


def test_only_sam_takes_two_gradients():
    assert takes_two(made(optimizer="sgd+sam", lr=0.1))
    assert not takes_two(made(optimizer="sgd+ema", lr=0.1))
    assert not takes_two(made())
