"""A rung is as bad as its worst finding."""

import pytest

from ravine.doctor.outcome import judged, skipped, unknown
from ravine.records.findings import Finding


def finding(severity):
    return Finding(severity, "rate", "t", "m", "", "", "", "r")


@pytest.mark.parametrize(
    ("severities", "verdict"),
    [((), "pass"), (("information",), "pass"), (("information", "warning"), "warn"), (("warning", "error", "information"), "fail")],
)
def test_the_verdict_follows_from_the_worst_finding(severities, verdict):
    outcome = judged("rate", "measured", map(finding, severities))
    assert outcome.rung.verdict == verdict
    assert len(outcome.findings) == len(severities)


def test_what_was_not_judged_says_why():
    assert (unknown("rate", "too few steps").rung.verdict, unknown("rate", "too few steps").rung.measured) == ("unknown", "too few steps")
    assert skipped("rate", "because").rung.verdict == "skipped"
