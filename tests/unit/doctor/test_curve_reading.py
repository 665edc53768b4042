"""The rules on a curve from elsewhere: sick in one way, and the healthy twin."""

import numpy as np
import pytest

from ravine.doctor.curve_reading import read
from ravine.records.run_curves import RunCurve, series

STEPS = np.arange(0, 2000, 10)
MARKS = np.arange(0, 2000, 100)


def falling():
    return (2.0 * np.exp(-STEPS / 500) + 0.5) * (1 + 0.02 * np.random.default_rng(0).normal(size=len(STEPS)))


def reading(losses=None, steps=STEPS, **evaluations):
    found = {name: series(name, MARKS, values) for name, values in evaluations.items()}
    return read(RunCurve("run.csv", "CSV", series("loss", steps, falling() if losses is None else losses), found))


def said(found):
    return [(one.severity, one.title) for one in found.diagnosis]


LATE = ("information", "still improving at the end")


def test_a_healthy_curve_has_no_finding_above_a_remark():
    found = reading()
    assert said(found) == [LATE]
    assert found.marks == ()
    assert found.diagnosis.rung("curve").verdict == "pass"
    assert found.diagnosis.rung("curve").measured.endswith("in 200 values")


def test_a_spike_has_the_step_of_the_log():
    losses = falling()
    losses[150] = 9.0
    found = reading(losses)
    assert ("warning", "the loss spikes") in said(found)
    assert found.diagnosis[0].where == "step 1,500"
    assert [(mark.step, mark.label, mark.value) for mark in found.marks] == [(1500.0, "spike", 9.0)]


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_what_is_not_finite_is_an_error_and_no_other_rule_looks_beyond_it(bad):
    losses = falling()
    losses[120:] = bad
    found = reading(losses)
    assert said(found) == [("error", "the loss is not finite")]
    assert found.diagnosis[0].measured == f"{bad:g} at step 1,200; 80 of 200 values are not finite"
    assert found.diagnosis.has_errors


def test_a_curve_that_does_not_fall():
    assert said(reading(np.full(len(STEPS), 2.3) + 0.01 * np.random.default_rng(0).normal(size=len(STEPS))))[0] == (
        "warning",
        "the loss stays flat and high",
    )


def test_validation_that_turns_up_is_a_warning_with_its_metric_and_a_remark_without():
    rising = np.concatenate([np.linspace(2.0, 1.0, 10), np.linspace(1.0, 1.5, 10)])
    worse = np.concatenate([np.linspace(0.2, 0.9, 10), np.linspace(0.9, 0.7, 10)])
    better = np.linspace(0.2, 0.9, 20)
    assert ("warning", "validation turns up, and the metric with it") in said(reading(loss=rising, accuracy=worse))
    assert said(reading(loss=rising, accuracy=better)) == [LATE]
    alone = reading(loss=rising)
    assert ("information", "the validation loss turns up") in said(alone)
    assert [mark.label for mark in alone.marks] == ["validation is best here"]


def test_a_resumed_run_and_a_hole_are_remarks():
    steps = np.concatenate([STEPS[:100], STEPS[80:]])
    found = reading(np.concatenate([falling()[:100], falling()[80:]]), steps)
    assert ("information", "the run was resumed") in said(found)
    assert "goes back to step 800; 20 values" in next(one.measured for one in found.diagnosis if one.title == "the run was resumed")
    keep = (STEPS < 500) | (STEPS > 900)
    hole = reading(falling()[keep], STEPS[keep])
    assert ("information", "losses are missing") in said(hole)
    assert [(mark.step, mark.until) for mark in hole.marks] == [(490.0, 910.0)]


def test_a_few_values_cannot_be_judged():
    found = reading(falling()[:10], STEPS[:10])
    assert found.diagnosis.rung("curve").verdict == "unknown"
    assert found.diagnosis.rung("curve").measured == "10 losses; the rules need 20"
