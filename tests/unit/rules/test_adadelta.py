import doctest
from types import SimpleNamespace as N

import numpy as np
import pytest
import torch

from ravine.rules import adadelta
from ravine.rules.adadelta import Adadelta

H = {"lr": 1.0, "rho": 0.75, "eps": 0.25, "l2": 0.5}
ONE = torch.ones(1, dtype=torch.float64)


def test_examples():
    result = doctest.testmod(adadelta)
    assert result.attempted > 0
    assert result.failed == 0


def test_a_lane_has_the_bits_of_its_own_run():
    lanes = {symbol: np.array([value, value / 2]) for symbol, value in H.items()}
    for rule in (Adadelta(),):
        together = rule.scalars(N(**lanes), np.array([[1], [2], [7], [1000]]))
        for row, t in enumerate((1, 2, 7, 1000)):
            for lane in range(2):
                alone = rule.scalars(N(**{symbol: value[lane].item() for symbol, value in lanes.items()}), t)
                found = {name: np.broadcast_to(value, (4, 2))[row, lane] for name, value in together.items()}
                assert found == alone


def test_the_first_step_is_the_root_of_eps_over_that_of_the_mean_square():
    c = N(**Adadelta().scalars(N(**H), 1))
    delta, state = Adadelta().update(ONE, 2 * ONE, N(v=0 * ONE, a=0 * ONE), c)
    assert state["v"].item() == 1.0
    assert delta.item() == pytest.approx(-2 * (0.25 / 1.25) ** 0.5)
    assert state["a"].item() == pytest.approx(0.25 * delta.item() ** 2)


def test_l2_enters_the_mean_square():
    _, state = Adadelta(coupled=True).update(2 * ONE, ONE, N(v=0 * ONE, a=0 * ONE), N(**Adadelta().scalars(N(**H), 1)))
    assert state["v"].item() == 1.0
