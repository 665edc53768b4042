import doctest
from types import SimpleNamespace as N

import numpy as np
import pytest
import torch

from ravine.rules import schedule_free
from ravine.rules.schedule_free import SGDScheduleFree

HYPERS = {"lr": 0.5, "beta": 0.5, "l2": 0.0, "warmup_steps": 0.0, "r": 0.0, "weight_lr_power": 2.0}


def test_examples():
    result = doctest.testmod(schedule_free)
    assert result.attempted > 0
    assert result.failed == 0


def run(rates, **changed):
    """Points z after steps along a gradient of 1, and the average of them that the rule evaluates at."""
    hypers = HYPERS | changed
    rule = SGDScheduleFree(interpolates=hypers["beta"] != 0)
    p, number = torch.ones(1, dtype=torch.float64), torch.zeros((), dtype=torch.float64)
    s, points = {"z": p, "n": number, "top": number}, [1.0]
    for t, rate in enumerate(rates, 1):
        c = N(**rule.scalars(N(**{**hypers, "lr": rate}), t))
        delta, s = rule.update(p, torch.ones(1, dtype=torch.float64), N(**s), c)
        p = p + delta
        points.append(points[-1] - c.lr)
    return points[1:], rule.evaluate(p, N(**s), c).item(), s


@pytest.mark.parametrize("beta", [0.0, 0.5, 0.9])
def test_the_average_of_equal_rates_is_the_mean_of_the_points(beta):
    points, average, s = run([0.5] * 6, beta=beta)
    assert average == pytest.approx(np.mean(points), rel=1e-12)
    assert s["n"] == 6.0


@pytest.mark.parametrize("beta", [0.0, 0.5])
def test_points_weigh_by_the_largest_rate_so_far_and_the_step(beta):
    rates = [0.1, 0.4, 0.2]
    weights = np.array([0.1, 0.4, 0.4]) ** 2 * np.arange(1, 4)
    points, average, _ = run(rates, beta=beta, r=1.0)
    assert average == pytest.approx(np.average(points, weights=weights), rel=1e-12)


def test_a_warm_up_raises_the_rate_and_weighs_by_it():
    points, average, _ = run([0.4] * 4, warmup_steps=4.0)
    assert points == pytest.approx([0.9, 0.7, 0.4, 0.0])
    assert average == pytest.approx(np.average(points, weights=np.arange(1, 5) ** 2), rel=1e-12)


def test_rates_of_0_at_the_start_move_nothing_and_count_for_nothing():
    points, average, _ = run([0.0, 0.0, 0.5, 0.5])
    assert average == pytest.approx(np.mean(points[2:]), rel=1e-12)
