import doctest
from types import SimpleNamespace as N

import numpy as np
import pytest
import torch

from ravine.rules import adamax
from ravine.rules.adamax import Adamax

H = {"lr": 0.1, "beta1": 0.9, "beta2": 0.5, "eps": 0.0, "l2": 0.5}
ONE = torch.ones(1, dtype=torch.float64)


def test_examples():
    result = doctest.testmod(adamax)
    assert result.attempted > 0
    assert result.failed == 0


def test_a_lane_has_the_bits_of_its_own_run():
    lanes = {symbol: np.array([value, value / 2]) for symbol, value in H.items()}
    for rule in (Adamax(),):
        together = rule.scalars(N(**lanes), np.array([[1], [2], [7], [1000]]))
        for row, t in enumerate((1, 2, 7, 1000)):
            for lane in range(2):
                alone = rule.scalars(N(**{symbol: value[lane].item() for symbol, value in lanes.items()}), t)
                found = {name: np.broadcast_to(value, (4, 2))[row, lane] for name, value in together.items()}
                assert found == alone


def test_the_largest_gradient_fades():
    c = N(**Adamax().scalars(N(**H), 2))
    _, state = Adamax().update(ONE, -3 * ONE, N(m=0 * ONE, u=4 * ONE), c)
    assert state["u"].item() == 3.0
    _, state = Adamax().update(ONE, -ONE, N(m=0 * ONE, u=4 * ONE), c)
    assert state["u"].item() == 2.0


def test_a_gradient_of_zero_moves_nothing():
    c = N(**Adamax().scalars(N(**H | {"eps": 1e-8}), 1))
    assert Adamax().update(ONE, 0 * ONE, N(m=0 * ONE, u=0 * ONE), c)[0].item() == 0.0


def test_l2_enters_both():
    _, state = Adamax(coupled=True).update(2 * ONE, ONE, N(m=0 * ONE, u=0 * ONE), N(**Adamax().scalars(N(**H), 1)))
    assert (state["m"].item(), state["u"].item()) == pytest.approx((0.2, 2.0))
