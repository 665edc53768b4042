"""The rung `curve`, fed with arrays: sick in one way, and the healthy twin."""

import numpy as np
import pytest

from ravine.doctor.checks_curve import curve, disagreement
from ravine.doctor.short_run import Trajectory

STEPS = 200
MARKS = np.arange(0, STEPS + 1, 20)


def trajectory(losses=None, **evaluations):
    noise = 0.03 * np.random.default_rng(0).normal(size=STEPS)
    falling = 2.0 * np.exp(-np.arange(STEPS) / 80) + 0.5
    given = falling * (1 + noise) if losses is None else losses
    usual = {"train": np.interp(MARKS, np.arange(STEPS), falling), "loss": np.interp(MARKS, np.arange(STEPS), falling)}
    return Trajectory(("w",), {"w": "matrix"}, given, np.ones((STEPS, 1)), np.ones((STEPS, 1)), 1e-3, MARKS, usual | evaluations)


def said(found, baseline=2.3, **settings):
    return [
        (finding.severity, finding.title) for finding in curve(found, baseline, higher_is_better={"accuracy": True}, **settings).findings
    ]


def test_a_curve_that_falls_is_healthy():
    assert said(trajectory()) == []


@pytest.mark.parametrize(("baseline", "severity"), [(2.3, "error"), (None, "warning")])
def test_a_flat_curve_is_an_error_where_a_constant_does_as_well(baseline, severity):
    flat = np.full(STEPS, 2.31) + 0.01 * np.random.default_rng(0).normal(size=STEPS)
    assert said(trajectory(flat), baseline) == [(severity, "the loss stays flat and high")]


def test_a_flat_curve_far_below_the_constant_has_arrived():
    assert said(trajectory(np.full(STEPS, 0.1))) == []


def test_a_spike_that_undoes_the_fall_is_a_warning_and_a_small_one_a_remark():
    high = trajectory()
    high.losses[150] = 6.0
    assert said(high) == [("warning", "the loss spikes")]
    low = trajectory(np.concatenate([np.linspace(2.0, 0.02, 100), np.full(100, 0.02)]))
    low.losses[190] = 0.1
    assert said(low) == [("information", "the loss spikes")]


@pytest.mark.parametrize(
    ("steps", "severity"),
    [(slice(150, 151), "information"), (slice(150, 153), "warning"), (slice(198, 200), "information")],
    ids=["one step", "three steps", "nobody knows yet"],
)
def test_a_hard_batch_is_a_remark_and_a_loss_that_stays_up_a_warning(steps, severity):
    spiky = trajectory(2.0 * np.exp(-np.arange(STEPS) / 15) + 0.5 + 0.01 * np.random.default_rng(0).normal(size=STEPS))
    spiky.losses[steps] = 1.2
    assert said(spiky) == [(severity, "the loss spikes")]


@pytest.mark.parametrize("digits", [2, 3, 4, 9])
def test_a_flat_curve_has_no_spikes_however_it_is_rounded(digits):
    flat = np.full(STEPS, round(2.3026, digits))
    flat[[100, 150]] += 10.0**-digits
    assert [title for _, title in said(trajectory(flat))] == ["the loss stays flat and high"]


def test_a_spike_of_a_flat_curve_is_measured_by_the_loss_itself():
    small, large = (np.full(STEPS, 2.303) + 0.001 * np.random.default_rng(0).normal(size=STEPS) for _ in range(2))
    small[150], large[150] = 2.4, 6.0
    assert said(trajectory(small))[1:] == [("information", "the loss spikes")]
    assert said(trajectory(large))[1:] == [("warning", "the loss spikes")]


def test_evaluations_of_fixed_rows_that_swing():
    assert said(trajectory(train=np.where(np.arange(len(MARKS)) % 2, 2.0, 1.0))) == [("warning", "the loss oscillates")]


def test_validation_that_turns_up_counts_only_with_the_metric():
    rising = np.concatenate([np.linspace(2.0, 1.0, 6), np.linspace(1.0, 1.5, 5)])
    better, worse = np.linspace(0.2, 0.9, 11), np.concatenate([np.linspace(0.2, 0.9, 6), np.linspace(0.9, 0.7, 5)])
    assert said(trajectory(loss=rising, accuracy=better)) == []
    assert said(trajectory(loss=rising, accuracy=worse)) == [("warning", "validation turns up, and the metric with it")]


def test_only_of_a_whole_training_is_a_late_best_value_told():
    assert said(trajectory(), is_whole=True) == [("information", "still improving at the end")]


def test_of_a_log_with_gaps_the_steps_are_the_logs_and_no_rate_is_told():
    sick = trajectory()
    sick.losses[150], sick.rate = 6.0, float("nan")
    found = curve(sick, 2.3, higher_is_better={}, logged=50 * np.arange(STEPS))
    assert found.findings[0].where == "step 7,500"
    assert found.rung.measured.endswith("in 200 values")


@pytest.mark.parametrize(
    ("last", "is_up", "expected"),
    [(0.5, True, ["warning"]), (0.9, True, []), (0.9, False, ["warning"]), (0.5, False, [])],
    ids=["worse", "better", "higher is worse", "lower is better"],
)
def test_a_metric_must_follow_the_loss(last, is_up, expected):
    found = trajectory(metric=np.linspace(0.55, last, len(MARKS)))
    assert [one.severity for one in disagreement(found, {"metric": is_up}, "loss")] == expected


def test_a_metric_need_not_follow_a_loss_that_stays_nor_one_among_others_that_does_not_rank():
    falling = np.linspace(0.55, 0.5, len(MARKS))
    still = trajectory(loss=np.linspace(1.0, 0.95, len(MARKS)), metric=falling)
    assert list(disagreement(still, {"metric": True}, "loss")) == []
    aside = trajectory(metric=falling, other=1 - falling)
    assert [one.severity for one in disagreement(aside, {"metric": True, "other": True}, "other")] == ["information"]
