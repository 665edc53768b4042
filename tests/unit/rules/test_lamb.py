import doctest
import importlib
from types import SimpleNamespace as N

import pytest
import torch

from conformance.libraries import stand_in_for_torchvision
from ravine import optim
from ravine.rules import lamb
from ravine.rules.lamb import LAMB
from streams import give_gradients, parameters, values

HYPERS = {"lr": 0.5, "beta1": 0.0, "beta2": 0.0, "eps": 0.0, "weight_decay": 0.0, "max_grad_norm": 0.0}


def step(p, g, rule=None, **hypers):
    rule = rule or LAMB()
    return rule.update(p, g, N(m=0 * p, v=0 * p), N(**rule.scalars(N(**HYPERS | hypers), 1)))[0]


def test_examples():
    result = doctest.testmod(lamb)
    assert result.attempted > 0
    assert result.failed == 0


def test_a_step_is_a_share_of_the_norm_whatever_the_gradient():
    p = torch.tensor([3.0, 4.0])
    assert step(p, torch.tensor([1e-3, 5.0])).norm().item() == pytest.approx(0.5 * 5.0)


def test_the_quotient_is_one_where_a_norm_is_zero():
    assert step(torch.zeros(2), torch.ones(2)).tolist() == [-0.5, -0.5]
    assert step(torch.ones(2), torch.zeros(2), eps=1.0).tolist() == [0.0, 0.0]


def test_decay_stands_inside_the_quotient():
    delta = step(torch.tensor([4.0]), torch.tensor([1.0]), weight_decay=1.0)
    assert delta.item() == pytest.approx(-0.5 * 4.0)


def test_without_decay_the_quotient_may_be_left_out():
    rule = LAMB(adapts_decayed_only=True)
    assert step(torch.tensor([4.0]), torch.tensor([1.0]), rule).item() == -0.5


def test_gradients_are_clipped_together_as_by_timm():
    with stand_in_for_torchvision():
        kind = importlib.import_module("timm.optim.lamb").Lamb
    ours, theirs = parameters(((4, 3), (5,))), parameters(((4, 3), (5,)))
    mine = optim.LAMB(ours, lr=0.02, max_grad_norm=1.0)
    oracle = kind(theirs, lr=0.02, max_grad_norm=1.0, always_adapt=True, foreach=False)
    for index in range(20):
        for params, optimizer in ((ours, mine), (theirs, oracle)):
            give_gradients(params, index)
            optimizer.step()
    for a, b in zip(values(ours), values(theirs), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-13)
    assert not torch.allclose(ours[0], values(parameters(((4, 3),)))[0])
