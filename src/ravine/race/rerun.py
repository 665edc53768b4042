"""A lane of a record as something that can be trained again."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ravine.base.errors import InputError
from ravine.fleet import Lane
from ravine.fleet.parcel import fingerprint
from ravine.race.entrants import WARMUP, split_schedule
from ravine.race.stage import BATCH_SIZE, pace_of
from ravine.records import LaneRow
from ravine.rules import registry
from ravine.schedules import create
from ravine.tasks import Task


@dataclass(frozen=True, slots=True)
class Rerun:
    """A lane and all that decides its numbers.

    Attributes:
        task: with the lane's own batch size.
        optimizer: registry name.
        lane: as the fleet takes it.
        steps: of the whole training, to which schedules refer.
        race_seed: seed of the race.
    """

    task: Task
    optimizer: str
    lane: Lane
    steps: int
    race_seed: int


def rerun(row: LaneRow, task: Task, protocol: Mapping[str, Any]) -> Rerun:
    """A lane of a record, to be trained again.

    Args:
        row: of the record.
        task: what was raced.
        protocol: of the record.
    """
    pace = pace_of(row, protocol["batch_size"])
    own = task if pace.is_even else dataclasses.replace(task, batch_size=pace.rows).referred(task.reference)
    optimizer = split_schedule(row.optimizer.partition("#")[0])[0]
    others = {name: value for name, value in row.hypers.items() if name not in (WARMUP, BATCH_SIZE)}
    rule, hypers = registry.resolve(optimizer, {**others, "lr": row.lr})
    schedule, share = create(row.schedule), row.hypers.get(WARMUP)
    lane = Lane(row.lane, rule, hypers, schedule.warmup(share) if share else schedule, row.seed)
    return Rerun(own, optimizer, lane, pace.own(protocol["steps"]), protocol["race_seed"])


def check_task(task: Task, meta: Mapping[str, Any]) -> None:
    """Raise `InputError` where a task is not the one of a record any more.

    Args:
        task: loaded now.
        meta: the record's facts.
    """
    begun = (meta.get("plan") or {}).get("fingerprint")
    if begun is not None and fingerprint(task).hex() != begun:
        raise InputError(
            f"the task {task.name!r} has other data or other initial weights than when it was raced, so its lanes cannot be run again: "
            "bring back the data and the model as they were, or race anew."
        )
