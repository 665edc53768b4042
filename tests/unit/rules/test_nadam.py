import doctest
from types import SimpleNamespace as N

import numpy as np
import pytest
import torch

from ravine.rules import nadam
from ravine.rules.nadam import NAdam

H = {"lr": 0.1, "beta1": 0.9, "beta2": 0.99, "eps": 0.0, "l2": 0.5, "psi": 0.004}
ONE = torch.ones(1, dtype=torch.float64)


def test_examples():
    result = doctest.testmod(nadam)
    assert result.attempted > 0
    assert result.failed == 0


def test_a_lane_has_the_bits_of_its_own_run():
    lanes = {symbol: np.array([value, value / 2]) for symbol, value in H.items()}
    for rule in (NAdam(),):
        together = rule.scalars(N(**lanes), np.array([[1], [2], [7], [1000]]))
        for row, t in enumerate((1, 2, 7, 1000)):
            for lane in range(2):
                alone = rule.scalars(N(**{symbol: value[lane].item() for symbol, value in lanes.items()}), t)
                found = {name: np.broadcast_to(value, (4, 2))[row, lane] for name, value in together.items()}
                assert found == alone


def test_gradient_and_moment_are_corrected_by_the_products_of_their_own_steps():
    c = NAdam().scalars(N(**H), 2)
    mu = [0.9 * (1 - 0.5 * 0.96 ** (0.004 * t)) for t in (1, 2, 3)]
    assert c["by_gradient"] == pytest.approx(0.1 * (1 - mu[1]) / (1 - mu[0] * mu[1]))
    assert c["by_moment"] == pytest.approx(0.1 * mu[2] / (1 - mu[0] * mu[1] * mu[2]))


def test_decay_of_both_kinds():
    c, s = N(**NAdam().scalars(N(**H), 1)), N(m=0 * ONE, v=0 * ONE)
    _, coupled = NAdam(decays=True).update(2 * ONE, ONE, s, c)
    delta, decoupled = NAdam(decays=True, decoupled_weight_decay=True).update(2 * ONE, ONE, s, c)
    assert (coupled["m"].item(), decoupled["m"].item()) == pytest.approx((0.2, 0.1))
    assert delta.item() == pytest.approx(NAdam().update(2 * ONE, ONE, s, c)[0].item() - 0.1 * 0.5 * 2)
