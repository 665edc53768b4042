import doctest
from types import SimpleNamespace as N

import numpy as np
import pytest
import torch

from ravine.rules import adopt
from ravine.rules.adopt import ADOPT

H = {"lr": 0.1, "beta1": 0.5, "beta2": 0.75, "eps": 0.01, "l2": 0.5, "clip": 0.25}
ONE = torch.ones(1, dtype=torch.float64)


def test_examples():
    result = doctest.testmod(adopt)
    assert result.attempted > 0
    assert result.failed == 0


def test_a_lane_has_the_bits_of_its_own_run():
    lanes = {symbol: np.array([value, value / 2]) for symbol, value in H.items()}
    for rule in (ADOPT(), ADOPT(unclipped=True)):
        together = rule.scalars(N(**lanes), np.array([[1], [2], [7], [1000]]))
        for row, t in enumerate((1, 2, 7, 1000)):
            for lane in range(2):
                alone = rule.scalars(N(**{symbol: value[lane].item() for symbol, value in lanes.items()}), t)
                found = {name: np.broadcast_to(value, (4, 2))[row, lane] for name, value in together.items()}
                assert found == alone


@pytest.mark.parametrize("rule", [ADOPT(), ADOPT(unclipped=True), ADOPT(decays=True, decoupled=True)], ids=lambda rule: str(rule.key))
def test_the_first_step_learns_the_size_and_moves_nothing(rule):
    for eps in (0.0, 0.01):
        delta, state = rule.update(ONE, 3 * ONE, N(m=0 * ONE, v=0 * ONE), N(**rule.scalars(N(**H | {"eps": eps}), 1)))
        assert (delta.item(), state["m"].item(), state["v"].item()) == (0.0, 0.0, 9.0)


def test_the_gradient_is_divided_by_what_was_known_before_it_and_bounded():
    for rule, size in ((ADOPT(), 1.0), (ADOPT(unclipped=True), 3.0)):
        delta, state = rule.update(ONE, -6 * ONE, N(m=0 * ONE, v=4 * ONE), N(**rule.scalars(N(**H), 2)))
        assert delta.item() == pytest.approx(0.1 * 0.5 * size)
        assert state["v"].item() == 0.75 * 4 + 0.25 * 36


def test_the_bound_grows_with_the_fourth_root():
    assert [ADOPT().scalars(N(**H), t)["limit"] for t in (1, 2, 17)] == [0.0, 1.0, 2.0]


def test_decay_of_both_kinds():
    s = N(m=0 * ONE, v=4 * ONE)
    c = N(**ADOPT().scalars(N(**H), 2))
    _, coupled = ADOPT(decays=True).update(2 * ONE, 0 * ONE, s, c)
    delta, decoupled = ADOPT(decays=True, decoupled=True).update(2 * ONE, 0 * ONE, s, c)
    assert (coupled["m"].item(), decoupled["m"].item()) == pytest.approx((0.25, 0.0))
    assert delta.item() == pytest.approx(-0.1 * 0.5 * 2)
