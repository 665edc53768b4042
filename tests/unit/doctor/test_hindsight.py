"""Findings in the light of what rungs above them measured."""

import pytest

from ravine.doctor import checks_curve, checks_data, checks_gradients, checks_loss, checks_model, checks_setup
from ravine.doctor.hindsight import (
    DEAF,
    with_causes_first,
    with_remedies_of_causes,
    without_echoes,
    without_overcome_starts,
    without_slow_descents,
)
from ravine.doctor.outcome import judged
from ravine.doctor.reach import OVERFIT
from ravine.records.findings import Finding


def outcome(rung, title, severity="error"):
    return judged(rung, "m", [Finding(severity, rung, title, "m", "", "", "", "r")])


SICK = [
    outcome(checks_loss.INITIAL, checks_loss.TOO_HIGH),
    outcome(checks_loss.INDEPENDENT, checks_loss.NO_INPUT),
    outcome(OVERFIT, "not even one batch can be learnt"),
]


def verdicts(outcomes):
    return [one.rung.verdict for one in outcomes]


def test_what_does_not_learn_one_batch_says_nothing_of_its_inputs():
    assert verdicts(without_echoes(SICK, {OVERFIT: "no"})) == ["fail", "unknown", "fail"]
    assert verdicts(without_echoes(SICK, {})) == ["fail"] * 3
    told = without_echoes(SICK, {OVERFIT: "no"})[2].findings[0]
    assert told.measured == "m; what it learns does not depend on its inputs: m"
    assert told.remedy == DEAF
    leak = outcome(checks_loss.INDEPENDENT, "rows of a batch see each other")
    assert verdicts(without_echoes([leak], {OVERFIT: "no"})) == ["fail"]


def test_what_explains_that_no_batch_is_learnt_stands_above_it():
    frozen, unlearnt = outcome("loading", checks_setup.RANDOM, "warning"), SICK[2]
    cause, follows = with_causes_first([frozen, unlearnt], {OVERFIT: "no"})
    assert (cause.rung.verdict, cause.findings[0].severity) == ("fail", "error")
    assert cause.findings[0].measured == "m; no"
    assert f'may follow from the finding "{checks_setup.RANDOM}"' in follows.findings[0].remedy
    assert with_causes_first([frozen, unlearnt], {}) == [frozen, unlearnt]


@pytest.mark.parametrize("title", [checks_model.CROWDED, checks_data.TARGETS])
def test_a_choice_is_a_cause_where_no_batch_is_learnt(title):
    cause, follows = with_causes_first([outcome("loading", title, "warning"), SICK[2]], {OVERFIT: "no"})
    assert cause.findings[0].severity == "error"
    assert f'"{title}"' in follows.findings[0].remedy


@pytest.mark.parametrize(
    ("rung", "symptom", "cause"),
    [
        (checks_curve.CURVE, checks_curve.STUCK, checks_model.SYMMETRIC),
        (checks_gradients.ACTIVATIONS, checks_gradients.LARGE_ACTIVATIONS, checks_data.TARGETS),
    ],
)
def test_a_symptom_has_its_cause_for_a_remedy(rung, symptom, cause):
    lower, higher = outcome("loading", cause), outcome(rung, symptom)
    assert f'"{cause}"' in with_remedies_of_causes([lower, higher])[1].findings[0].remedy
    assert with_remedies_of_causes([higher]) == [higher]


def test_a_lower_warning_of_another_kind_is_no_cause():
    other = outcome("loading", "one class holds nearly all rows", "warning")
    assert with_causes_first([other, SICK[2]], {OVERFIT: "no"}) == [other, SICK[2]]


@pytest.mark.parametrize(
    ("reached", "baseline", "expected"),
    [
        (0.7, 1.386, "pass"),
        (1.38, 1.386, "fail"),
        (3.4, 1.386, "fail"),
        (None, 1.386, "fail"),
        (0.7, None, "fail"),
        (float("nan"), 1.0, "fail"),
    ],
)
def test_a_high_start_is_told_and_no_fault_where_training_made_up_for_it(reached, baseline, expected):
    first, *rest = without_overcome_starts(SICK, reached, baseline)
    assert first.rung.verdict == expected
    assert ("below the 1.386 of a constant output" in first.findings[0].measured) == (expected == "pass")
    assert rest == SICK[1:]


def test_a_start_that_is_too_low_stays_what_it_is():
    low = outcome(checks_loss.INITIAL, "the loss begins too low", "warning")
    assert without_overcome_starts([low], 0.1, 1.386) == [low]


@pytest.mark.parametrize(
    ("severity", "fallen", "steps", "expected"),
    [
        ("warning", 0.05, 200, "pass"),
        ("warning", 0.01, 200, "warn"),
        ("warning", 0.01, 50, "pass"),
        ("warning", None, 0, "warn"),
        ("error", 0.05, 200, "fail"),
    ],
)
def test_a_rate_below_the_first_descent_is_told_and_no_fault_where_the_loss_falls_steadily(severity, fallen, steps, expected):
    low = outcome("rate", "the rate is too low", severity)
    (found,) = without_slow_descents([low], fallen, steps)
    assert found.rung.verdict == expected
    assert ("in 200 steps at it the loss fell by 5%" in found.findings[0].measured) == (expected == "pass" and steps == 200)
    assert found.findings[0].remedy.startswith("Nothing") == (expected == "pass")
