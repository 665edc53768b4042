import doctest
from types import SimpleNamespace as N

import torch

from ravine.rules import sophia
from ravine.rules.sophia import SophiaG, SophiaH

HYPERS = {"lr": 0.1, "beta1": 0.0, "beta2": 0.5, "rho": 1.0, "l2": 0.0, "bs": 1.0, "eps": 1e-12}


def test_examples():
    result = doctest.testmod(sophia)
    assert result.attempted > 0
    assert result.failed == 0


def test_estimates_are_taken_in_at_steps_1_11_21():
    steps = [t for t in range(1, 32) if SophiaG().at(t, N()).on("refresh")]
    assert steps == [1, 11, 21, 31]
    assert SophiaH.gradients_per_step == 1 + 2 / SophiaH.interval
    assert SophiaG.gradients_per_step == 1 + 1 / SophiaG.interval


def test_without_curvature_it_goes_by_the_sign():
    g = torch.tensor([3.0, -0.01, 0.0])
    delta, _ = SophiaH().update(g, g, N(m=0 * g, h=0 * g), N(**SophiaH().scalars(N(**HYPERS), 2)))
    torch.testing.assert_close(delta, torch.tensor([-0.1, 0.1, 0.0]))


def test_negative_curvature_counts_as_none():
    g, rule = torch.tensor([2.0]), SophiaH(refresh=True)
    delta, state = rule.update(g, g, N(m=0 * g, h=0 * g, curvature=-g), N(**rule.scalars(N(**HYPERS), 1)))
    torch.testing.assert_close(delta, torch.tensor([-0.1]))
    assert state["h"].item() == -1.0


def test_the_batch_factor_stands_at_the_step():
    one = torch.ones(1)
    moved = [SophiaG().update(one, one, N(m=0 * one, h=one), N(**SophiaG().scalars(N(**HYPERS | {"bs": bs}), 2)))[0] for bs in (2.0, 4.0)]
    torch.testing.assert_close(torch.cat(moved), torch.tensor([-0.05, -0.025]))
