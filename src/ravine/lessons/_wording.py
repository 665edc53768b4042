"""A lesson's outcome as a person reads it on a terminal."""

import textwrap
from functools import partial
from typing import TYPE_CHECKING

from ravine.lessons._criterion import CONFIDENCE, Judged, shown

if TYPE_CHECKING:
    from ravine.lessons._running import Outcome

WIDTH = 100
filled = partial(textwrap.fill, width=WIDTH, break_on_hyphens=False)
"""Lines of at most `WIDTH`; a number such as 1e-6 stays whole."""
RULE = (
    "Supported if every part holds; refuted if one fails at the stated settings; holding only at the stated settings if one fails "
    "elsewhere; cannot be told if an interval reaches over its end."
)
"""How a verdict follows from the parts of a claim."""
_MARKS = {True: "holds", False: "fails", None: "open"}


def outcome_text(outcome: "Outcome") -> str:
    """Claim, set-up, criterion, numbers with intervals and verdict."""
    lesson = outcome.lesson
    lines = [lesson.name, ""]
    for label, text in (("claim", lesson.claim), ("source", lesson.source), ("set-up", f"{outcome.setup} ({outcome.form} form)")):
        lines.append(_labelled(label, text))
    lines += ["", _labelled("criterion", criterion_text(len(outcome.judged))), "", "measured"]
    for one in outcome.judged:
        lines += _part(one)
    if outcome.also:
        lines += ["", "also measured"]
        lines += [
            filled(f"{label}: {shown(sample.interval())}", initial_indent="  ", subsequent_indent="    ")
            for label, sample in outcome.also.items()
        ]
    lines += ["", *(filled(f"note: {note}") for note in outcome.notes), filled(outcome.sentence)]
    return "\n".join([*lines, "", filled(lesson.explanation)])


def criterion_text(parts: int) -> str:
    """What was fixed before the run."""
    confidence = f"{CONFIDENCE:.0%} for all {parts} together" if parts > 1 else f"{CONFIDENCE:.0%}"
    return f"the whole interval of each number ({confidence}) must lie in its range. {RULE}"


def outcome_word(one: Judged) -> str:
    """What became of a part: "holds", "fails" or "open"."""
    return _MARKS[one.holds]


def _part(one: Judged) -> list[str]:
    where = ", elsewhere" if one.part.elsewhere else ""
    first = f"{outcome_word(one)}{where}: {one.part.says}"
    second = f"{one.part.measures}: {one.measured}, must be {one.part.range}"
    return [
        filled(first, initial_indent="  ", subsequent_indent="      "),
        filled(second, initial_indent="      ", subsequent_indent="      "),
    ]


def _labelled(label: str, text: str) -> str:
    return filled(text, initial_indent=f"{label:<11}", subsequent_indent=" " * 11)
