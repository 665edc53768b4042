"""Findings of a watched loop that follow from others: the cause is told first, and they send nobody another way."""

from collections.abc import Sequence
from dataclasses import replace

from ravine.doctor.checks_average import BEHIND
from ravine.doctor.checks_curve import STUCK, UNFINISHED
from ravine.doctor.checks_decay import EATEN
from ravine.doctor.checks_gradients import SLOW
from ravine.doctor.checks_narrow import ROUNDED
from ravine.doctor.checks_schedule import CUT, DECAYED
from ravine.doctor.checks_steps import LATE, SAME_ROWS
from ravine.doctor.outcome import Outcome, judged
from ravine.records.findings import Finding

UNGIVEN = "parameters are not given to the optimizer"
FAST, HIGH, SPIKED = "weights are rewritten too fast", "the rate is too high", "the loss spikes"
COLD = "the first steps are too large: no warm-up"
LOST, UNFOLLOWED = "differences between inputs are lost with depth", "validation does not follow training"
CAUSES = (UNGIVEN, LATE, CUT, DECAYED, EATEN, ROUNDED)
"""For which a loss may stay where it is, whatever the rate."""
TOO_FAST = (HIGH, COLD, FAST, SPIKED)
"""After which no higher rate is of use."""
FOLLOW = {
    **dict.fromkeys((HIGH, SPIKED, "a loss or gradient is not finite", "single gradients are large"), (LATE,)),
    FAST: (LATE, EATEN),
    UNFOLLOWED: (BEHIND, SAME_ROWS),
}
"""What may be mended with its cause."""


def without_echoes(outcomes: Sequence[Outcome]) -> list[Outcome]:
    """The same, told as causes and what follows from them.

    Args:
        outcomes: of all rungs.
    """
    titles = {finding.title for outcome in outcomes for finding in outcome.findings}
    severe = {finding.title for outcome in outcomes for finding in outcome.findings if finding.severity != "information"}
    kept = []
    for outcome in outcomes:
        found = [_seen(finding, titles, severe) for finding in outcome.findings if not _is_echo(finding.title, titles)]
        is_same = found == list(outcome.findings) or outcome.rung.verdict in ("unknown", "skipped")
        kept.append(outcome if is_same else judged(outcome.rung.rung, outcome.rung.measured, found, stops=outcome.stops))
    return kept


def _is_echo(title: str, titles: set[str]) -> bool:
    if title == SLOW:
        return ROUNDED in titles
    if title == LOST:
        return EATEN in titles
    if title == DECAYED:
        return CUT in titles
    # The last values of a curve that is flat, or of a rate that is gone, tell nothing of a longer training.
    return title == UNFINISHED and bool(titles & {STUCK, DECAYED, CUT})


def _seen(finding: Finding, titles: set[str], severe: set[str]) -> Finding:
    """In the light of the others, of which some are above information."""
    if finding.title in (DECAYED, CUT, EATEN) and STUCK in titles:
        return replace(finding, severity="error")
    causes = CAUSES if finding.title == STUCK else FOLLOW.get(finding.title, ())
    cause = next((title for title in causes if title in titles), None)
    if cause is not None and finding.severity != "information":
        return replace(finding, remedy=f"Mend its cause first: {cause}.")
    if finding.title in (STUCK, SLOW) and (fast := next((title for title in TOO_FAST if title in severe), None)):
        return replace(finding, remedy=f"No higher rate for all: mend this first: {fast}.")
    return finding
