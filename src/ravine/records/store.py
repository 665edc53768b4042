"""Writing a record as the race goes: a killed race leaves a valid file with everything up to the last `flush`."""

import contextlib
import json
import os
import sqlite3
import time
import uuid
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType

import numpy as np

from ravine.base.errors import InputError, RecordError
from ravine.records import _ownership
from ravine.records._blocks import LossBlocks
from ravine.records.rows import LaneRow, RankedEntrant, finite
from ravine.records.schema import ADDED, check_version, clear_errors, initialise, ranking_columns

OPENING_S = 1.0
"""Seconds that opening waits for another writer to end."""

PATIENCE_S = 30.0
"""Seconds that a race under way waits for another process that holds the record for a moment."""

CHECKPOINT_S = 5.0
"""Seconds after which what was flushed is folded into the file itself, for those who copy that alone."""


def create(path: str | os.PathLike[str], *, force: bool = False) -> "Writer":
    """Begin a new record.

    The empty record is built under another name and renamed, so `path` is either untouched or a valid record.

    Args:
        path: the file; its folder must exist.
        force: replace an existing record. A file that is no record is never replaced.

    Raises:
        RecordError: the file exists and may not be replaced, or cannot be written.
    """
    target = Path(path)
    with clear_errors(target, "written"):  # where not even asking for it is answered: a name that is too long
        _check_target(target, force=force)
    draft = target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}")
    try:
        with clear_errors(target, "written"):
            initialise(draft)
            # A log left beside the old record would be replayed into the new one.
            for leftover in ("-wal", "-shm"):
                target.with_name(target.name + leftover).unlink(missing_ok=True)
            draft.replace(target)
    finally:
        for ending in ("", "-wal", "-shm", "-journal"):
            # A read-only file system refuses even where there is nothing to remove.
            with contextlib.suppress(OSError):
                draft.with_name(draft.name + ending).unlink(missing_ok=True)
    return Writer(target)


def resume(path: str | os.PathLike[str]) -> "Writer":
    """Go on writing an existing record; `Writer.reset_lanes` drops what a lane that starts over had written.

    Raises:
        RecordError: the file is missing, is no record of this schema, or is being written by another process.
    """
    target = Path(path)
    if not target.is_file():
        raise RecordError(f"{target} does not exist, so there is nothing to resume; start a new race.")
    return Writer(target)


def _check_target(target: Path, *, force: bool) -> None:
    if target.is_dir():
        raise RecordError(f"{target} is a folder; give the name of a file in it, such as {target / 'race.ravine'}.")
    if not target.parent.is_dir():
        raise RecordError(f"{target} cannot be written: the folder {target.parent} does not exist; create it, or give another --out.")
    if not os.path.lexists(target):
        return
    try:
        # Opening a writer is what tells a record from a foreign file, and one that nobody writes from one in use.
        Writer(target).close()
    except RecordError as error:
        if "another ravine" in str(error):
            raise
        raise RecordError(f"{target} exists and is not a record of this ravine, so it is never replaced; give another --out.") from error
    if not force:
        raise RecordError(f"{target} exists; give --resume to go on with its race, --force to replace it, or another --out.")


class Writer:
    """The one writer of a record; a context manager.

    It holds the write lock from opening to closing, so a second writer is refused; any number of readers see the state of the last `flush`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._is_closed, self._is_named, self._checkpointed = False, False, time.monotonic()
        self._blocks = LossBlocks()
        self._names: dict[tuple[str, str], int] = {}
        with clear_errors(path, "written"):
            # No file is created here: a path that vanished meanwhile is an error, not an empty database.
            self._connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, isolation_level=None, timeout=OPENING_S)
            try:
                check_version(self._connection, path)
                # A killed process loses nothing that was committed; NORMAL only risks the last commits in a power cut, never the file.
                self._connection.execute("PRAGMA synchronous = NORMAL")
                # The log is folded in by `flush`, seldom: a copy of the file that is taken meanwhile is torn.
                self._connection.execute("PRAGMA wal_autocheckpoint = 0")
                self._begin()
                _ownership.check_alone(self._connection, path)
                # From now on a flush may wait for whoever looks in during the moment that it gives up the lock.
                self._connection.execute(f"PRAGMA busy_timeout = {round(1000 * PATIENCE_S)}")
                for table, key in (("splits", "split"), ("metrics", "metric")):
                    rows = self._connection.execute(f"SELECT name, {key} FROM {table}")
                    self._names.update({(table, name): number for name, number in rows})
            except BaseException:
                self._connection.close()
                raise

    def __enter__(self) -> "Writer":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def set_meta(self, key: str, value: object) -> None:
        """Keep `value` as JSON under `key`.

        Raises:
            InputError: `value` is no JSON, holds a number that is not finite, or the key is "schema".
        """
        if key == "schema":
            raise InputError("meta key 'schema' belongs to the file; use another key.", given=key)
        try:
            text = json.dumps(value, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise InputError(f"meta {key!r} cannot be written as JSON: {error}; use plain finite values.", given=value) from error
        self._write("INSERT OR REPLACE INTO meta VALUES (?, ?)", [(key, text)])

    def add_lanes(self, rows: Sequence[LaneRow]) -> None:
        """Plan lanes; they wait until `start_lanes`."""
        values = [(r.lane, r.stage, r.optimizer, r.lr, r.schedule, r.seed, json.dumps(dict(r.hypers))) for r in rows]
        used = Counter(lane for (lane,) in self._connection.execute("SELECT lane FROM lanes")) + Counter(row.lane for row in rows)
        twice = sorted(lane for lane, times in used.items() if times > 1)
        if twice:
            raise InputError(f"lanes {twice} are there already: a number may be used once; call reset_lanes to use it again.", given=twice)
        self._write("INSERT INTO lanes (lane, stage, optimizer, lr, schedule, seed, hypers) VALUES (?, ?, ?, ?, ?, ?, ?)", values)

    def reset_lanes(self, lanes: Iterable[int]) -> None:
        """Delete lanes with everything they wrote, so that their numbers are free again."""
        keys = [(lane,) for lane in lanes]
        for table in ("losses", "evaluations", "lanes"):
            self._write(f"DELETE FROM {table} WHERE lane = ?", keys)
        self._blocks.forget(lane for (lane,) in keys)

    def start_lanes(self, lanes: Iterable[int], mode: str) -> None:
        """Mark lanes as running.

        Args:
            lanes: lane numbers.
            mode: how they are trained, e.g. "loop" or "compiled".
        """
        # A tile that goes on from a snapshot begins a second time, with the lanes in it that had ended.
        sql = "UPDATE lanes SET status = CASE WHEN status IN ('diverged', 'culled') THEN status ELSE 'running' END, mode = ? WHERE lane = ?"
        self._write(sql, [(mode, lane) for lane in lanes])

    def rewind_lanes(self, lanes: Sequence[int], step: int, *, evaluated: int | None = None) -> None:
        """Forget what lanes did after `step` steps: later losses, evaluations, divergences and culls.

        Args:
            lanes: lanes under way; they go on with the loss of step `step`, counted from 0.
            step: steps that stay.
            evaluated: the same in the steps at which they are evaluated, if these are others.
        """
        last = step if evaluated is None else evaluated
        for lane in lanes:
            sql = "SELECT first_step, data FROM losses WHERE lane = ? AND first_step < ? ORDER BY first_step DESC LIMIT 1"
            begun = self._connection.execute(sql, (lane, step)).fetchone()
            first = step if begun is None else begun[0]
            self._write("DELETE FROM losses WHERE lane = ? AND first_step >= ?", [(lane, first)])
            self._write("DELETE FROM evaluations WHERE lane = ? AND step > ?", [(lane, last)])
            self._blocks.forget([lane])
            if begun is not None:
                kept = np.frombuffer(begun[1], dtype="<f4")[: step - first]
                self.add_losses([lane], first, kept[:, None])
        sql = "UPDATE lanes SET status = 'running', diverged_at = NULL, reason = NULL WHERE lane = ? AND diverged_at > ?"
        self._write(sql, [(lane, step) for lane in lanes])
        sql = "UPDATE lanes SET status = 'running', steps_done = 0, reason = NULL WHERE lane = ? AND status = 'culled' AND steps_done > ?"
        self._write(sql, [(lane, step) for lane in lanes])

    def acquit_lanes(self, lanes: Iterable[int]) -> None:
        """Take back that finished lanes diverged, which was told of them as a whole and will be judged again."""
        self._write("UPDATE lanes SET status = 'done', diverged_at = NULL, reason = NULL WHERE lane = ?", [(lane,) for lane in lanes])

    def add_losses(self, lanes: Sequence[int], first_step: int, block: np.ndarray) -> None:
        """Add training losses that continue each lane's.

        Args:
            lanes: lane numbers.
            first_step: step of the first row.
            block: float32 losses of shape (steps, lanes); NaN and infinity are kept.
        """
        self._write_losses(self._blocks.add(list(lanes), first_step, np.asarray(block)))

    def add_evaluation(self, lanes: Sequence[int], step: int, split: str, values: Mapping[str, np.ndarray]) -> None:
        """Add one evaluation of each lane.

        Args:
            lanes: lane numbers.
            step: the step.
            split: e.g. "validation".
            values: per metric one value a lane; what is not finite becomes NULL.
        """
        split_number = self._number("splits", split)
        for metric, column in ((name, np.asarray(value, dtype=np.float64)) for name, value in values.items()):
            if column.shape != (len(lanes),):
                raise InputError(
                    f"metric {metric!r} has shape {column.shape}: must be one value for each of {len(lanes)} lanes.", given=column.shape
                )
            metric_number = self._number("metrics", metric)
            rows = [(lane, step, split_number, metric_number, finite(value)) for lane, value in zip(lanes, column.tolist(), strict=True)]
            self._write("INSERT OR REPLACE INTO evaluations VALUES (?, ?, ?, ?, ?)", rows)

    def mark_diverged(self, lane: int, step: int, reason: str) -> None:
        """Record that a lane diverged at `step`, and why."""
        self._write("UPDATE lanes SET status = 'diverged', diverged_at = ?, reason = ? WHERE lane = ?", [(step, reason, lane)])

    def mark_culled(self, lanes: Sequence[int], step: int, reasons: Sequence[str]) -> None:
        """Record that lanes were culled at a rung, after `step` steps, and why each of them."""
        sql = "UPDATE lanes SET status = 'culled', steps_done = ?, reason = ? WHERE lane = ?"
        self._write(sql, [(step, reason, lane) for lane, reason in zip(lanes, reasons, strict=True)])

    def finish_lanes(self, lanes: Iterable[int], *, steps_done: int | Sequence[int], seconds: float | Sequence[float]) -> None:
        """Record that lanes ended, diverged and culled ones included, and write their remaining losses.

        Args:
            lanes: lane numbers; all of them have ended in the record, or none, wherever an interrupt strikes.
            steps_done: steps that each of them took, or one number for all.
            seconds: time of each of them, or one number for all.
        """
        keys = list(lanes)
        taken = [steps_done] * len(keys) if isinstance(steps_done, int) else steps_done
        times = [float(seconds)] * len(keys) if isinstance(seconds, int | float) else seconds
        self._write_losses(self._blocks.unfinished(keys))
        self._blocks.forget(keys)
        sql = (
            "UPDATE lanes SET steps_done = ?, seconds = ?, "
            "status = CASE WHEN status IN ('diverged', 'culled') THEN status ELSE 'done' END WHERE lane = ?"
        )
        self._write(sql, list(zip(taken, times, keys, strict=True)))

    def set_ranking(self, rows: Sequence[RankedEntrant]) -> None:
        """Replace the ranking."""
        values = []
        for row in rows:
            fields = row.as_json()
            nested = {name: json.dumps(fields[name], allow_nan=False) for name in ("tied_with", "steps_to_target", "final", "hypers")}
            values.append(fields | nested | {"at_grid_edge": int(row.at_grid_edge)})
        with clear_errors(self.path, "written"):
            for column in ADDED.keys() - ranking_columns(self._connection):
                self._connection.execute(f"ALTER TABLE ranking ADD COLUMN {column} {ADDED[column]}")
        self._write("DELETE FROM ranking", [()])
        names = list(RankedEntrant.__dataclass_fields__)
        self._write(f"INSERT INTO ranking ({', '.join(names)}) VALUES ({', '.join(f':{name}' for name in names)})", values)

    def flush(self) -> None:
        """Commit everything given so far, begun blocks of losses included; from here on readers see it and a kill cannot lose it."""
        with clear_errors(self.path, "extended"):
            if not self._is_named:
                _ownership.enter(self._connection)
                self._is_named = True
        self._commit()
        with clear_errors(self.path, "extended"):
            now = time.monotonic()
            if now - self._checkpointed >= CHECKPOINT_S:
                self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)")
                self._checkpointed = now
            self._begin()

    def close(self) -> None:
        """Flush and fold the log into the file, so that one file remains unless a reader has it open; a second call does nothing."""
        if self._is_closed:
            return
        self._is_closed = True
        try:
            with clear_errors(self.path, "extended"):
                if self._is_named and self._connection.in_transaction:
                    _ownership.leave(self._connection)
            self._commit()
            with clear_errors(self.path, "extended"):
                self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        finally:
            self._connection.close()

    def _commit(self) -> None:
        self._write_losses(self._blocks.unfinished())
        # An interrupt can strike between COMMIT and BEGIN; what follows must still close cleanly.
        if self._connection.in_transaction:
            with clear_errors(self.path, "extended"):
                self._connection.execute("COMMIT")

    def _begin(self) -> None:
        self._connection.execute("BEGIN IMMEDIATE")

    def _write(self, sql: str, rows: Iterable[Sequence[object] | Mapping[str, object]]) -> None:
        with clear_errors(self.path, "extended"):
            self._connection.executemany(sql, rows)

    def _write_losses(self, blocks: Iterable[tuple[int, int, bytes]]) -> None:
        rows = ((lane, first, len(data) // 4, data) for lane, first, data in blocks)
        self._write("INSERT INTO losses VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET count = excluded.count, data = excluded.data", rows)

    def _number(self, table: str, name: str) -> int:
        if (table, name) not in self._names:
            # Numbers start at 0 because SQLite stores 0 and 1 in no bytes at all.
            number = sum(1 for known, _ in self._names if known == table)
            self._write(f"INSERT INTO {table} VALUES (?, ?)", [(number, name)])
            self._names[table, name] = number
        return self._names[table, name]
