"""Findings of a loop in the light of their cause."""

import pytest

from ravine.doctor.checks_average import BEHIND
from ravine.doctor.checks_curve import STUCK, UNFINISHED
from ravine.doctor.checks_decay import EATEN
from ravine.doctor.checks_gradients import SLOW
from ravine.doctor.checks_narrow import ROUNDED
from ravine.doctor.checks_schedule import CUT, DECAYED
from ravine.doctor.checks_steps import LATE
from ravine.doctor.loop_echoes import FAST, LOST, SPIKED, UNFOLLOWED, UNGIVEN, without_echoes
from ravine.doctor.outcome import judged, unknown
from ravine.records.findings import Finding

RUNGS = {UNGIVEN: "loading", DECAYED: "rate", SLOW: "update-to-weight", STUCK: "curve", UNFINISHED: "curve", ROUNDED: "precision"}
RUNGS |= {LATE: "loading", BEHIND: "loading", CUT: "rate", EATEN: "update-to-weight", FAST: "update-to-weight", LOST: "activations"}
RUNGS |= {SPIKED: "curve", UNFOLLOWED: "curve"}


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
        ((STUCK, FAST), [("error", STUCK, f"No higher rate for all: mend this first: {FAST}."), ("warning", FAST, "do")]),
        ((STUCK, EATEN, LOST), [("error", EATEN, "do"), ("error", STUCK, f"Mend its cause first: {EATEN}.")]),
        ((FAST, LATE), [("warning", LATE, "do"), ("warning", FAST, f"Mend its cause first: {LATE}.")]),
        ((CUT, DECAYED), [("warning", CUT, "do")]),
        ((BEHIND, UNFOLLOWED), [("warning", BEHIND, "do"), ("warning", UNFOLLOWED, f"Mend its cause first: {BEHIND}.")]),
        ((SLOW, UNFINISHED), [("warning", SLOW, "do"), ("warning", UNFINISHED, "do")]),
    ],
    ids=["rate", "not given", "flat", "gone", "rounded", "fast", "decay", "late", "cut", "behind", "no cause"],
)
def test_causes_stand_first_and_echoes_send_nobody_another_way(titles, expected):
    assert told(*titles) == expected


def test_verdicts_follow():
    slow, lost = (judged(RUNGS[title], "m", [Finding("warning", RUNGS[title], title, "m", "", "", "", "do")]) for title in (SLOW, ROUNDED))
    assert [outcome.rung.verdict for outcome in without_echoes([slow, lost, unknown("curve", "why")])] == ["pass", "warn", "unknown"]
