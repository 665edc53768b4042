import doctest
from types import SimpleNamespace as N

import numpy as np
import pytest
import torch

from ravine.rules import radam
from ravine.rules.radam import RAdam

H = {"lr": 0.1, "beta1": 0.9, "beta2": 0.999, "eps": 0.5, "l2": 0.5}
ONE = torch.ones(1, dtype=torch.float64)


def test_examples():
    result = doctest.testmod(radam)
    assert result.attempted > 0
    assert result.failed == 0


def test_a_lane_has_the_bits_of_its_own_run():
    lanes = {symbol: np.array([value, value / 2]) for symbol, value in H.items()}
    for rule in (RAdam(),):
        together = rule.scalars(N(**lanes), np.array([[1], [2], [7], [1000]]))
        for row, t in enumerate((1, 2, 7, 1000)):
            for lane in range(2):
                alone = rule.scalars(N(**{symbol: value[lane].item() for symbol, value in lanes.items()}), t)
                found = {name: np.broadcast_to(value, (4, 2))[row, lane] for name, value in together.items()}
                assert found == alone


def test_the_first_five_steps_are_plain_momentum():
    found = [RAdam().scalars(N(**H), t)["adapts"] for t in range(1, 8)]
    assert found == [0.0] * 5 + [1.0] * 2
    c = N(**RAdam().scalars(N(**H), 5))
    delta, _ = RAdam().update(ONE, 3 * ONE, N(m=0 * ONE, v=9 * ONE), c)
    assert delta.item() == pytest.approx(-0.1 * 0.3 / (1 - 0.9**5))


def test_later_steps_are_adams_shortened():
    c = RAdam().scalars(N(**H), 6)
    n = 2 / 0.001 - 1
    now = n - 12 * 0.999**6 / (1 - 0.999**6)
    r = ((now - 4) * (now - 2) * n / ((n - 4) * (n - 2) * now)) ** 0.5
    assert 0 < r < 0.1
    assert c["step"] == pytest.approx(0.1 / (1 - 0.9**6) * r * (1 - 0.999**6) ** 0.5)
    delta, _ = RAdam().update(ONE, 0 * ONE, N(m=ONE, v=4 * ONE / 0.999), N(**c))
    assert delta.item() == pytest.approx(-c["step"] * 0.9 / 2.5)


def test_decay_of_both_kinds():
    c, s = N(**RAdam().scalars(N(**H), 1)), N(m=0 * ONE, v=0 * ONE)
    _, coupled = RAdam(decays=True).update(2 * ONE, ONE, s, c)
    delta, decoupled = RAdam(decays=True, decoupled_weight_decay=True).update(2 * ONE, ONE, s, c)
    assert (coupled["m"].item(), decoupled["m"].item()) == pytest.approx((0.2, 0.1))
    assert delta.item() == pytest.approx(-0.1 - 0.1 * 0.5 * 2)
