"""Findings: their order, their text, and the JSON of a diagnosis."""

import json

import pytest

from ravine.base.errors import UnknownNameError
from ravine.records.findings import RUNGS, Diagnosis, Finding, Rung, ordered


def finding(severity="error", rung="gradients", title="they vanish"):
    return Finding(severity, rung, title, "ratio 1e-9", "1e-3", "a paper", "layer 0", "normalise")


def test_the_most_severe_stands_first_and_the_lower_rung_before_the_higher():
    given = [finding("information", "loading"), finding("error", "curve"), finding("warning", "rate"), finding("error", "loading")]
    assert [(found.severity, found.rung) for found in ordered(given)] == [
        ("error", "loading"),
        ("error", "curve"),
        ("warning", "rate"),
        ("information", "loading"),
    ]


def test_a_diagnosis_is_the_sequence_of_its_findings_in_order():
    diagnosis = Diagnosis({"name": "t"}, (finding("information"), finding("error")))
    assert [found.severity for found in diagnosis] == ["error", "information"]
    assert len(diagnosis) == 2
    assert diagnosis[0].severity == "error"
    assert diagnosis[-1:][0].severity == "information"


@pytest.mark.parametrize(("severity", "expected"), [("error", True), ("warning", False), ("information", False)])
def test_only_an_error_is_one(severity, expected):
    assert Diagnosis({}, (finding(severity),)).has_errors is expected


def test_the_text_has_every_part_and_leaves_out_what_is_empty():
    text = str(finding())
    for part in ("error: they vanish (gradients)", "layer 0", "ratio 1e-9", "1e-3", "a paper", "normalise"):
        assert part in text
    assert "where" not in str(Finding("error", "rate", "t", "m", "", "", "", "r"))


def test_the_json_has_the_keys_of_the_contract():
    diagnosis = Diagnosis({"name": "t"}, (finding(),), (Rung("loading", "pass", "all well"),))
    found = json.loads(json.dumps(diagnosis.summary(), allow_nan=False))
    assert found["schema"] == 1
    assert found["task"] == {"name": "t"}
    assert list(found["findings"][0]) == ["severity", "rung", "title", "measured", "threshold", "source", "where", "remedy"]
    assert found["rungs"] == [{"rung": "loading", "verdict": "pass", "measured": "all well"}]


def test_a_rung_is_found_by_its_name():
    diagnosis = Diagnosis({}, (), tuple(Rung(name, "pass", "") for name in RUNGS))
    assert diagnosis.rung("rate").rung == "rate"
    with pytest.raises(UnknownNameError, match="no rung is called 'raet'; did you mean 'rate'"):
        diagnosis.rung("raet")


@pytest.mark.parametrize(("severity", "rung"), [("fatal", "rate"), ("error", "tempo")])
def test_an_unknown_severity_or_rung_is_refused(severity, rung):
    with pytest.raises(UnknownNameError, match=r"no (severity|rung) is called"):
        finding(severity, rung)
