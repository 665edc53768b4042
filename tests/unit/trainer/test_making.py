"""Optimizers from settings, and the weights at which they want the model evaluated."""

import pytest
import torch
from torch import nn

import ravine
from ravine.base.errors import InputError
from ravine.optim import names
from ravine.rules import WRAPPERS
from ravine.tasks import Task, load
from ravine.trainer import Options, resolve
from ravine.trainer.making import evaluating, make_optimizer, takes_two


def made(model=None, **options):
    return make_optimizer(nn.Linear(3, 2) if model is None else model, resolve(load("line"), Options(**options)))


def test_decay_is_on_weights_only():
    decays = {tuple(param.shape): group["weight_decay"] for group in made().param_groups for param in group["params"]}
    assert decays == {(2, 3): 0.1, (2,): 0.0}


@pytest.mark.parametrize("name", ["muon", "muon+cautious"])
def test_what_is_no_matrix_between_layers_is_elementwise_as_in_a_race(name):
    model = nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 3), nn.Linear(3, 2))
    names = {id(p): name for name, p in model.named_parameters()}

    def groups(**options):
        optimizer = made(model, optimizer=name, **options)
        return [({names[id(p)] for p in group["params"]}, group["elementwise"], group["weight_decay"]) for group in optimizer.param_groups]

    biases, decay = {"0.bias", "1.bias", "2.bias"}, made(model, optimizer=name).defaults["weight_decay"]
    matrices = {"0.weight", "1.weight"}
    assert groups() == [(matrices, False, decay), (biases | {"2.weight"}, True, decay)]
    assert groups(hypers={"weight_decay": 0.3}) == [(matrices, False, 0.3), ({"2.weight"}, True, 0.3), (biases, True, 0.0)]


@pytest.mark.parametrize(
    ("options", "driver"),
    [
        ({"steps": 2000}, "native"),
        ({"steps": 1999}, "auto"),
        ({"steps": 2000, "optimizer": "muon"}, "auto"),
        ({"steps": 2000, "hypers": {"driver": "foreach"}}, "foreach"),
        ({"steps": 2000, "hypers": {"foreach": False}}, "per_tensor"),
    ],
)
def test_a_long_training_steps_by_native_code_where_nobody_says_otherwise(options, driver):
    assert {group["driver"] for group in made(nn.Linear(3, 2), **options).param_groups} == {driver}


def test_an_optimizer_of_ones_own_is_used_as_it_is():
    optimizer = made(optimizer=lambda model: torch.optim.SGD(model.parameters(), lr=0.3))
    assert type(optimizer) is torch.optim.SGD
    assert optimizer.param_groups[0]["lr"] == 0.3
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


def classes(name):
    """A training of every kind of parameter that an optimiser may treat in a way of its own."""
    x = torch.randn(48, 6, generator=torch.Generator().manual_seed(0))
    pair = x, x[:, :3].argmax(1)
    model = lambda: nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.Tanh(), nn.Linear(8, 8), nn.Linear(8, 3))  # noqa: E731
    task = Task("classes", model, pair, pair, nn.functional.cross_entropy, batch_size=48)
    rate = {"dadapt_adam": 1.0, "prodigy": 1.0, "adadelta": 1.0}.get(name.partition("+")[0], 0.01)
    return ravine.train(task, steps=14, optimizer=name, lr=rate, evaluate_every=14)


@pytest.mark.parametrize("name", names())
def test_every_optimizer_trains(name):
    loss = classes(name).history.loss
    assert len(loss) == 14
    assert loss[-1] < loss[0]


@pytest.mark.slow
@pytest.mark.parametrize("wrapper", WRAPPERS)
@pytest.mark.parametrize("inner", ["sgd", "muon", "sophia_h"])
def test_every_wrapper_trains_or_says_why_not(inner, wrapper):
    name = f"{inner}+{wrapper}"
    if inner == "sophia_h":
        with pytest.raises(InputError, match=r"needs (curvature|a second gradient)|without wrappers"):
            classes(name)
        return
    loss = classes(name).history.loss
    assert len(loss) == 14
    assert loss[-1] < loss[0]
