import math
from dataclasses import replace

import numpy as np
import pytest

from ravine.records.comparison import Contestant, Scale, compare, restricted

SCALE = Scale(interval=100.0, rounding={float(step): 1.0 for step in range(2000)}, horizon=1000.0, span=2.0)


def contestant(name, times, finals, *, seeds=None):
    seeds = tuple(range(1, len(times) + 1)) if seeds is None else seeds
    return Contestant(name, seeds, np.array(times, dtype=float), np.array(finals, dtype=float), has_finished=True)


def only(a, b, *, alpha=0.05, sign=1.0):
    (pair,) = compare([a, b], SCALE, alpha=alpha, sign=sign)
    return pair


def test_never_reached_is_held_to_the_horizon_plus_one_interval():
    assert restricted(np.array([0.0, 50.0, math.inf]), SCALE).tolist() == [0.5, 50.0, 1100.0]


def test_a_clear_difference_in_time_alone_tells_apart():
    pair = only(contestant("a", [100, 110, 105], [0.5] * 3), contestant("b", [300, 310, 330], [0.5] * 3))
    assert pair.told_apart_by == ("time",)
    assert pair.log_time.mean == pytest.approx(np.mean(np.log([300 / 100, 310 / 110, 330 / 105])))


def test_a_clear_difference_in_the_final_value_alone_tells_apart():
    pair = only(contestant("a", [100] * 3, [0.5, 0.51, 0.49]), contestant("b", [100] * 3, [0.8, 0.82, 0.78]))
    assert pair.told_apart_by == ("final",)
    assert pair.final.mean == pytest.approx(0.3)


@pytest.mark.parametrize(("seeds", "is_tie"), [(5, True), (6, False)])
def test_with_few_seeds_a_gap_below_15_percent_is_a_tie_however_sure(seeds, is_tie):
    noise = np.linspace(-0.4, 0.4, seeds)
    pair = only(contestant("a", 1000 + noise, [0.5] * seeds), contestant("b", 1140 - noise, [0.5] * seeds))
    assert pair.adjusted_p[0] < 0.005
    assert pair.is_tie == is_tie


@pytest.mark.parametrize(("gap", "is_tie"), [(0.019, True), (0.021, False)])
def test_a_final_gap_below_one_percent_of_regret_is_a_tie_however_sure(gap, is_tie):
    noise = np.linspace(-1e-5, 1e-5, 8)
    pair = only(contestant("a", [100] * 8, 0.5 + noise), contestant("b", [100] * 8, 0.5 + gap - noise))
    assert pair.adjusted_p[1] < 1e-6
    assert pair.is_tie == is_tie


def test_where_nothing_was_learnt_no_final_value_tells_apart():
    flat = Scale(interval=100.0, rounding={}, horizon=1000.0, span=0.0)
    a, b = contestant("a", [math.inf] * 4, [2.0, 2.1, 2.0, 2.1]), contestant("b", [math.inf] * 4, [9.0, 9.1, 9.2, 9.0])
    assert compare([a, b], flat, alpha=0.05, sign=1.0)[0].is_tie


def test_equal_steps_on_a_coarse_grid_are_no_certainty():
    coarse = Scale(interval=100.0, rounding={100.0: 100.0, 200.0: 100.0}, horizon=1000.0, span=2.0)
    a, b = contestant("a", [100] * 3, [0.5] * 3), contestant("b", [200] * 3, [0.5] * 3)
    assert compare([a, b], coarse, alpha=0.05, sign=1.0)[0].is_tie
    assert not only(a, b).is_tie


def test_holm_runs_over_all_pairs_and_both_measures():
    rng = np.random.default_rng(0)
    many = [contestant(name, 100 * np.exp(0.3 * rng.normal(size=5)), 0.5 + 0.1 * rng.normal(size=5)) for name in "abcd"]
    pairs = compare(many, SCALE, alpha=0.05, sign=1.0)
    assert [(pair.first, pair.second) for pair in pairs] == [("a", "b"), ("a", "c"), ("a", "d"), ("b", "c"), ("b", "d"), ("c", "d")]
    raw = [part.p for pair in pairs for part in (pair.log_time, pair.final)]
    adjusted = [p for pair in pairs for p in pair.adjusted_p]
    assert adjusted[int(np.argmin(raw))] == pytest.approx(min(1.0, 12 * min(raw)))


def test_only_seeds_that_both_ran_are_paired():
    a = contestant("a", [100, 900, 110, 105], [0.5, 9.0, 0.5, 0.5], seeds=(1, 2, 3, 4))
    b = contestant("b", [300, 310, 330], [0.5] * 3, seeds=(1, 3, 4))
    pair = only(a, b)
    assert (pair.log_time.n, pair.final.mean) == (3, 0.0)
    assert only(contestant("a", [1], [1.0]), contestant("b", [9], [9.0])).log_time.method == "not testable at this n"


def test_the_final_difference_is_reported_in_the_metrics_own_direction():
    a, b = contestant("a", [100] * 3, [-0.9, -0.91, -0.89]), contestant("b", [100] * 3, [-0.51, -0.5, -0.49])
    pair = only(a, b, sign=-1.0)
    assert pair.final.mean == pytest.approx(-0.4)
    assert pair.final.low < -0.4 < pair.final.high < 0


def test_as_json_is_plain():
    pair = only(contestant("a", [1], [1.0]), contestant("b", [9], [9.0])).as_json()
    assert pair["log_time"]["low"] is None
    assert pair["adjusted_p"] == [1.0, 1.0]
    assert pair["told_apart_by"] == []


def test_two_entrants_whose_seeds_gave_one_run_each_are_not_testable_and_tie():
    a, b = contestant("a", [100] * 5, [0.5] * 5), contestant("b", [300] * 5, [0.8] * 5)
    assert not only(a, b).is_tie
    pair = only(replace(a, seeds_differ=False), replace(b, seeds_differ=False))
    assert pair.is_tie
    assert pair.adjusted_p == (1.0, 1.0)
    for part in (pair.log_time, pair.final):
        assert (part.low, part.high, part.method) == (None, None, "not testable: one sample")
    assert pair.final.mean == pytest.approx(0.3)
    assert only(replace(a, seeds_differ=False), b).told_apart_by == ("time",)
