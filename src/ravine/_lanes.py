"""From a lane of a race to its diagnosis: joins the record, the race's way to make a lane, and the doctor."""

import contextlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ravine.base.errors import InputError, RecordError
from ravine.doctor.checks_lane import Known, Seen, explain, is_lost, known, rates_that_ran, stable_factor
from ravine.doctor.lane_ladder import Recorded, examine_lane, seen_of
from ravine.doctor.replay import Replay
from ravine.fleet import Choice, Evaluations, Fleet, LossBlock
from ravine.fleet.curvature import CURVATURE
from ravine.race.rerun import Rerun, check_task, rerun
from ravine.records import Lane, Record, open_record, resume
from ravine.records.findings import Diagnosis
from ravine.records.lane_findings import KEY, LaneFinding
from ravine.tasks import Task, load

SHARE, FLOOR = 0.01, 200
"""Steps that diagnoses may take after a race: a share of its lanes' own, and what even a short race grants. Counts, not seconds: the
same race has the same diagnoses. A plain loop takes some times as long for a step as a fleet for one of a lane's."""
LATE = 10
"""Steps beyond the record's by which a plain loop, which rounds otherwise, may break later."""


def diagnose_lanes(path: Path, task: Task) -> None:
    """Give every diverged, stuck or broken lane of a finished race its diagnosis, in its record.

    One lane of each optimiser and kind of end, of those that take few enough steps the one with the lowest rate, is trained again
    up to where it ended and looked into; the others refer to it. Where none is short enough, the record alone speaks.

    Args:
        path: the record, which nobody writes.
        task: what was raced.
    """
    with open_record(path) as record:
        meta, lanes = record.meta, record.lanes()
    if meta.get("status") != "done" or KEY in meta or not any(map(is_lost, lanes)):
        return
    found = _found(lanes, task, meta["protocol"])
    # Another process may have begun to write it; diagnoses are no reason to fail.
    with contextlib.suppress(RecordError), resume(path) as writer:
        writer.set_meta(KEY, [one.as_json() for one in found])


def _found(lanes: Sequence[Lane], task: Task, protocol: dict[str, Any]) -> list[LaneFinding]:
    ran = rates_that_ran(lanes)
    groups: dict[tuple[str, str], list[Known]] = {}
    for facts in (known(lane, ran) for lane in lanes if is_lost(lane)):
        groups.setdefault((facts.lane.optimizer, facts.kind), []).append(facts)
    left = max(FLOOR, int(SHARE * sum(lane.steps_done for lane in lanes)))
    found = []
    # The shortest first, so that as many kinds as possible are looked into.
    for group in sorted(groups.values(), key=lambda group: min(_end(facts.lane) for facts in group)):
        first = _looked_at(group, left)
        seen, factor = (None, 2.0) if first is None else _look(rerun(first, task, protocol), first)
        left -= 0 if first is None else _end(first)
        like = None if seen is None else seen.lane
        found += [LaneFinding(facts.lane.lane, explain(facts, seen, factor), like) for facts in group]
    return sorted(found, key=lambda one: one.lane)


def _looked_at(group: Iterable[Known], steps: int) -> Lane | None:
    """The lane with the lowest rate among those that end within so many steps."""
    fits = [facts.lane for facts in group if _end(facts.lane) <= steps]
    return min(fits, key=lambda lane: (lane.lr, lane.lane), default=None)


def _look(again: Rerun, lane: Lane) -> tuple[Seen | None, float]:
    """A look into a lane at its end; None where its training cannot be repeated by a plain loop."""
    if CURVATURE in again.lane.rule.needs:
        return None, 2.0
    try:
        replay = _replay(again)
        replay.advance(_end(lane))
        return seen_of(replay), stable_factor(replay)
    except Exception:  # whatever the user's code raises now, the race is done and its record whole
        return None, 2.0


def _replay(again: Rerun) -> Replay:
    return Replay(again.task, again.optimizer, again.lane, again.steps, again.race_seed)


def _end(lane: Lane) -> int:
    """Steps after which a plain loop has done what the lane did."""
    if lane.diverged_at is None:
        return lane.steps_done
    is_broken = not (lane.reason or "").startswith(("silently", "its smoothed"))
    return lane.diverged_at + (LATE if is_broken else 0)


def diagnose_lane(path: Path, number: int, task: Task | None = None) -> Diagnosis:
    """Train a lane of a race again, compare it with its record, and examine it.

    Args:
        path: the record.
        number: of the lane.
        task: what was raced; loaded by the reference in the record if None.

    Raises:
        InputError: the record has no such lane, it has not run, or the task is not at hand or was changed.
        RecordError: the record cannot be read.
        TaskError: the task cannot be loaded any more.
    """
    with open_record(path) as record:
        meta, lanes, losses = record.meta, {lane.lane: lane for lane in record.lanes()}, record.losses(number)
        lane = _lane(path, number, lanes)
        loaded = _task(path, meta, task)
        recorded = _recorded(record, lane, list(lanes.values()), loaded)
    again = rerun(lane, loaded, meta["protocol"])
    if CURVATURE in again.lane.rule.needs:
        given = f"lane {number} of {path} is {lane.optimizer}, which steps by estimates of the curvature"
        raise InputError(f"{given}: only lanes that step by gradients can be examined. Give another lane.", given=number)
    compared = _compared(again, lane, losses, str((meta.get("environment") or {}).get("device", "cpu")))
    replay = _replay(again)
    replay.advance(_end(lane))
    outcomes = examine_lane(replay, recorded)
    findings = tuple(finding for outcome in outcomes for finding in outcome.findings)
    facts = {"lane": number, "record": str(path), "optimizer": lane.optimizer, "lr": lane.lr, "seed": lane.seed}
    facts |= {"status": lane.status, "replay": compared}
    return Diagnosis({**loaded.describe(), **facts}, findings, tuple(outcome.rung for outcome in outcomes))


def _lane(path: Path, number: int, lanes: dict[int, Lane]) -> Lane:
    if number not in lanes:
        known_lanes = f"its lanes are {min(lanes)} to {max(lanes)}" if lanes else "it has none"
        raise InputError(f"--lane {number}: {path} has no such lane; {known_lanes}. See `ravine show {path} --lanes`.", given=number)
    lane = lanes[number]
    if lane.status not in ("done", "diverged", "culled"):
        raise InputError(f"--lane {number} of {path} is {lane.status}: it must have ended. Let the race finish, or give another lane.")
    return lane


def _task(path: Path, meta: dict[str, Any], task: Task | None) -> Task:
    reference = (meta.get("task") or {}).get("reference")
    if task is None and reference is None:
        raise InputError(
            f"the task of {path} was made in Python, so the record cannot name it. Put it into a file of its own as "
            "task = ravine.Task(...) and race 'path/to/file.py'."
        )
    found = task if task is not None else load(str(reference))
    check_task(found, meta)
    return found


def _recorded(record: Record, lane: Lane, lanes: list[Lane], task: Task) -> Recorded:
    split = "validation" if lane.stage == "tune" else "test"
    evaluations = {name: record.curve(lane.lane, split, name) for name in ("loss", *task.metrics)}
    finite = np.isfinite(evaluations["loss"][1])
    values = {name: column[finite] for name, (_, column) in evaluations.items() if len(column) == len(finite)}
    directions = {name: task.higher_is_better(name) for name in task.metrics}
    return Recorded(known(lane, rates_that_ran(lanes)), evaluations["loss"][0][finite], values, task.baseline_loss(), directions)


def _compared(again: Rerun, lane: Lane, losses: np.ndarray, device: str) -> dict[str, Any]:
    """The lane by the fleet once more, alone and in the mode it had: whether its losses have the bits of the record."""
    # Where there is no such device here, the processor rounds otherwise, which is told.
    here = device if device == "cpu" or torch.cuda.is_available() else "cpu"
    fleet, taken = Fleet(again.task, race_seed=again.race_seed, device=here), list[np.ndarray]()
    mode: Any = lane.mode or "loop"
    for event in fleet.run([again.lane], again.steps, Evaluations({}, {}), Choice(mode, 1, "as in the record", {}, 0.0)):
        if isinstance(event, LossBlock):
            taken.append(event.losses[:, 0])
            if sum(map(len, taken)) >= len(losses):
                break
    own = np.concatenate([*taken, np.empty(0, dtype=np.float32)])[: len(losses)]
    return as_compared(losses, own, mode)


def as_compared(recorded: np.ndarray, own: np.ndarray, mode: str) -> dict[str, Any]:
    """How losses compare with those of a record, and a sentence about it.

    Args:
        recorded: float32, one a step.
        own: of the lane trained again, at most as many.
        mode: in which it was.
    """
    length = min(len(recorded), len(own))
    differs = np.flatnonzero(~((recorded[:length] == own[:length]) | (np.isnan(recorded[:length]) & np.isnan(own[:length]))))
    if not len(differs) and length == len(recorded):
        sentence = f"the lane was trained again, {mode}: its {length:,} losses have the bits of the record"
        return {"is_same": True, "steps": length, "differs_from": None, "sentence": sentence}
    first = int(differs[0]) if len(differs) else length
    with np.errstate(all="ignore"):
        gap = abs(float(own[first]) / float(recorded[first]) - 1) if first < length and recorded[first] else float("nan")
    size = f" (by {gap:.1g} of it)" if np.isfinite(gap) else ""
    why = "other lanes beside it, another machine or another version round otherwise"
    sentence = (
        f"the lane was trained again, {mode}, and differs from the record from step {first + 1:,} of {len(recorded):,} on{size}: {why}"
    )
    return {"is_same": False, "steps": length, "differs_from": first + 1, "sentence": sentence}
