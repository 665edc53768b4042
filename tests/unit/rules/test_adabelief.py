import doctest
from types import SimpleNamespace as N

import numpy as np
import pytest
import torch

from ravine.rules import adabelief
from ravine.rules.adabelief import AdaBelief

H = {"lr": 0.1, "beta1": 0.5, "beta2": 0.99, "eps": 0.01, "weight_decay": 0.5}
ONE = torch.ones(1, dtype=torch.float64)


def test_examples():
    result = doctest.testmod(adabelief)
    assert result.attempted > 0
    assert result.failed == 0


def test_a_lane_has_the_bits_of_its_own_run():
    lanes = {symbol: np.array([value, value / 2]) for symbol, value in H.items()}
    for rule in (AdaBelief(), AdaBelief(rectify=True)):
        together = rule.scalars(N(**lanes), np.array([[1], [2], [7], [1000]]))
        for row, t in enumerate((1, 2, 7, 1000)):
            for lane in range(2):
                alone = rule.scalars(N(**{symbol: value[lane].item() for symbol, value in lanes.items()}), t)
                found = {name: np.broadcast_to(value, (4, 2))[row, lane] for name, value in together.items()}
                assert found == alone


def test_the_variance_is_about_the_moment_and_keeps_eps():
    c = N(**AdaBelief().scalars(N(**H), 1))
    delta, state = AdaBelief().update(2 * ONE, 4 * ONE, N(m=0 * ONE, v=0 * ONE), c)
    assert state["v"].item() == pytest.approx(0.01 * 2**2 + 0.01)
    assert delta.item() == pytest.approx(-0.1 * 4 / ((0.05 / 0.01) ** 0.5 + 0.01) - 0.1 * 0.5 * 2)


def test_rectified_it_starts_with_plain_momentum():
    rule = AdaBelief(rectify=True)
    delta, _ = rule.update(0 * ONE, 4 * ONE, N(m=0 * ONE, v=0 * ONE), N(**rule.scalars(N(**H), 1)))
    assert delta.item() == pytest.approx(-0.1 * 4)
    assert rule.scalars(N(**H), 100)["adapts"] == 1.0
