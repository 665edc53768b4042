"""Findings of a watched loop that follow from others: the cause is told first, and they send nobody another way."""

from collections.abc import Sequence
from dataclasses import replace

from ravine.doctor.checks_curve import STUCK, UNFINISHED
from ravine.doctor.checks_gradients import SLOW
from ravine.doctor.checks_narrow import ROUNDED
from ravine.doctor.checks_schedule import DECAYED
from ravine.doctor.outcome import Outcome, judged
from ravine.records.findings import Finding

UNGIVEN = "parameters are not given to the optimizer"
CAUSES = (UNGIVEN, DECAYED, ROUNDED)
"""For which a loss may stay where it is, whatever the rate."""


def without_echoes(outcomes: Sequence[Outcome]) -> list[Outcome]:
    """The same, told as causes and what follows from them.

    Args:
        outcomes: of all rungs.
    """
    titles = {finding.title for outcome in outcomes for finding in outcome.findings}
    kept = []
    for outcome in outcomes:
        found = [_seen(finding, titles) for finding in outcome.findings if not _is_echo(finding.title, titles)]
        is_same = found == list(outcome.findings) or outcome.rung.verdict in ("unknown", "skipped")
        kept.append(outcome if is_same else judged(outcome.rung.rung, outcome.rung.measured, found, stops=outcome.stops))
    return kept


def _is_echo(title: str, titles: set[str]) -> bool:
    if title == SLOW:
        return ROUNDED in titles
    # The last values of a curve that is flat, or of a rate that is gone, tell nothing of a longer training.
    return title == UNFINISHED and bool(titles & {STUCK, DECAYED})


def _seen(finding: Finding, titles: set[str]) -> Finding:
    """In the light of the others."""
    if finding.title == DECAYED and STUCK in titles:
        return replace(finding, severity="error")
    cause = next((title for title in CAUSES if title in titles), None)
    if finding.title == STUCK and cause is not None:
        return replace(finding, remedy=f"Mend its cause first: {cause}.")
    return finding
