import doctest
from types import SimpleNamespace as N

import pytest
import torch

from ravine.rules import adamw
from ravine.rules.adamw import AdamW

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
