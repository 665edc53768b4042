"""A look into a model: what it shows, and that it leaves everything as it was."""

import copy
import random

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from ravine.doctor.probe import COLUMNS, activation, probe, untouched


class Loss(nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, batch):
        return functional.mse_loss(self.model(batch[0]), batch[1])


BATCH = (torch.randn(16, 4, generator=torch.Generator().manual_seed(0)), torch.zeros(16, 2))


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.5), nn.Linear(8, 2))


def numpy_stream():
    return np.random.get_state()[1].tolist()  # noqa: NPY002 - what a user's forward draws from


@pytest.fixture(autouse=True)
def streams():
    with torch.random.fork_rng(devices=[]):
        yield


def test_nothing_is_changed_not_by_one_bit():
    objective = Loss(network()).eval()
    objective.model[0].weight.grad = torch.ones(8, 4)
    before, batch = copy.deepcopy(objective.state_dict()), copy.deepcopy(BATCH)
    streams = torch.get_rng_state(), random.getstate(), numpy_stream()
    hooks = [len(part._forward_hooks) + len(part._forward_pre_hooks) for part in objective.modules()]
    probe(objective, BATCH)
    assert all(torch.equal(value, before[name]) for name, value in objective.state_dict().items())
    assert all(torch.equal(a, b) for a, b in zip(BATCH, batch, strict=True))
    assert torch.equal(objective.model[0].weight.grad, torch.ones(8, 4))
    assert objective.model[4].weight.grad is None
    assert not any(part.training for part in objective.modules())
    assert torch.equal(torch.get_rng_state(), streams[0])
    assert (random.getstate(), numpy_stream()) == streams[1:]
    assert [len(part._forward_hooks) + len(part._forward_pre_hooks) for part in objective.modules()] == hooks


def test_it_gives_everything_back_when_the_model_raises():
    objective = Loss(nn.Sequential(nn.BatchNorm1d(4), nn.Linear(5, 2)))
    before = objective.model[0].num_batches_tracked.clone()
    with pytest.raises(RuntimeError):
        probe(objective, BATCH)
    assert torch.equal(objective.model[0].num_batches_tracked, before)
    assert not any(part._forward_hooks for part in objective.modules())


def test_two_looks_show_the_same():
    objective = Loss(network())
    assert probe(objective, BATCH) == probe(objective, BATCH)


def test_gradients_are_those_of_backward():
    objective = Loss(nn.Linear(4, 2))
    reading = probe(objective, BATCH)
    objective(BATCH).backward()
    assert reading.gradients["weight"] == pytest.approx(float(objective.model.weight.grad.norm()))
    assert reading.loss == pytest.approx(float(objective(BATCH).detach()))


def test_an_unused_parameter_has_no_gradient():
    model = nn.Linear(4, 2)
    model.spare = nn.Parameter(torch.ones(3))
    assert probe(Loss(model), BATCH).gradients["spare"] is None


def test_activations_come_in_the_order_of_the_forward():
    reading = probe(Loss(network()), BATCH)
    assert [(seen.name, seen.kind, seen.is_kernel) for seen in reading.activations][:2] == [
        ("0", "Linear", True),
        ("1", "BatchNorm1d", False),
    ]
    assert reading.activations[1].variance == pytest.approx(1.0, abs=0.01)


class Root(nn.Module):
    def forward(self, x):
        return torch.sqrt(x * 0.0)


@pytest.mark.parametrize("shape", [(6, 4), (6, 3, COLUMNS), (6,), (1, 4), (0, 4)], ids=str)
def test_the_variance_over_rows_is_that_of_evenly_spread_columns(shape):
    # Feature k of the last dimension has a variance of its own.
    values = torch.randn(shape, generator=torch.Generator().manual_seed(0)) * torch.linspace(1.0, 2.0, shape[-1])
    found = activation("a", nn.Linear(2, 2), values)
    expected = float(values.var(dim=0, correction=0).mean()) if shape[0] > 1 else 0.0
    assert found.variance == pytest.approx(expected, rel=0.1 if len(shape) > 2 else 1e-5)
    assert found.mean_abs == pytest.approx(float(values.abs().mean()) if values.numel() else 0.0)


@pytest.mark.parametrize(
    ("middle", "place"),
    [(nn.ReLU(), ""), (nn.Linear(8, 8), "the output of 1 (Linear)"), (Root(), "the gradient of the output of 0 (Linear)")],
)
def test_the_first_place_that_is_not_finite_is_named(middle, place):
    torch.manual_seed(0)
    if isinstance(middle, nn.Linear):
        nn.init.constant_(middle.bias, float("inf"))
    assert probe(Loss(nn.Sequential(nn.Linear(4, 8), middle, nn.Linear(8, 2))), BATCH).broken == place


def test_a_layer_that_leaves_training_is_named():
    class Dozing(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = nn.Linear(4, 2)

        def forward(self, x):
            self.inner.eval()
            return self.inner(x)

    assert probe(Loss(Dozing()), BATCH).not_training == ("inner",)
    assert probe(Loss(nn.Linear(4, 2)), BATCH).not_training == ()


def test_gradients_too_small_for_half_precision_are_counted():
    small = nn.Linear(4, 2)
    with torch.no_grad():
        small.weight.zero_()
        small.bias.fill_(1e-9)
    assert probe(Loss(small), BATCH).smallest == 1.0
    assert probe(Loss(nn.Linear(4, 2)), BATCH).smallest == 0.0


def test_a_block_that_leaves_a_module_untouched():
    model = network()
    before = copy.deepcopy(model.state_dict())
    with untouched(model):
        model.eval()
        model[1].running_mean.add_(1.0)
        model[1].running_var = torch.zeros(8)
    assert model.training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
