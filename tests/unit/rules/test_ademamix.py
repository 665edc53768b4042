import doctest
from types import SimpleNamespace as N

import numpy as np
import pytest
import torch

from ravine.rules import ademamix
from ravine.rules.ademamix import AdEMAMix

H = {
    "lr": 0.1,
    "beta1": 0.9,
    "beta2": 0.99,
    "beta3": 0.999,
    "alpha": 4.0,
    "t_alpha": 100.0,
    "t_beta3": 100.0,
    "eps": 0.0,
    "weight_decay": 0.5,
}
ONE = torch.ones(1, dtype=torch.float64)


def test_examples():
    result = doctest.testmod(ademamix)
    assert result.attempted > 0
    assert result.failed == 0


def test_a_lane_has_the_bits_of_its_own_run():
    lanes = {symbol: np.array([value, value / 2]) for symbol, value in H.items()}
    for rule in (AdEMAMix(), AdEMAMix(warms_alpha=True, warms_beta3=True)):
        together = rule.scalars(N(**lanes), np.array([[1], [2], [7], [1000]]))
        for row, t in enumerate((1, 2, 7, 1000)):
            for lane in range(2):
                alone = rule.scalars(N(**{symbol: value[lane].item() for symbol, value in lanes.items()}), t)
                found = {name: np.broadcast_to(value, (4, 2))[row, lane] for name, value in together.items()}
                assert found == alone


def test_the_slow_mean_is_added_uncorrected():
    c = N(**AdEMAMix().scalars(N(**H), 1))
    delta, state = AdEMAMix().update(2 * ONE, 3 * ONE, N(m=0 * ONE, n=0 * ONE, v=0 * ONE), c)
    assert state["n"].item() == pytest.approx(0.003)
    assert delta.item() == pytest.approx(-0.1 * (1 + 4 * 0.001) - 0.1 * 0.5 * 2)


def test_alpha_and_beta3_rise_and_stay():
    rule = AdEMAMix(warms_alpha=True, warms_beta3=True)
    found = [rule.scalars(N(**H), t) for t in (25, 50, 100, 1000)]
    assert [c["slow"] / 0.1 for c in found] == pytest.approx([1.0, 2.0, 4.0, 4.0])
    half_lives = [np.log(0.5) / np.log(c["keep3"]) for c in found]
    low, high = np.log(0.5) / np.log(0.9), np.log(0.5) / np.log(0.999)
    assert half_lives == pytest.approx([0.75 * low + 0.25 * high, (low + high) / 2, high, high])
    assert found[2]["keep3"] == 0.999
