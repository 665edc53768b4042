"""A race of the page kept as a record, which `ravine show`, `report` and the records page open like any other."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ravine.fleet import Diverged, Evaluated, Event, Finished, LossBlock, Started
from ravine.lab.course import LANE_SEED, Course, Stretch
from ravine.race.executors import Crew
from ravine.race.plan import Plan
from ravine.race.resuming import new_race, plan_facts
from ravine.race.running import Race, ranking_splits
from ravine.race.stage import Silent
from ravine.records import create

NOTE = (
    f"one seed, at the rates that were set on the lab's page: its lanes are those of seed {LANE_SEED} of a race. One seed supports no "
    "recommendation."
)
NOTHING: dict[str, Any] = {"optimizer": None, "lr": None, "schedule": None, "tied_with": [], "hypers": {}}


class PageRace(Race):
    """A race whose lanes have run already."""

    def replay(self, course: Course, stretches: Sequence[Stretch], seconds: float) -> None:
        """Tell the record what happened, and rank where all steps were taken.

        Args:
            course: the race of the page.
            stretches: everything that it did.
            seconds: that its steps took.
        """
        self._note(NOTE)
        self._scribe.begin(course.entries)
        for event in events(course, stretches, seconds):
            self._scribe.take(event)
        if course.done == course.steps or not course.alive.any():
            self._rank()
            self._writer.set_meta("recommendation", NOTHING)
            self.close("done")
        else:
            self._note(f"kept at step {course.done:,} of {course.steps:,}{': ' + course.end if course.end else ''}")
            self.close("interrupted")


def record_race(course: Course, stretches: Sequence[Stretch], file: str, seconds: float) -> str:
    """Write a record; the name of its file.

    Args:
        course: the race.
        stretches: everything that it did.
        file: a path that does not exist.
        seconds: that its steps took.

    Raises:
        RecordError: it cannot be written.
    """
    plan, path = as_recorded(course), Path(file)
    with Crew(course.fleet) as crew, create(path) as writer:
        facts = plan_facts(plan, "cpu", crew.fingerprint, course.fleet.first_loss())
        before = new_race(path, math.inf)
        race = PageRace(plan, crew, writer, Silent(), splits=ranking_splits(plan), before=before, facts=facts)
        race.replay(course, stretches, seconds)
    return path.name


def as_recorded(course: Course) -> Plan:
    """The plan with the rates that its lanes had."""
    rates = [entry.row.lr for entry in course.entries]
    entrants = tuple(replace(entrant, grid=(rate,)) for entrant, rate in zip(course.plan.entrants, rates, strict=True))
    return replace(course.plan, entrants=entrants, is_shared_lr=len(set(rates)) == 1, extends=False)


def events(course: Course, stretches: Sequence[Stretch], seconds: float) -> Iterator[Event]:
    """What a fleet would have told of the race."""
    numbers = tuple(entry.row.lane for entry in course.entries)
    yield Started(numbers, course.mode)
    known: dict[str, list[str]] = {}
    for stretch in stretches:
        yield from (Diverged(numbers[end.position], end.step, end.reason) for end in stretch.diverged)
        if len(stretch.losses):
            yield LossBlock(numbers, stretch.first, stretch.losses)
        for step, splits in stretch.evaluations.items():
            for name, values in splits.items():
                known[name] = list(values)
                yield Evaluated(numbers, step, name, values)
    if not course.alive.any():
        # Nothing is left to evaluate, and the ranking asks for every step of its grid.
        nothing = np.full(len(numbers), np.nan)
        for step in (step for step in course.plan.evaluation_steps if step > course.done):
            yield from (Evaluated(numbers, step, name, dict.fromkeys(metrics, nothing)) for name, metrics in known.items())
    yield Finished(numbers, seconds)
