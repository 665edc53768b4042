import doctest
from types import SimpleNamespace as N

import numpy as np
import pytest
import torch

from ravine.rules import softadam
from ravine.rules.softadam import SoftAdam

H = {"lr": 0.1, "beta1": 0.5, "beta2": 0.9, "eta": 2.0, "eps": 0.0, "weight_decay": 0.5}
ONE = torch.ones(1, dtype=torch.float64)


def test_examples():
    result = doctest.testmod(softadam)
    assert result.attempted > 0
    assert result.failed == 0


def test_a_lane_has_the_bits_of_its_own_run():
    lanes = {symbol: np.array([value, value / 2]) for symbol, value in H.items()}
    for rule in (SoftAdam(),):
        together = rule.scalars(N(**lanes), np.array([[1], [2], [7], [1000]]))
        for row, t in enumerate((1, 2, 7, 1000)):
            for lane in range(2):
                alone = rule.scalars(N(**{symbol: value[lane].item() for symbol, value in lanes.items()}), t)
                found = {name: np.broadcast_to(value, (4, 2))[row, lane] for name, value in together.items()}
                assert found == alone


def test_the_second_moment_is_a_plain_mean_until_beta2_allows_more():
    assert [SoftAdam().scalars(N(**H), t)["keep2"] for t in (1, 2, 5, 20)] == pytest.approx([0.0, 0.5, 0.8, 0.9])


def test_it_turns_from_sgd_to_adam_as_the_mean_settles():
    found = [SoftAdam().scalars(N(**H), t) for t in (1, 20)]
    assert [c["adapts"] for c in found] == pytest.approx([2 * 0.1**0.5, 2.0])
    assert [c["plain"] for c in found] == pytest.approx([3 - 2 * 0.1**0.5, 1.0])


def test_equal_gradients_move_by_sgds_rate_and_others_are_evened_out():
    c = N(**SoftAdam().scalars(N(**H | {"weight_decay": 0.0}), 20))
    g = torch.tensor([1.0, 3.0], dtype=torch.float64)
    same, _ = SoftAdam().update(g, 0 * g + 2, N(m=0 * g + 2, v=0 * g + 4), c)
    assert same.tolist() == pytest.approx([-0.2, -0.2])
    other, state = SoftAdam().update(g, g, N(m=g, v=g * g), c)
    spread = (state["v"] / 5).sqrt()
    assert other.tolist() == pytest.approx((-0.1 * 3 * g / (1 + 2 * spread)).tolist())


def test_nesterov_looks_ahead_and_decay_is_decoupled():
    rule = SoftAdam(nesterov=True)
    delta, state = rule.update(2 * ONE, 4 * ONE, N(m=0 * ONE, v=0 * ONE), N(**rule.scalars(N(**H), 1)))
    assert state["m"].item() == 2.0
    assert delta.item() == pytest.approx(-0.1 * 3 * 3 / 3 - 0.1 * 0.5 * 2)
