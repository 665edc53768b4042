import doctest
from types import SimpleNamespace as N

import numpy as np
import pytest
import torch

from ravine.rules import adan
from ravine.rules.adan import Adan

H = {"lr": 0.1, "beta1": 0.75, "beta2": 0.5, "beta3": 0.25, "eps": 0.0, "weight_decay": 0.5}
ONE = torch.ones(1, dtype=torch.float64)


def test_examples():
    result = doctest.testmod(adan)
    assert result.attempted > 0
    assert result.failed == 0


def test_a_lane_has_the_bits_of_its_own_run():
    lanes = {symbol: np.array([value, value / 2]) for symbol, value in H.items()}
    for rule in (Adan(), Adan(uncorrected=True), Adan(no_prox=True)):
        together = rule.scalars(N(**lanes), np.array([[1], [2], [7], [1000]]))
        for row, t in enumerate((1, 2, 7, 1000)):
            for lane in range(2):
                alone = rule.scalars(N(**{symbol: value[lane].item() for symbol, value in lanes.items()}), t)
                found = {name: np.broadcast_to(value, (4, 2))[row, lane] for name, value in together.items()}
                assert found == alone


def test_the_change_of_the_gradient_counts_from_the_second_step():
    start = N(m=0 * ONE, d=0 * ONE, n=0 * ONE, b=0 * ONE)
    rule = Adan()
    delta, state = rule.update(0 * ONE, 3 * ONE, start, N(**rule.scalars(N(**H), 1)))
    assert (state["d"].item(), state["n"].item(), state["b"].item()) == (0.0, 6.75, -3.0)
    assert delta.item() == pytest.approx(-0.1 / 1.05)
    _, state = rule.update(0 * ONE, 5 * ONE, N(**state), N(**rule.scalars(N(**H), 2)))
    assert state["d"].item() == pytest.approx(0.5 * 2)
    assert state["n"].item() == pytest.approx(0.25 * 6.75 + 0.75 * (5 + 0.5 * 2) ** 2)


def test_the_weights_are_divided_or_shrunk():
    s = N(m=0 * ONE, d=0 * ONE, n=ONE, b=0 * ONE)
    moved = [rule.update(2 * ONE, 0 * ONE, s, N(**rule.scalars(N(**H), 3)))[0].item() for rule in (Adan(), Adan(no_prox=True))]
    assert moved == pytest.approx([2 / 1.05 - 2, -0.1])


def test_uncorrected_means_start_at_their_first_values():
    rule, s = Adan(uncorrected=True), N(m=7 * ONE, d=7 * ONE, n=7 * ONE, b=-ONE)
    _, first = rule.update(ONE, 2 * ONE, s, N(**rule.scalars(N(**H), 1)))
    _, second = rule.update(ONE, 4 * ONE, N(**first), N(**rule.scalars(N(**H), 2)))
    assert [first[symbol].item() for symbol in "mdn"] == [2.0, 0.0, 4.0]
    assert [second[symbol].item() for symbol in "md"] == [2.5, 2.0]
