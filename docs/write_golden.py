"""Write docs/golden.md from the golden checks, measuring each."""

import sys
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import numpy as np

from golden import CHECKS, Check

PAGE = Path(__file__).with_name("golden.md")
MASK = "…"

INTRODUCTION = """# Golden checks

Numbers that others published, or that follow from theory, beside what ravine measures for them. The tests in `tests/golden/` carry every
row out and hold it to its tolerance, which was set from the known number's own rounding or scatter, before measuring.

What is not in these tables because it is a simulation of its own: intervals of 95 % cover between 93 and 97 % of the time, and a race
between equals ends in a tie at least 95 % of the time (`tests/statistics/`, and [how often a difference is found](power.md)).

This page is written by `make golden-page`; a test compares everything but the measured numbers, whose last digits are rounding.
"""


def measured(check: Check) -> str:
    """The numbers, measured now."""
    return numbers(check.measure(), check.digits)


def masked(check: Check) -> str:
    """A mark in place of the numbers."""
    return MASK


def page(cell: Callable[[Check], str] = measured) -> str:
    """The whole page; `cell` gives what stands in the column of measured numbers."""
    head = "| what | known | measured | tolerance | known from |\n|---|---|---|---|---|\n"
    sections = (f"## {title}\n\n{head}" + "".join(line(check, cell(check)) for check in checks) for title, checks in CHECKS.items())
    return "\n".join([INTRODUCTION, *sections])


def line(check: Check, found: str) -> str:
    """One row of a table."""
    return f"| {check.name} | {numbers(check.known, check.digits)} | {found} | {check.because} | {check.source} |\n"


def numbers(values: object, digits: int) -> str:
    """Numbers side by side to so many significant digits."""
    return ", ".join(f"{value:.{digits}g}" for value in np.asarray(values, dtype=float))


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
