"""Lanes of other batch sizes: equal rows for everyone, so that a bigger batch takes fewer steps.

A race's steps are those of the task's own batch size. A lane of twice that size takes half as many, over the same rows, and
is evaluated, culled and compared at the same rows. The record counts evaluations in the race's steps, and what a lane did
by itself, losses and where it ended, in the lane's own. Lanes of one size are a fleet of their own, one after the other.
"""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, final

from ravine.fleet import Evaluations, Fleet
from ravine.race.arranging import Arranging
from ravine.race.executors import Crew
from ravine.race.plan import Plan
from ravine.race.stage import Entry, Pace, pace_of


@dataclass(frozen=True, slots=True)
class Scene:
    """Where lanes of one batch size run.

    Attributes:
        crew: who runs them.
        arranging: how.
        pace: between their steps and the race's.
    """

    crew: Crew
    arranging: Arranging
    pace: Pace

    def evaluations(self, at: Mapping[str, frozenset[int]], splits: Mapping[str, Any]) -> Evaluations:
        """When what is evaluated, in the lanes' own steps.

        Args:
            at: split -> steps of the race.
            splits: by name.
        """
        own = {name: frozenset(map(self.pace.own, steps)) for name, steps in at.items()}
        return Evaluations(own, {name: splits[name] for name in at})

    def stage(self, name: str) -> str:
        """What a stage of these lanes is called."""
        return name if self.pace.is_even else f"{name}:{self.pace.rows}"


@final
class Scenes:
    """Where lanes run, by batch size; a context manager: leaving it ends workers that were started here.

    Args:
        plan: the race.
        crew: who runs lanes of the task's own batch size.
        splits: what is evaluated.
        engine: how stages were arranged so far.
    """

    def __init__(self, plan: Plan, crew: Crew, splits: Mapping[str, Any], engine: dict[str, Any]) -> None:
        self._plan, self._crew, self._splits, self._engine = plan, crew, splits, engine
        self._known: dict[int, Scene] = {}
        self._stack = ExitStack()

    def __enter__(self) -> "Scenes":
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def of(self, entries: Sequence[Entry]) -> Iterator[tuple[Scene, list[Entry]]]:
        """Lanes by batch size, the task's own first, each with its scene, whose crew has a cluster's places while its turn lasts."""
        own = self._plan.task.rows_per_step
        paces = {entry.row.lane: pace_of(entry.row, own) for entry in entries}
        sizes = sorted({pace.rows for pace in paces.values()}, key=lambda rows: (rows != own, rows))
        for rows in sizes:
            scene = self._scene(Pace(own, rows))
            for other in self._known.values():
                if other is not scene:
                    other.crew.make_room()
            yield scene, [entry for entry in entries if paces[entry.row.lane].rows == rows]

    def _scene(self, pace: Pace) -> Scene:
        if pace.rows not in self._known:
            crew = self._crew if pace.is_even else self._stack.enter_context(self._other(pace.rows))
            plan = dataclasses.replace(self._plan, steps=pace.own(self._plan.steps), evaluation_steps=self._own_grid(pace))
            self._known[pace.rows] = Scene(crew, Arranging(plan, crew, self._splits, self._engine), pace)
        return self._known[pace.rows]

    def _own_grid(self, pace: Pace) -> tuple[int, ...]:
        return tuple(map(pace.own, self._plan.evaluation_steps))

    def _other(self, rows: int) -> Crew:
        task = self._plan.task
        other = dataclasses.replace(task, batch_size=rows).referred(task.reference)
        fleet = Fleet(other, race_seed=self._plan.race_seed, device=str(self._crew.fleet.device))
        return Crew(fleet, self._crew.workers)
