"""Modules in several places and tied parameters: called with given tensors, their own again afterwards."""

import pytest
import torch
from torch import nn
from torch.func import vmap

from ravine.tasks.functional import functional_call

X = torch.tensor([[1.0, 2.0]])


def repeated():
    block = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    return nn.Sequential(*[block] * 3).eval()


def tied():
    model = nn.Sequential(nn.Linear(2, 2), nn.Tanh(), nn.Linear(2, 2))
    model[2].weight = model[0].weight
    return model


def state(model):
    return {name: tensor.detach() for name, tensor in [*model.named_parameters(), *model.named_buffers()]}


@pytest.mark.parametrize("build", [repeated, tied])
def test_the_given_tensors_are_used_in_every_place_and_the_module_keeps_its_own(build):
    model, other = build(), build()
    kept, copies = dict(model.named_parameters(remove_duplicate=False)), {name: p.clone() for name, p in state(model).items()}
    assert torch.equal(functional_call(model, state(other), (X,)), other(X))
    now = dict(model.named_parameters(remove_duplicate=False))
    assert now.keys() == kept.keys()
    assert all(now[name] is p for name, p in kept.items())
    assert all(torch.equal(p, copies[name]) for name, p in state(model).items())


def test_no_lane_stays_in_a_repeated_module():
    model = repeated()
    stacks = {name: torch.stack([tensor, 2 * tensor]) for name, tensor in state(model).items()}
    for _ in range(2):
        outputs = vmap(lambda given: functional_call(model, given, (X,)))(stacks)
        assert torch.equal(outputs[0], model(X))
    assert not torch.equal(outputs[0], outputs[1])


def test_the_module_has_its_own_tensors_after_an_error_too():
    model = repeated()
    weight = model[0][0].weight
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        functional_call(model, {name: tensor + 1 for name, tensor in state(model).items()}, (torch.ones(1, 3),))
    assert model[0][0].weight is weight


def test_what_is_not_named_stays_the_modules_own_and_ties_may_be_ignored():
    model = tied()
    half = {"0.weight": torch.zeros(2, 2)}
    assert torch.equal(functional_call(model, half, (X,)), model[2].bias.expand(1, 2) + 0.0)
    loose = functional_call(model, half, (X,), tie_weights=False)
    assert torch.equal(loose, model[2](torch.tanh(model[0].bias)).view(1, 2))


def test_keywords_reach_the_forward():
    class Scaled(nn.Linear):
        def forward(self, x, *, by):
            return super().forward(x) * by

    model = Scaled(2, 2)
    torch.testing.assert_close(functional_call(model, state(model), (X,), {"by": 3.0}), model(X, by=3.0))
