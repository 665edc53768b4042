"""Taking up a race that was broken off: what its record and its snapshots hold of it, and what must be run again."""

import math
import shutil
import uuid
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ravine.base.errors import InputError, RecordError
from ravine.fleet import Choice, Culled, Diverged, Evaluated, Finished, Past, Snapshots
from ravine.race.plan import Plan
from ravine.race.stage import SILENTLY, Entry, Observer, Trace, pace_of
from ravine.records import Lane, LaneRow, Record, Writer, open_record

SNAPSHOTS = ".snapshots"
"""Appended to a record's name: the folder of its snapshots."""

PLAIN = ("loop", "stacked")
"""Modes that run without a compiler."""

LOSS_TOLERANCE = 1e-3
"""Relative difference of first losses that another machine may cause, coarse data types included."""

COMPILERS = ("c++", "g++", "clang++")


def plan_facts(plan: Plan, device: str, fingerprint: bytes, first_loss: float | None = None) -> dict[str, Any]:
    """Everything that decides the numbers of a race, as JSON; a resumed race must agree in all of it.

    Args:
        plan: of the race.
        device: where lanes live.
        fingerprint: of the task's data and weights.
        first_loss: of the task's model on its first batch, which tells of a changed loss or forward; None if unknown.
    """
    return {
        "task": plan.task.name,
        "optimizers": [entrant.name for entrant in plan.entrants],
        "schedule": plan.schedule_name,
        "steps": plan.steps,
        "batch_size": plan.task.rows_per_step,
        "seeds": plan.seeds,
        "min_seeds": plan.min_seeds,
        "lrs": None if plan.extends else [list(entrant.grid) for entrant in plan.entrants],
        "shared_lr": plan.entrants[0].grid[0] if plan.is_shared_lr else None,
        "target": plan.target,
        "race_seed": plan.race_seed,
        "exhaustive": plan.is_exhaustive,
        "tune": list(plan.tune) or None,
        "budget_s": None if plan.budget is None else plan.budget.seconds,
        "budget_gradients": None if plan.budget is None else plan.budget.gradients,
        "configurations": [[dict(c.values) for c in entrant.tried] for entrant in plan.entrants] if plan.tune else None,
        "device": device,
        "rank_by": plan.task.rank_by,
        "grids": [list(entrant.grid) for entrant in plan.entrants],
        "fingerprint": fingerprint.hex(),
        "first_loss": first_loss,
    }


def check_same(begun: Mapping[str, Any], now: Mapping[str, Any], path: Path) -> None:
    """Raise `InputError`, naming the first option that differs from those that a race was begun with.

    Args:
        begun: `plan_facts` from the record.
        now: `plan_facts` of the plan at hand.
        path: the record.
    """
    # Races ran every rate to its end before there was a choice.
    begun = {"exhaustive": True, **begun}
    for name, value in now.items():
        if begun.get(name) == value or (name == "first_loss" and _is_close(begun.get(name), value)):
            continue
        if name == "first_loss":
            raise InputError(
                f"the first loss of task {now['task']!r} is {value:.6g}, and was {begun[name]:.6g} when the race in {path} began, so its "
                "model or its loss was changed: bring them back as they were, or race anew under another --out.",
                given=value,
            )
        if name == "fingerprint":
            raise InputError(
                f"the task {now['task']!r} has other data or other initial weights than when the race in {path} began, so the rest would "
                "not fit: bring back the data and the model as they were, or race anew under another --out."
            )
        raise InputError(
            f"{path} holds a race that was begun with {name}={_said(begun.get(name))}, not {_said(value)}: give the options that it was "
            "begun with, or race anew under another --out.",
            given=value,
        )


def _is_close(begun: float | None, now: float | None) -> bool:
    """Whether two losses are the same but for the rounding of another machine; one that is unknown tells nothing."""
    return begun is None or now is None or math.isclose(begun, now, rel_tol=LOSS_TOLERANCE, abs_tol=LOSS_TOLERANCE**2)


def _said(value: object) -> str:
    return "auto" if value is None else repr(value)


class Before:
    """What was there when a race began: nothing, or the part of it that an earlier process did.

    Args:
        snapshots: of the race.
        meta: the record's facts; None for a new race.
        lanes: the record's lanes.

    Attributes:
        wall_s: seconds that the race took so far.
        notes: sentences of the record.
        environment: where it ran.
        is_resumed, is_done: whether there was something, and whether nothing is left to do.
        engine: how each stage was run that had begun.
        decisions: what the budget left out.
        resumed: when it was taken up before.
    """

    def __init__(self, snapshots: Snapshots, meta: Mapping[str, Any] | None = None, lanes: Sequence[Lane] = ()) -> None:
        self.snapshots, self._meta = snapshots, meta or {}
        self._lanes = {lane.lane: lane for lane in lanes}
        self.is_resumed, self.is_done = meta is not None, self._meta.get("status") == "done"
        self.wall_s = float(self._meta.get("wall_s", 0.0))
        self.environment = (self._meta.get("environment"), (self._meta.get("protocol") or {}).get("versions"))
        self.resumed: list[str] = list(self._meta.get("resumed", ()))
        self.notes: list[str] = list(self._meta.get("notes", ()))
        self.engine: dict[str, Any] = dict((self._meta.get("protocol") or {}).get("engine", {}))
        self.decisions: dict[str, Any] = dict(((self._meta.get("protocol") or {}).get("budget") or {}).get("decisions", {}))

    def holds(self, entries: Sequence[Entry]) -> bool:
        """Whether the record has these lanes.

        Raises:
            RecordError: it has other lanes under their numbers.
        """
        known = [entry for entry in entries if entry.row.lane in self._lanes]
        for entry in known:
            lane = self._lanes[entry.row.lane]
            if any(getattr(lane, name) != getattr(entry.row, name) for name in LaneRow.__dataclass_fields__ if name != "hypers"):
                raise RecordError(f"lane {lane.lane} of the record is not the one that this race would run: race anew under another --out.")
        return bool(known)

    def choice(self, stage: str) -> tuple[Choice, int]:
        """How a stage was run, and by how many workers: it goes on so, for another way rounds otherwise."""
        facts = self.engine[stage]
        total = facts.get("one_process_s", facts["forecast_s"] * facts["workers"])
        return Choice(facts["mode"], facts["tile"], facts["reason"], dict(facts["measured_s"]), total), facts["workers"]

    def take_up(self, entries: Sequence[Entry], tiles: Sequence[Sequence[Any]], writer: Writer) -> tuple[dict[int, Trace], Past]:
        """Bring the record to where each tile goes on, and read what stands.

        Args:
            entries: lanes of a stage that had begun.
            tiles: how the stage cuts them.
            writer: the record.

        Returns:
            traces of the lanes that do not start over, and what the fleet needs to know.

        Raises:
            InputError: a tile under way needs a compiler, and there is none.
        """
        rows = {entry.row.lane: entry.row for entry in entries}
        ended = frozenset(number for number in rows if number in self._lanes and self._lanes[number].seconds is not None)
        kept: dict[int, int | None] = dict.fromkeys(ended)
        with open_record(writer.path) as record:
            recorded = record.steps_recorded()
        left = [[lane.number for lane in tile] for tile in Past(finished=ended).left(tiles)]
        if left:
            # A tile that memory made smaller has snapshots ahead of the whole one's, to which the record is rewound.
            # A stage that has ended has none, and those that lie there are a later one's.
            self.snapshots.keep(left)
        for numbers in left:
            step = self._step_of_snapshot(numbers, recorded)
            if step is None:
                self.snapshots.discard(numbers)
                writer.reset_lanes(numbers)
                writer.add_lanes([rows[number] for number in numbers])
            else:
                # Lanes of a tile have batches of one size; evaluations stand at the race's steps.
                pace = pace_of(rows[numbers[0]], int(self._meta["plan"]["batch_size"]))
                writer.rewind_lanes(numbers, step, evaluated=pace.shared(step))
                kept |= dict.fromkeys(numbers, step)
        # What is said of a lane as a whole, is said again once its stage is over.
        writer.acquit_lanes([number for number in ended if (self._lanes[number].reason or "").startswith(SILENTLY)])
        writer.flush()
        with open_record(writer.path) as record:
            lanes = {lane.lane: lane for lane in record.lanes()}
            traces = {number: _trace(rows[number], lanes[number], record, step) for number, step in kept.items()}
        modes = {number: mode for number in rows if (mode := self._lanes[number].mode) is not None}
        _check_compiler(mode for number, mode in modes.items() if number not in ended)
        return traces, Past(self.snapshots, ended, modes)

    def _step_of_snapshot(self, numbers: Sequence[int], recorded: Mapping[int, int]) -> int | None:
        """The step at which a tile goes on; None if it starts over, as it must where a power cut took the record's last rows."""
        snapshot = self.snapshots.find(numbers)
        if snapshot is None:
            return None
        step = int(snapshot.header["step"])
        for number in numbers:
            lane = self._lanes[number]
            least = min(step, *_ends(lane), step)
            if lane.mode != snapshot.header["mode"] or recorded.get(number, 0) < least:
                return None
        return step


def _trace(row: LaneRow, lane: Lane, record: Record, step: int | None) -> Trace:
    """What a lane did until it ended, or until `step`."""
    found = record.evaluations(lane=row.lane)
    evaluations: dict[str, dict[str, dict[int, float]]] = {}
    columns = (found.split.tolist(), found.metric.tolist(), found.step.tolist(), found.value.tolist())
    for split, metric, at, value in zip(*columns, strict=True):
        evaluations.setdefault(split, {}).setdefault(metric, {})[at] = value
    taken = lane.steps_done if step is None else min(step, *_ends(lane), step)
    return Trace(row, evaluations, lane.diverged_at, taken, lane.seconds or 0.0, lane.culled_at)


def _ends(lane: Lane) -> list[int]:
    return [end for end in (lane.diverged_at, lane.culled_at) if end is not None]


def _check_compiler(modes: Iterable[str]) -> None:
    mode = next((mode for mode in modes if mode not in PLAIN), None)
    if mode is not None and not any(map(shutil.which, COMPILERS)):
        raise InputError(
            f"lanes under way were begun {mode}, and no C++ compiler is found here, so they cannot go on with the same bits: "
            "install g++, or race anew under another --out.",
            given=mode,
        )


def new_race(path: Path, every_s: float) -> Before:
    """A race that begins; snapshots of one whose record it replaces are removed."""
    snapshots = Snapshots(folder_of(path), uuid.uuid4().hex, every_s)
    snapshots.clear()
    return Before(snapshots)


def open_before(path: Path, facts: Mapping[str, Any], every_s: float) -> Before:
    """What the record at `path` holds of the race that `facts` describe.

    Raises:
        InputError: it was begun with other options.
    """
    with open_record(path) as record:
        meta, lanes = record.meta, record.lanes()
    if "status" not in meta:
        # Killed before its first sentence was written.
        return new_race(path, every_s)
    if "plan" not in meta:
        raise InputError(f"{path} was written by an earlier ravine, which did not keep what resuming needs: race anew under another --out.")
    check_same(meta["plan"], facts, path)
    return Before(Snapshots(folder_of(path), meta["id"], every_s), meta, lanes)


def folder_of(path: Path) -> Path:
    """Where the snapshots of a record lie."""
    return path.absolute().with_name(path.name + SNAPSHOTS)


def retell(traces: Mapping[int, Trace], past: Past, observer: Observer) -> None:
    """Tell an observer what the record holds of a stage that goes on, so that its counts are right."""
    for number, trace in traces.items():
        for split, metrics in trace.evaluations.items():
            losses = metrics.get("loss", {})
            if losses:
                step = list(losses)[-1]
                observer.event(Evaluated((number,), step, split, {"loss": np.array([losses[step]])}))
        if trace.diverged_at is not None:
            observer.event(Diverged(number, trace.diverged_at, "told before"))
        if trace.culled_at is not None:
            observer.event(Culled((number,), trace.culled_at, ("told before",)))
        if number in past.finished:
            observer.event(Finished((number,), trace.seconds))
