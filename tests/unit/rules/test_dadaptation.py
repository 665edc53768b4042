import doctest
from types import SimpleNamespace as N

import torch

from ravine.rules import dadaptation
from ravine.rules._step import Part, step_lane
from ravine.rules.dadaptation import DAdaptAdam

HYPERS = {"lr": 1.0, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8, "l2": 0.0, "d0": 1e-3, "growth_rate": 1e30, "layer_scale": 1.0}


def test_examples():
    result = doctest.testmod(dadaptation)
    assert result.attempted > 0
    assert result.failed == 0


def run(gradients, **changed):
    """The weight and the lane's state after gradients of one parameter that starts at 1."""
    rule, hypers = DAdaptAdam(), HYPERS | changed
    p, d = torch.ones(2, dtype=torch.float64), torch.tensor(hypers["d0"], dtype=torch.float64)
    slots, lane = {"m": 0 * p, "v": 0 * p, "s": 0 * p}, {"d": d, "r": 0 * d}
    for t, g in enumerate(gradients, 1):
        c = rule.scalars(N(**hypers), t)
        ((delta, slots),), lane = step_lane([Part(rule, p, torch.full_like(p, g), slots, c)], lane)
        p = p + delta
    return p, lane


def test_d_grows_with_steady_gradients_and_never_falls():
    rising = [float(run([1.0] * 30 + [-1.0] * count)[1]["d"]) for count in range(5)]
    assert rising[0] > HYPERS["d0"]
    assert rising == sorted(rising)


def test_growth_is_limited():
    assert run([1.0] * 30, growth_rate=1.01)[1]["d"] <= HYPERS["d0"] * 1.01**30 * (1 + 1e-12)


def test_without_any_gradient_or_rate_nothing_moves():
    for gradients, changed in (([0.0, 0.0], {}), ([1.0, 1.0], {"lr": 0.0})):
        p, lane = run(gradients, **changed)
        assert torch.equal(p, torch.ones(2, dtype=torch.float64))
        assert lane["d"] == HYPERS["d0"]
        assert lane["r"] == 0
