"""Why lanes diverged or broke, in words: under the list of lanes, and as rows of the page."""

from collections.abc import Sequence
from itertools import pairwise
from textwrap import fill

from ravine.records.lane_findings import LaneFinding, together
from ravine.report.facts import Facts


def diagnoses_text(facts: Facts, *, width: int) -> str:
    """A paragraph for each cause, with the lanes that it explains; empty where there is none.

    Args:
        facts: of the record.
        width: of a line.
    """
    groups = together(facts.findings)
    parts = [_paragraph(facts, found, lanes, width) for found, lanes in groups]
    return "\n".join(["why lanes diverged or broke", "", *parts]) if parts else ""


def _paragraph(facts: Facts, found: LaneFinding, lanes: Sequence[int], width: int) -> str:
    """The finding of one lane, and of the others their numbers."""
    finding = found.finding
    labels = {"where": finding.where, "measured": finding.measured, "threshold": finding.threshold, "do": finding.remedy}
    lines = [
        fill(f"{label:10}{text}", width - 2, initial_indent="  ", subsequent_indent=" " * 12) for label, text in labels.items() if text
    ]
    return "\n".join([fill(f"{_who(facts, found, lanes)}: {finding.title} ({finding.rung})", width), *lines, ""])


def _who(facts: Facts, found: LaneFinding, lanes: Sequence[int]) -> str:
    names = {lane.lane: lane.optimizer for lane in facts.lanes}
    others = [number for number in lanes if number != found.lane]
    and_so = f", and as it lane{'s' if len(others) > 1 else ''} {numbers(others)}" if others else ""
    return f"lane {found.lane}, {names.get(found.lane, '')}{and_so}"


def diagnosis_rows(facts: Facts) -> list[list[str]]:
    """A row for each cause: lanes, what was found, rung, measured, threshold and its source, where, what to do."""
    return [
        [_who(facts, found, lanes), one.title, one.rung, one.measured, f"{one.threshold}\n({one.source})", one.where, one.remedy]
        for found, lanes in together(facts.findings)
        for one in (found.finding,)
    ]


TITLES = ("lanes", "found", "rung", "measured", "threshold", "where", "what to do")
"""Of the columns of `diagnosis_rows`."""


def numbers(lanes: Sequence[int]) -> str:
    """Lane numbers, runs drawn together: "3 to 5, 9"."""
    ordered = sorted(lanes)
    starts = [ordered[0], *(b for a, b in pairwise(ordered) if b > a + 1)]
    ends = [*(a for a, b in pairwise(ordered) if b > a + 1), ordered[-1]]
    return ", ".join(
        str(low) if low == high else f"{low}{' to ' if high > low + 1 else ', '}{high}" for low, high in zip(starts, ends, strict=True)
    )
