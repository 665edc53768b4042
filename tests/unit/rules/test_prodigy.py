import doctest
from types import SimpleNamespace as N

import torch

from ravine.rules import prodigy
from ravine.rules._step import Part, step_lane
from ravine.rules.prodigy import Prodigy

HYPERS = {"lr": 1.0, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8, "l2": 0.0, "d0": 1e-3, "d_coef": 1.0, "growth_rate": 1e30}


def test_examples():
    result = doctest.testmod(prodigy)
    assert result.attempted > 0
    assert result.failed == 0


def run(gradients, *, flags=None, **changed):
    """The weight and the lane's state after gradients of one parameter that starts at 1."""
    rule, hypers = Prodigy(**(flags or {})), HYPERS | changed
    p, d = torch.ones(2, dtype=torch.float64), torch.tensor(hypers["d0"], dtype=torch.float64)
    slots = {"m": 0 * p, "v": 0 * p, "s": 0 * p, "p0": p}
    lane = {"d": d, "d_max": d, "r": 0 * d}
    for t, g in enumerate(gradients, 1):
        c = rule.scalars(N(**hypers), t)
        ((delta, slots),), lane = step_lane([Part(rule, p, torch.full_like(p, g), slots, c)], lane)
        p = p + delta
    return p, lane


def test_d_grows_while_gradients_point_back_to_the_start_and_never_falls():
    assert run([1.0] * 20)[1]["d"] > 1e-2
    rising = [float(run([1.0] * 10 + [-1.0] * count)[1]["d"]) for count in range(4)]
    assert rising == sorted(rising)


def test_growth_is_limited_after_the_first_estimate():
    free, limited = (run([1.0] * 20, growth_rate=rate)[1] for rate in (1e30, 1.1))
    assert limited["d"] < free["d"]
    assert limited["d_max"] >= limited["d"]


def test_without_any_gradient_nothing_moves_and_nothing_is_estimated():
    p, lane = run([0.0, 0.0])
    assert torch.equal(p, torch.ones(2, dtype=torch.float64))
    assert lane["d"] == HYPERS["d0"]


def test_a_rate_of_0_keeps_everything():
    p, lane = run([1.0, 1.0], lr=0.0)
    assert torch.equal(p, torch.ones(2, dtype=torch.float64))
    assert lane["d"] == HYPERS["d0"]
    assert lane["r"] == 0


def test_the_factor_on_estimates_is_a_factor():
    assert run([1.0] * 3, d_coef=2.0)[1]["d_max"] > run([1.0] * 3)[1]["d_max"]
