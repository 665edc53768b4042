"""What can be stacked, what cannot and why, with nothing of the caller's changed."""

import random

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from lane_models import HELD, fleet
from ravine.base.errors import TaskError
from ravine.fleet.data import gather
from ravine.fleet.support import probe

X = torch.randn(6, 4, generator=torch.Generator().manual_seed(0))


class Model(nn.Module):
    """A linear layer with a peculiarity before it, and its loss."""

    def __init__(self, peculiarity):
        super().__init__()
        self.layer, self.peculiarity = nn.Linear(4, 1), peculiarity
        self.seen = 0

    def forward(self, x, evaluate=False):
        loss = self.layer(self.peculiarity(self.layer, x)).square().mean()
        return {"loss": loss} if evaluate else loss


def by_item(layer, x):
    return x * layer.weight.sum().item()


def by_if(layer, x):
    return x if layer.weight.sum() > 0 else -x


def by_shape(layer, x):
    return x[layer.weight.sum() * x.sum(1) > 0]


def by_numpy(layer, x):
    return x * np.random.rand()  # noqa: NPY002 - what a user may write


def by_python(layer, x):
    return x * random.random()


def by_custom(layer, x):
    return Doubled.apply(x * layer.weight.sum())


def by_weight(layer, x):
    with torch.no_grad():
        layer.weight.clamp_(-99, 99)
    return x


class Doubled(torch.autograd.Function):
    """A function of the user's own, without a rule for vmap."""

    @staticmethod
    def forward(ctx, x):
        return 2 * x

    @staticmethod
    def backward(ctx, g):
        return 2 * g


@pytest.mark.parametrize("name", HELD)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_the_models_held_from_the_start_can_be_stacked(name, dtype):
    support = fleet(name, dtype).support
    assert (support.stackable, support.reason, support.traceable) == (True, "", True)
    assert support.draws_random == (name == "cnn")


@pytest.mark.parametrize(
    ("peculiarity", "reason"),
    [
        (by_item, ".item()"),
        (by_if, "an if on data"),
        (by_shape, "shapes in its forward depend on values (a boolean mask)"),
        (by_numpy, "numpy's random stream"),
        (by_python, "Python's or numpy's random stream"),
        (by_custom, "its autograd.Function cannot be stacked"),
        (by_weight, "its forward writes into a parameter (layer.weight)"),
    ],
)
def test_what_cannot_be_stacked_says_why(peculiarity, reason):
    support = probe(Model(peculiarity), X)
    assert not support.stackable
    assert reason in support.reason
    assert "\n" not in support.reason
    assert support.draws_random == (peculiarity in (by_numpy, by_python))
    assert support.footprint.parameters == 20
    assert support.traceable == (peculiarity is by_custom)


def test_a_model_whose_copies_disagree_is_found_out():
    """A tensor captured from one copy gives the other copy's numbers, too; only the comparison can tell."""

    class Counting(Model):
        def forward(self, x, evaluate=False):
            # vmap runs this once for both copies, single runs once each, and the value differs.
            scale = 1.0 if torch._C._functorch.maybe_current_level() is None else 2.0
            return super().forward(x * scale, evaluate)

    support = probe(Counting(lambda layer, x: x), X)
    assert support.reason == "stacked copies gave other numbers than one copy"


def by_slope(layer, x):
    point = x.detach().requires_grad_()
    return torch.autograd.grad(layer(point).square().sum(), point, create_graph=True)[0]


def by_constant(layer, x):
    return torch.nn.functional.rrelu(x, training=True) * torch.arange(3).max().item()


def by_batch(layer, x):
    return Doubled.apply(x) * (2.0 if x.sum() > 0 else 1.0)


def by_rows(layer, x):
    return Doubled.apply(x[x[:, 0] > 0])


def leaves_out(layer, x):
    return Doubled.apply(x) + (layer.bias.sum() if x.sum().item() > 0 else 0.0)


@pytest.mark.parametrize(
    ("peculiarity", "traceable"),
    [(by_slope, True), (by_constant, True), (by_custom, True), (by_batch, False), (by_rows, False), (leaves_out, False)],
)
def test_what_cannot_be_stacked_may_still_be_one_fixed_sequence_of_operations(peculiarity, traceable):
    support = probe(Model(peculiarity), X)
    assert not support.stackable
    assert support.traceable == traceable


def test_what_watching_disturbs_counts_as_not_fixed(monkeypatch):
    def refuses(*arguments, **settings):
        raise RuntimeError("watched")

    monkeypatch.setattr("ravine.fleet.support.first_read", refuses)
    support = probe(Model(by_custom), X)
    assert (support.stackable, support.traceable) == (False, False)


def test_a_gradient_that_is_zero_but_for_rounding_is_no_obstacle():
    """A bias before BatchNorm: its gradient is 1e-9 of noise, which two ways of computing need not share."""

    class Normed(nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = nn.Sequential(nn.Conv1d(1, 8, 3), nn.BatchNorm1d(8), nn.Flatten(), nn.Linear(16, 3))

        def forward(self, x, evaluate=False):
            loss = F.cross_entropy(self.layers(x.unsqueeze(1)), torch.arange(6) % 3)
            return {"loss": loss} if evaluate else loss

    assert probe(Normed(), X).stackable


def test_nothing_of_the_callers_changes():
    engine = fleet("cnn")
    objective, batch = engine.model(0), gather(engine.train, torch.arange(4))
    state = {name: tensor.clone() for name, tensor in objective.state_dict().items()}
    rows = [leaf.clone() for leaf in batch]
    streams = torch.get_rng_state(), np.random.get_state()[1].tolist(), random.getstate()  # noqa: NPY002
    probe(objective, batch)
    assert all(torch.equal(state[name], tensor) for name, tensor in objective.state_dict().items())
    assert all(parameter.grad is None for parameter in objective.parameters())
    assert all(torch.equal(before, after) for before, after in zip(rows, batch, strict=True))
    assert torch.equal(streams[0], torch.get_rng_state())
    assert (np.random.get_state()[1].tolist(), random.getstate()) == streams[1:]  # noqa: NPY002


class Hidden(nn.Module):
    """Scales by a draw that is neither parameter nor buffer."""

    def __init__(self, seed: int, *, registered: bool) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.layer = nn.Linear(3, 2)
        scale = torch.randn(2, generator=generator)
        if registered:
            self.register_buffer("scale", scale)
        else:
            self.scale = scale

    def forward(self, batch, evaluate=False):
        loss = (self.layer(batch) * self.scale).square().mean()
        return {"loss": loss} if evaluate else loss


@pytest.mark.parametrize("registered", [True, False])
def test_a_value_that_differs_by_seed_must_be_a_buffer(registered):
    support = probe(Hidden(0, registered=registered), torch.ones(4, 3), Hidden(1, registered=registered))
    assert support.stackable == registered
    assert registered or "neither parameter nor buffer" in support.reason


def test_lanes_of_several_seeds_are_kept_apart_where_python_looks_at_the_batch():
    looks = probe(Model(lambda layer, x: x * (2.0 if x.sum() > 0 else 1.0)), X)
    assert (looks.stackable, looks.is_mixable, looks.by_seed, looks.draws_random, looks.traceable) == (True, False, True, False, False)
    plain = probe(Model(lambda layer, x: x), X)
    assert (plain.is_mixable, plain.by_seed) == (True, False)


def test_a_model_that_cannot_be_copied_is_built_again_or_refused():
    def build():
        torch.manual_seed(0)
        model = Model(lambda layer, x: x)
        model.twice = model.layer.weight * 2
        return model

    assert probe(build(), X, build=build).stackable
    with pytest.raises(TaskError, match="cannot be copied"):
        probe(build(), X)
