import dataclasses
import math

import numpy as np
import pytest

from ravine.records import FinalLane, TunedLane
from ravine.records.entrants import chosen_cohorts, diverges_at_lr, lr_window_decades


def final(lr, seed, value, *, diverged=False, validation=None, optimizer="adam"):
    return FinalLane(optimizer, lr, seed, diverged, np.array([2.0, 1.0, value]), value if validation is None else validation)


def tuned(**values):
    """Rates by their exponent: `_3=0.1` is the value at 1e-3; "diverged" and "stuck" are words."""
    return [
        TunedLane("adam", 10.0 ** -float(name[1:].replace("h", ".5")), math.nan if isinstance(v, str) else v, v == "diverged", v == "stuck")
        for name, v in values.items()
    ]


def test_the_rate_with_the_better_validation_value_is_chosen_not_the_better_test_value():
    lanes = [final(0.1, s, 0.5, validation=0.4) for s in (1, 2)] + [final(0.2, s, 0.1, validation=0.6) for s in (1, 2)]
    (cohort,) = chosen_cohorts(lanes, sign=1.0)
    assert (cohort.lr, cohort.seeds, cohort.finals.tolist()) == (0.1, (1, 2), [0.5, 0.5])


@pytest.mark.parametrize(("other", "lr"), [(0.118, 0.2), (0.121, 0.1)], ids=["0.95 % of regret", "1.1 %"])
def test_between_equal_validation_values_the_order_of_tuning_stands(other, lr):
    """The lanes start at 2.0 and the better rate ends at 0.1: 1 % of regret is 0.019."""
    lanes = [final(0.2, s, 0.5, validation=other) for s in (1, 2)] + [final(0.1, s, 0.5, validation=0.1) for s in (1, 2)]
    assert chosen_cohorts(lanes, sign=1.0)[0].lr == lr


def test_higher_is_better_turns_everything_around():
    lanes = [final(0.1, 1, 0.5), final(0.2, 1, 0.9)]
    (cohort,) = chosen_cohorts(lanes, sign=-1.0)
    assert (cohort.lr, cohort.finals.tolist(), cohort.curves[0].tolist()) == (0.2, [-0.9], [-2.0, -1.0, -0.9])


@pytest.mark.parametrize("broken", [{"diverged": True}, {"validation": math.nan}])
def test_a_diverged_lane_counts_as_worst(broken):
    lanes = [final(0.1, 1, 0.01), final(0.1, 2, 0.01, **broken), final(0.1, 3, 0.01)] + [final(0.03, s, 0.5) for s in (1, 2, 3)]
    (cohort,) = chosen_cohorts(lanes, sign=1.0)
    assert cohort.lr == (0.03 if "diverged" in broken else 0.1)


def test_a_diverged_lane_keeps_its_start_and_nothing_else():
    (cohort,) = chosen_cohorts([final(0.1, 2, 0.3), final(0.1, 1, 0.01, diverged=True), final(0.1, 3, math.nan)], sign=1.0)
    assert cohort.seeds == (1, 2, 3)
    assert cohort.finals.tolist() == [math.inf, 0.3, math.inf]
    assert cohort.curves[:, 0].tolist() == [2.0] * 3
    assert np.isnan(cohort.curves[[0, 2], 1:]).all()
    assert (cohort.num_diverged, cohort.num_lost, cohort.has_finished) == (1, 2, True)


@pytest.mark.parametrize(
    ("values", "decades"),
    [
        ({"_3": 0.1}, 0.0),
        ({"_4": 0.19, "_3h": 0.11, "_3": 0.1, "_2h": 0.12, "_2": 1.0}, 2.0 - 0.5),
        ({"_5": 0.1, "_4": 1.0, "_3": 0.1, "_2": 0.19}, 0.0),  # the run is unbroken around the first best
        ({"_4": 1.0, "_3": 0.1, "_2h": "diverged", "_2": 0.11}, 0.0),
        ({"_3": "stuck", "_2": "diverged"}, 0.0),
        ({}, 0.0),
    ],
)
def test_window_spans_the_unbroken_run_of_good_rates(values, decades):
    assert lr_window_decades(tuned(**values), initial=2.0, sign=1.0) == pytest.approx(decades)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_window_begins_where_the_lanes_themselves_began(sign):
    """The final's start, on other rows, would let a rate in that is not within 5 % of the way."""
    lanes = [dataclasses.replace(lane, value=sign * lane.value, start=sign * 2.0) for lane in tuned(_3=0.1, _2=0.2)]
    assert lr_window_decades(lanes, initial=2.2, sign=sign) == 0.0
    unknown = [dataclasses.replace(lane, start=math.nan) for lane in lanes]
    assert lr_window_decades(unknown, initial=2.2, sign=sign) == pytest.approx(1.0)


def test_window_of_a_metric_that_should_rise():
    lanes = tuned(_4=0.5, _3=0.9, _2=0.88, _1=0.3)
    assert lr_window_decades(lanes, initial=-0.1, sign=-1.0) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("values", "expected"),
    [({"_4": "diverged", "_3": 0.1, "_2": "stuck", "_1": "diverged"}, 1e-2), ({"_4": "stuck", "_3": 0.1, "_2": 5.0}, None), ({}, None)],
)
def test_the_lowest_breaking_rate_above_the_chosen_one(values, expected):
    found = diverges_at_lr(tuned(**values), above=1e-3)
    assert found == (None if expected is None else pytest.approx(expected))


@pytest.mark.parametrize(("shift", "differ"), [(0.0, False), (1e-9, False), (1e-3, True)])
def test_seeds_whose_curves_are_equal_but_for_rounding_do_not_differ(shift, differ):
    lanes = [final(0.1, seed, 0.3 + shift * seed) for seed in (1, 2, 3)]
    assert chosen_cohorts(lanes, sign=1.0)[0].seeds_differ == differ
    diverged = [final(0.1, seed, 0.3 + shift * seed, diverged=True) for seed in (1, 2, 3)]
    assert not chosen_cohorts(diverged, sign=1.0)[0].seeds_differ


def test_a_culled_rate_ends_the_window_and_breaks_nothing():
    lanes = tuned(_4=0.11, _3=0.1, _2=0.11, _1=0.1)
    assert lr_window_decades(lanes, initial=2.0, sign=1.0) == pytest.approx(3.0)
    lanes[2] = dataclasses.replace(lanes[2], culled=True)
    assert lr_window_decades(lanes, initial=2.0, sign=1.0) == pytest.approx(1.0)
    assert diverges_at_lr(lanes, above=1e-3) is None
    assert not lanes[2].has_finished
