"""Findings of a loop in the light of their cause."""

import pytest

from ravine.doctor.checks_curve import STUCK, UNFINISHED
from ravine.doctor.checks_gradients import SLOW
from ravine.doctor.checks_narrow import ROUNDED
from ravine.doctor.checks_schedule import DECAYED
from ravine.doctor.loop_echoes import UNGIVEN, without_echoes
from ravine.doctor.outcome import judged, unknown
from ravine.records.findings import Finding

RUNGS = {UNGIVEN: "loading", DECAYED: "rate", SLOW: "update-to-weight", STUCK: "curve", UNFINISHED: "curve", ROUNDED: "precision"}


def told(*titles):
    """(severity, title, remedy) of what is left, worst first."""
    found = [Finding("error" if title in (UNGIVEN, STUCK) else "warning", RUNGS[title], title, "m", "", "", "", "do") for title in titles]
    kept = without_echoes([judged(finding.rung, "m", [finding]) for finding in found])
    left = sorted((finding for outcome in kept for finding in outcome.findings), key=lambda finding: finding.order)
    return [(finding.severity, finding.title, finding.remedy) for finding in left]


@pytest.mark.parametrize(
    ("titles", "expected"),
    [
        ((STUCK, DECAYED), [("error", DECAYED, "do"), ("error", STUCK, f"Mend its cause first: {DECAYED}.")]),
        ((STUCK, UNGIVEN), [("error", UNGIVEN, "do"), ("error", STUCK, f"Mend its cause first: {UNGIVEN}.")]),
        ((STUCK, UNFINISHED), [("error", STUCK, "do")]),
        ((DECAYED, UNFINISHED), [("warning", DECAYED, "do")]),
        ((SLOW, ROUNDED), [("warning", ROUNDED, "do")]),
        ((SLOW, UNFINISHED), [("warning", SLOW, "do"), ("warning", UNFINISHED, "do")]),
    ],
    ids=["rate", "not given", "flat", "gone", "rounded", "no cause"],
)
def test_causes_stand_first_and_echoes_send_nobody_another_way(titles, expected):
    assert told(*titles) == expected


def test_verdicts_follow():
    slow, lost = (judged(RUNGS[title], "m", [Finding("warning", RUNGS[title], title, "m", "", "", "", "do")]) for title in (SLOW, ROUNDED))
    assert [outcome.rung.verdict for outcome in without_echoes([slow, lost, unknown("curve", "why")])] == ["pass", "warn", "unknown"]
