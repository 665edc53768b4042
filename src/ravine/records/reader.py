"""Reading a record: also while another process writes it, and after that process was killed."""

import itertools
import json
import operator
import os
import shutil
import sqlite3
import sys
import tempfile
import uuid
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from ravine.base.errors import RecordError
from ravine.records.rows import Evaluations, Lane, RankedEntrant
from ravine.records.schema import ADDED, check_version, clear_errors, ranking_columns

MOST_ASKED = 1000
"""Lanes of one question to SQLite, which takes a limited number of values."""


def open_record(path: str | os.PathLike[str]) -> "Record":
    """Open a record for reading.

    Raises:
        RecordVersionError: it was written by a newer ravine.
        RecordError: it is missing, a folder, no record, or damaged.
    """
    return Record(Path(path))


class Record:
    """A record that is only read; a context manager.

    Every call reads the state of the writer's last flush at that moment, so successive calls follow a race that still runs.

    Attributes:
        path: the file.
    """

    def __init__(self, path: Path) -> None:
        if os.path.isdir(path):
            raise RecordError(f"{path} is a folder; give the record in it, a file that ends in .ravine.")
        if not os.path.isfile(path):
            raise RecordError(f"{path} does not exist; give a file that `ravine race --out` wrote.")
        self.path = path
        self._copy: tempfile.TemporaryDirectory[str] | None = None
        with clear_errors(path, "read"):
            self._connection = self._connect()
            try:
                check_version(self._connection, path)
            except BaseException:
                self.close()
                raise

    def __enter__(self) -> "Record":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; a second call does nothing."""
        self._connection.close()
        if self._copy is not None:
            self._copy.cleanup()

    def copy(self, path: str | os.PathLike[str]) -> Path:
        """Write a whole copy as of the writer's last flush, also while the race runs; copying the file alone may give less of it.

        Args:
            path: the copy, which must not exist.

        Raises:
            RecordError: it exists or cannot be written.
        """
        target = Path(path)
        if os.path.lexists(target):
            raise RecordError(f"{target} exists; give the copy another name.")
        draft = target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}")
        try:
            with clear_errors(target, "written"):
                with closing(sqlite3.connect(draft)) as connection:
                    self._connection.backup(connection)
                draft.replace(target)
        finally:
            for ending in ("", "-wal", "-shm", "-journal"):
                with suppress(OSError):
                    draft.with_name(draft.name + ending).unlink(missing_ok=True)
        return target

    @property
    def version(self) -> int:
        """A number that changes with every flush of a process that writes the record; asking holds up nobody."""
        (found,) = self._rows("PRAGMA data_version")
        return int(found[0])

    @property
    def meta(self) -> dict[str, Any]:
        """Everything under `meta`, parsed."""
        return {key: self._json(value) for key, value in self._rows("SELECT key, value FROM meta")}

    def lanes(self, *, stage: str | None = None, optimizer: str | None = None) -> list[Lane]:
        """Lanes in the order of their numbers, of one stage or optimiser where these are given."""
        condition, values = _where({"stage": stage, "optimizer": optimizer})
        names = list(Lane.__dataclass_fields__)
        rows = self._rows(f"SELECT {', '.join(names)} FROM lanes{condition} ORDER BY lane", values)
        found = (dict(zip(names, row, strict=True)) for row in rows)
        return [Lane(**fields | {"hypers": self._json(fields["hypers"])}) for fields in found]

    def lane_counts(self) -> dict[str, int]:
        """Number of lanes by status."""
        return dict(self._rows("SELECT status, count(*) FROM lanes GROUP BY status"))

    def losses(self, lane: int) -> np.ndarray:
        """Training loss of every step that the lane took, in order, as float32; empty where none was recorded."""
        rows = self._rows("SELECT lane, first_step, count, data FROM losses WHERE lane = ? ORDER BY first_step", [lane])
        return self._joined(lane, rows)[1]

    def losses_of(self, lanes: Sequence[int], *, start: int = 0, stop: int | None = None) -> Iterator[tuple[int, int, np.ndarray]]:
        """Training losses of several lanes, read together: lane, step of the first loss and losses, for every lane that has any.

        Args:
            lanes: lane numbers; they come in their order.
            start: the first step that is wanted; a lane's first loss may lie before it, within the block that holds it.
            stop: the step behind the last one.
        """
        last = sys.maxsize if stop is None else stop
        for some in (lanes[place : place + MOST_ASKED] for place in range(0, len(lanes), MOST_ASKED)):
            asked = f"lane IN ({', '.join('?' * len(some))}) AND first_step < ? AND first_step + count > ?"
            sql = f"SELECT lane, first_step, count, data FROM losses WHERE {asked} ORDER BY lane, first_step"
            for lane, rows in itertools.groupby(self._rows(sql, [*some, last, start]), key=operator.itemgetter(0)):
                yield lane, *self._joined(lane, list(rows))

    def _joined(self, lane: int, rows: Sequence[Any]) -> tuple[int, np.ndarray]:
        """Blocks as one array, and its first step."""
        blocks, first = [], rows[0][1] if rows else 0
        expected = first
        for _, first_step, count, data in rows:
            if first_step != expected or len(data) != 4 * count:
                raise RecordError(f"{self.path} is damaged: lane {lane} lacks losses at step {expected}; restore it or run the race again.")
            blocks.append(np.frombuffer(data, dtype="<f4"))
            expected += count
        return first, np.concatenate(blocks).astype(np.float32) if blocks else np.empty(0, dtype=np.float32)

    def steps_recorded(self) -> dict[int, int]:
        """Number of training losses of each lane that has any."""
        return dict(self._rows("SELECT lane, sum(count) FROM losses GROUP BY lane"))

    def evaluations(
        self, *, stage: str | None = None, lane: int | None = None, split: str | None = None, metric: str | None = None
    ) -> Evaluations:
        """Evaluations in the order of lane, step, split and metric, filtered by what is given."""
        condition, values = _where({"stage": stage, "lane": lane, "split": split, "metric": metric})
        sql = f"SELECT lane, step, split, metric, value FROM evaluation_rows{condition} ORDER BY lane, step, split, metric"
        columns = list(zip(*self._rows(sql, values), strict=True)) or [()] * 5
        kinds = (np.int64, np.int64, np.str_, np.str_, np.float64)
        # numpy reads None as NaN where floats are asked for.
        return Evaluations(*(np.array(column, dtype=kind) for column, kind in zip(columns, kinds, strict=True)))

    def ends(self, *, stage: str, split: str, metric: str) -> dict[int, tuple[float, float]]:
        """The first and the last finite value of the evaluations of each lane of a stage that has any, without reading those between."""
        found = []
        for which in ("min", "max"):
            # SQLite takes the other columns from the row that has the least or the greatest step.
            sql = (
                f"SELECT e.lane, {which}(e.step), e.value FROM evaluations AS e JOIN lanes AS l USING (lane) WHERE l.stage = ? "
                "AND e.split = (SELECT split FROM splits WHERE name = ?) AND e.metric = (SELECT metric FROM metrics WHERE name = ?) "
                "AND e.value IS NOT NULL GROUP BY e.lane"
            )
            found.append({lane: value for lane, _, value in self._rows(sql, [stage, split, metric])})
        return {lane: (first, found[1][lane]) for lane, first in found[0].items()}

    def curve(self, lane: int, split: str, metric: str) -> tuple[np.ndarray, np.ndarray]:
        """One lane's evaluations as (steps, values), both (T,); NaN where the value was not finite."""
        found = self.evaluations(lane=lane, split=split, metric=metric)
        return found.step, found.value

    def curves(self, lanes: Sequence[Lane], split: str, metric: str) -> tuple[np.ndarray, np.ndarray]:
        """Several lanes on their common step grid: steps (T,) and values (lanes, T); NaN also where a lane has no evaluation."""
        wanted = {lane.lane: index for index, lane in enumerate(lanes)}
        stages = {lane.stage for lane in lanes}
        found = self.evaluations(stage=stages.pop() if len(stages) == 1 else None, split=split, metric=metric)
        chosen = np.isin(found.lane, list(wanted))
        steps, columns = np.unique(found.step[chosen], return_inverse=True)
        values = np.full((len(lanes), len(steps)), np.nan)
        values[[wanted[int(lane)] for lane in found.lane[chosen]], columns] = found.value[chosen]
        return steps, values

    def ranking(self) -> list[RankedEntrant]:
        """The ranking, best first; empty while the race runs."""
        with clear_errors(self.path, "read"):
            there = ranking_columns(self._connection)
        names = [name for name in RankedEntrant.__dataclass_fields__ if name not in ADDED or name in there]
        rows = self._rows(f"SELECT {', '.join(names)} FROM ranking ORDER BY rank")
        found = []
        for row in rows:
            fields = dict(zip(names, row, strict=True))
            nested = ("tied_with", "steps_to_target", "final", "hypers")
            fields |= {name: self._json(fields[name]) for name in nested if name in fields}
            found.append(RankedEntrant.from_json(fields | {"at_grid_edge": bool(fields["at_grid_edge"])}))
        return found

    def _connect(self) -> sqlite3.Connection:
        # mode=ro would leave empty -wal and -shm files beside every record it opens; query_only forbids changes just as well, and the log
        # that a killed race left is folded into the file on closing. The file is never opened by other means than SQLite: closing such a
        # handle would drop the locks of a writer in this process.
        address = self.path.absolute().as_uri()
        connection = sqlite3.connect(f"{address}?mode=rw", uri=True, timeout=5.0)
        try:
            connection.execute("PRAGMA query_only = 1")
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        except sqlite3.DatabaseError as error:
            connection.close()
            if not isinstance(error, sqlite3.OperationalError) or "locked" in str(error):
                raise
        else:
            return connection
        # A folder that may not be written holds no writer; its log, where one was left, can only be replayed elsewhere.
        log = self.path.with_name(self.path.name + "-wal")
        if not log.exists():
            return sqlite3.connect(f"{address}?immutable=1", uri=True)
        self._copy = tempfile.TemporaryDirectory(prefix="ravine-")
        for file in (self.path, log):
            shutil.copy(file, self._copy.name)
        return sqlite3.connect(Path(self._copy.name) / self.path.name)

    def _rows(self, sql: str, values: Sequence[object] = ()) -> list[Any]:
        with clear_errors(self.path, "read"):
            return self._connection.execute(sql, values).fetchall()

    def _json(self, text: str) -> Any:
        try:
            return json.loads(text)
        except (TypeError, ValueError) as error:
            raise RecordError(f"{self.path} is damaged: {text!r} is no JSON; restore it from a copy or run the race again.") from error


def _where(filters: dict[str, object]) -> tuple[str, list[object]]:
    given = {name: value for name, value in filters.items() if value is not None}
    return (" WHERE " + " AND ".join(f"{name} = ?" for name in given) if given else ""), list(given.values())
