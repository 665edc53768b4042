import doctest
from types import SimpleNamespace as N

import numpy as np
import pytest
import torch

from ravine import optim
from ravine.rules import adamw
from ravine.rules.adamw import AdamW
from references import adam as adam_reference

H = {"lr": 0.1, "beta1": 0.9, "beta2": 0.99, "eps": 0.0, "weight_decay": 0.5}
ONE = torch.ones(1, dtype=torch.float64)


def test_examples():
    result = doctest.testmod(adamw)
    assert result.attempted > 0
    assert result.failed == 0


def test_decay_leaves_the_moments_alone():
    c = N(**AdamW().scalars(N(**H), 1))
    delta, state = AdamW().update(4 * ONE, ONE, N(m=0 * ONE, v=0 * ONE), c)
    assert state["m"].item() == pytest.approx(0.1)
    assert delta.item() == pytest.approx(-0.1 - 0.1 * 0.5 * 4)


def test_decay_follows_the_rate():
    assert AdamW().scalars(N(**H), 1)["decay"] == pytest.approx(0.05)
    assert AdamW().scalars(N(**H | {"lr": 0.0}), 1)["decay"] == 0.0


def test_amsgrad_remembers_the_largest_second_moment():
    rule = AdamW(amsgrad=True)
    _, state = rule.update(ONE, ONE, N(m=ONE, v=ONE, w=4 * ONE), N(**rule.scalars(N(**H), 5)))
    assert state["w"].item() == 4.0


def test_schedule_decay_follows_the_schedule_and_not_the_rate():
    rule = AdamW(schedule_decay=True)
    found = [rule.scalars(N(**H | {"lr": lr}, peak_lr=peak), 1)["decay"] for lr, peak in ((0.1, 0.1), (0.05, 0.1), (5.0, 10.0), (0.0, 0.0))]
    assert found == [0.5, 0.25, 0.25, 0.0]


def test_schedule_decay_equals_algorithm_2_under_a_scheduler():
    ends = []
    for lr in (0.02, 0.04):
        ours = torch.nn.Parameter(ONE.clone())
        optimizer = optim.AdamW([ours], lr=lr, weight_decay=0.1, decoupled="schedule")
        scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 / (1 + step))
        weight, memory = np.ones(1), {}
        for t in range(60):
            g = np.sin(t + 1 + weight)
            ours.grad = torch.from_numpy(g.copy())
            optimizer.step()
            scheduler.step()
            eta = 1 / (1 + t)
            weight = adam_reference.update({}, weight, g, memory, lr * eta) - eta * 0.1 * weight
            assert ours.item() == pytest.approx(weight[0], rel=1e-12)
        ends.append(weight[0])
    assert ends[0] != pytest.approx(ends[1], rel=1e-3)
