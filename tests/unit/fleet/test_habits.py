"""What a forward does on the side, one model for each habit and a twin without it."""

import threading

import numpy as np
import pytest
import torch
from torch import nn

from ravine.fleet import habits

X = torch.randn(6, 4, generator=torch.Generator().manual_seed(0))
BATCHES = [X, X.flip(0), X[:1].expand_as(X).clone()]


class Model(nn.Module):
    """A linear layer after something that changes the input, given the module."""

    def __init__(self, before=lambda module, x: x):
        super().__init__()
        self.layer, self.before = nn.Linear(4, 1), before
        self.seen, self.kept, self.lock = 0, None, threading.Lock()
        self.generator, self.numpy = torch.Generator().manual_seed(0), np.random.default_rng(0)
        self.register_buffer("mean", torch.zeros(4))

    def forward(self, x, evaluate=False):
        loss = self.layer(self.before(self, x)).square().mean()
        return {"loss": loss} if evaluate else loss


def counts(module, x):
    module.seen += 1
    return x


def own_generator(module, x):
    return x + torch.randn(x.shape, generator=module.generator)


def own_numpy(module, x):
    return x * module.numpy.random()


def hidden_mean(module, x):
    mean = x.mean(0)
    module.kept = mean if module.kept is None else 0.9 * module.kept + 0.1 * mean
    return x - module.kept


def replaces_buffer(module, x):
    module.mean = torch.where(module.mean > 5, x.mean(0), module.mean)
    return x


def writes_buffer(module, x):
    module.mean += x.mean(0)
    return x


def caches(module, x):
    if module.kept is None:
        module.kept = torch.arange(4.0)
    return x + module.kept


def caches_weights(module, x):
    if module.kept is None:
        module.kept = module.layer.weight.detach().sum(0)
    return x + module.kept


@pytest.mark.parametrize(
    ("before", "name"),
    [
        (counts, "seen"),
        (own_generator, "generator"),
        (own_numpy, "numpy"),
        (hidden_mean, "kept"),
        (replaces_buffer, "mean"),
        (caches_weights, "kept"),
        (writes_buffer, ""),
        (caches, ""),
        (lambda module, x: x, ""),
    ],
)
def test_state_in_python_is_named(before, name):
    assert habits.changed_attribute(lambda: _seeded(before), BATCHES) == name


def _seeded(before):
    torch.manual_seed(0)
    return Model(before)


@pytest.mark.parametrize(
    ("before", "expected"),
    [
        (lambda module, x: x.sub_(0.5), True),
        (lambda module, x: x.clamp_(-99, 99), True),
        (lambda module, x: x.add_(1) if not module.training else x, True),
        (lambda module, x: x.data.mul_(2), True),
        (lambda module, x: x - 0.5, False),
    ],
)
def test_writes_into_the_batch_are_seen_in_both_modes(before, expected):
    given = X.clone()
    assert habits.writes_input(Model(before), given) == expected
    assert torch.equal(given, X)


def clamps(module, x):
    module.layer.weight.data.clamp_(-0.01, 0.01)
    return x


def clamps_nothing(module, x):
    with torch.no_grad():
        module.layer.bias.clamp_(-99, 99)
    return x


@pytest.mark.parametrize(("before", "name"), [(clamps, "layer.weight"), (clamps_nothing, "layer.bias"), (lambda module, x: x, "")])
def test_writes_into_parameters_are_seen(before, name):
    assert habits.written_parameter(Model(before), X) == name


def in_half(module, x):
    return (x.half() * 2).float()


def by_autocast(module, x):
    with torch.autocast("cpu", dtype=torch.bfloat16):
        return (x @ torch.eye(4)).float()


@pytest.mark.parametrize(
    ("before", "dtype"), [(in_half, torch.float16), (by_autocast, torch.bfloat16), (lambda module, x: x.double().float(), torch.float32)]
)
def test_the_coarsest_dtype_of_a_forward_is_found(before, dtype):
    assert habits.coarsest_dtype(Model(before), X) == dtype


def test_a_forward_that_cannot_be_watched_is_as_coarse_as_its_parameters():
    def refuses(module, x):
        raise RuntimeError("watched")

    assert habits.coarsest_dtype(Model(refuses), X) == torch.float32


def derivative(module, x):
    point = x.clone().requires_grad_()
    return torch.autograd.grad(point.square().sum(), point)[0]


def test_an_evaluation_that_differentiates_needs_gradients():
    assert habits.evaluates_with_gradients(Model(derivative), X)
    assert not habits.evaluates_with_gradients(Model(), X)
    assert habits.draws(Model(derivative), X) == (False, False)


def test_hooks_on_the_backward_pass_are_named():
    model = Model()
    assert habits.backward_hook(model) == ""
    model.layer.register_full_backward_hook(lambda *_: None)
    assert habits.backward_hook(model) == "module layer"
    model.layer.bias.register_hook(lambda g: g)
    assert habits.backward_hook(model) == "parameter layer.bias"
    model.layer.weight.register_post_accumulate_grad_hook(lambda p: None)
    assert habits.backward_hook(model) == "parameter layer.weight"
    assert [habits.accumulate_hooks(p) for p in model.parameters()] == [True, False]


def test_forward_hooks_run_in_a_stack_and_are_no_obstacle():
    model = Model()
    model.layer.register_forward_hook(lambda *_: None)
    assert habits.backward_hook(model) == ""
