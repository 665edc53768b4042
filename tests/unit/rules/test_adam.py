import doctest
from types import SimpleNamespace as N

import numpy as np
import pytest
import torch

from ravine.rules import adam
from ravine.rules.adam import Adam

H = {"lr": 0.1, "beta1": 0.9, "beta2": 0.99, "eps": 0.0, "l2": 0.0}


def test_examples():
    result = doctest.testmod(adam)
    assert result.attempted > 0
    assert result.failed == 0


def test_the_first_step_is_lr_whatever_the_gradient():
    c = N(**Adam().scalars(N(**H), 1))
    zero = torch.zeros(3, dtype=torch.float64)
    delta, _ = Adam().update(zero, torch.tensor([1e-6, 1.0, -1e6], dtype=torch.float64), N(m=zero, v=zero), c)
    assert delta.tolist() == pytest.approx([-0.1, -0.1, 0.1])


def test_bias_corrections():
    c = Adam().scalars(N(**H), 3)
    assert c["step"] == pytest.approx(0.1 / (1 - 0.9**3))
    assert c["correct"] == pytest.approx((1 - 0.99**3) ** -0.5)


def test_a_lane_has_the_bits_of_its_own_run():
    lanes = {symbol: np.array([value, value / 2]) for symbol, value in H.items()}
    for t in (1, 7, 1000):
        together = Adam().scalars(N(**lanes), t)
        for lane in range(2):
            alone = Adam().scalars(N(**{symbol: value[lane].item() for symbol, value in lanes.items()}), t)
            assert {symbol: value[lane] for symbol, value in together.items()} == alone


def test_amsgrad_remembers_the_largest_second_moment():
    rule, one = Adam(amsgrad=True), torch.ones(1, dtype=torch.float64)
    c = N(**rule.scalars(N(**H), 5))
    delta, state = rule.update(one, one, N(m=one, v=one, w=4 * one), c)
    assert state["w"].item() == 4.0
    assert state["v"].item() == pytest.approx(1.0)
    assert delta.item() == pytest.approx(-c.step / (2 * c.correct))


def test_l2_enters_both_moments():
    rule, one = Adam(coupled=True), torch.ones(1, dtype=torch.float64)
    _, state = rule.update(one, one, N(m=0 * one, v=0 * one), N(**rule.scalars(N(**H | {"l2": 1.0}), 1)))
    assert state["m"].item() == pytest.approx(0.2)
    assert state["v"].item() == pytest.approx(0.04)


def test_the_maximum_may_be_over_corrected_moments():
    rule, one = Adam(amsgrad=True, corrected_maximum=True), torch.ones(1, dtype=torch.float64)
    c = N(**rule.scalars(N(**H), 2))
    delta, state = rule.update(one, one, N(m=one, v=one, w=4 * one), c)
    assert state["v"].item() == pytest.approx(1.0)
    assert (state["w"].item(), delta.item()) == pytest.approx((1 / (1 - 0.99**2), -c.step * (1 - 0.99**2) ** 0.5))
