"""A planted fault: something broken in exactly one way, its healthy twin, and the findings that name the cause."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import ravine
from ravine.doctor import Settings, examine

USUAL = {"steps": 100, "seeds": 2, "seconds": 20.0}
"""Settings of the examination, unless a fault needs others to show."""
FIRST = 2
"""Findings among which the right one must stand."""


@dataclass(frozen=True)
class Fault:
    """One row of the table.

    Attributes:
        name: what is wrong, in words.
        titles: findings of which any names the cause.
        made: is_broken -> the task to be examined, maybe with settings, or the findings of a loop that has been watched.
        is_fast: whether the broken side takes a fraction of a second; of a loop, both.
    """

    name: str
    titles: tuple[str, ...]
    made: Callable[..., Any]
    is_fast: bool = False

    @property
    def form(self):
        return "loop" if self.made.__module__.endswith("loops") else "task"

    def findings(self, *, is_broken):
        """Most severe first."""
        made = self.made(is_broken=is_broken)
        if self.form == "loop":
            return list(made)
        task, settings = (made, {}) if isinstance(made, ravine.Task) else made
        return list(examine(task, Settings(**USUAL | settings)))

    def rank(self, findings: Sequence[Any]):
        """Place of the first finding that names the cause, from 1; None if none does."""
        return next((place for place, finding in enumerate(findings, 1) if finding.title in self.titles), None)

    def is_found(self, findings):
        rank = self.rank(findings)
        return rank is not None and rank <= FIRST


def severe(findings):
    """What a healthy run must not have."""
    return [finding for finding in findings if finding.severity != "information"]
