"""The layout of a `.ravine` file: an ordinary SQLite database in WAL mode that `sqlite3` and pandas read without ravine.

A training loss is kept for every step of every lane. As rows these would fill the disk, so they are blocks of up to 1,000 steps; one full
block fills one database page of 4,096 bytes. All else is rows.
"""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from ravine.base.errors import RecordError, RecordVersionError

SCHEMA = 1
BLOCK_STEPS = 1000
PAGE_BYTES = 4096
# "ravn" in ASCII: tells a record from any other SQLite file that happens to have a table called meta.
APPLICATION_ID = 0x7261766E

# The comments stay inside the statements because SQLite keeps them: `sqlite3 NAME.ravine .schema` prints them.
DDL = """
CREATE TABLE meta (
    -- value is JSON; key 'schema' holds the schema number
    key TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE lanes (
    lane INTEGER PRIMARY KEY,
    stage TEXT NOT NULL,            -- 'tune' or 'final'; 'watch' of a training that was watched
    optimizer TEXT NOT NULL,
    lr REAL NOT NULL,               -- peak learning rate
    schedule TEXT NOT NULL,
    seed INTEGER NOT NULL,
    hypers TEXT NOT NULL,           -- JSON object
    status TEXT NOT NULL DEFAULT 'waiting' CHECK (status IN ('waiting', 'running', 'done', 'diverged', 'culled')),
    diverged_at INTEGER,            -- step
    reason TEXT,
    steps_done INTEGER NOT NULL DEFAULT 0,  -- of a culled lane: the rung
    mode TEXT,
    seconds REAL
);

CREATE TABLE splits (split INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);

CREATE TABLE metrics (metric INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);

CREATE TABLE evaluations (
    -- splits and metrics are numbered to keep 400,000 rows small; the view evaluation_rows has their names
    lane INTEGER NOT NULL,
    step INTEGER NOT NULL,
    split INTEGER NOT NULL,
    metric INTEGER NOT NULL,
    value REAL,                     -- NULL: not finite
    PRIMARY KEY (lane, step, split, metric)
) WITHOUT ROWID;

CREATE TABLE losses (
    -- data: the training loss of `count` consecutive steps from `first_step` on, at most 1,000 of them, each 4 bytes: little-endian
    -- float32, so numpy.frombuffer(data, '<f4') reads it. Blocks of a lane follow each other without gaps. NaN and infinity are kept.
    lane INTEGER NOT NULL,
    first_step INTEGER NOT NULL,
    count INTEGER NOT NULL,
    data BLOB NOT NULL,
    UNIQUE (lane, first_step)
);

CREATE TABLE ranking (
    rank INTEGER PRIMARY KEY,
    optimizer TEXT NOT NULL,
    tied_with TEXT NOT NULL,        -- JSON list of names
    lr REAL NOT NULL,
    lr_window_decades REAL,
    at_grid_edge INTEGER NOT NULL,  -- 0 or 1
    diverges_at_lr REAL,
    steps_to_target TEXT NOT NULL,  -- JSON: median, low, high, reached, seeds
    final TEXT NOT NULL,            -- JSON: metric, mean, low, high
    bytes_per_parameter REAL,
    gradients_per_step REAL,
    seconds_per_step REAL,
    schedule TEXT NOT NULL DEFAULT '',
    hypers TEXT NOT NULL DEFAULT '{}'  -- JSON object: what was tuned besides the rate
);

CREATE VIEW evaluation_rows AS
SELECT e.lane, l.stage, l.optimizer, l.lr, l.schedule, l.seed, e.step, s.name AS split, m.name AS metric, e.value
FROM evaluations AS e JOIN lanes AS l USING (lane) JOIN splits AS s USING (split) JOIN metrics AS m USING (metric);
"""


ADDED = {"schedule": "TEXT NOT NULL DEFAULT ''", "hypers": "TEXT NOT NULL DEFAULT '{}'"}
"""Columns of `ranking` that a record of this schema from before there were any such facts lacks."""


def ranking_columns(connection: sqlite3.Connection) -> set[str]:
    """Columns that a record's ranking has."""
    return {row[1] for row in connection.execute("PRAGMA table_info(ranking)")}


def initialise(path: Path) -> None:
    """Write an empty record of this schema to `path`, which must not exist."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.executescript(DDL)
        connection.execute("INSERT INTO meta VALUES ('schema', ?)", (json.dumps(SCHEMA),))
        connection.commit()
        connection.execute("PRAGMA journal_mode = WAL")


def check_version(connection: sqlite3.Connection, path: Path) -> None:
    """Refuse what is not a record of a schema that this ravine reads.

    Raises:
        RecordVersionError: the record is newer.
        RecordError: the file is not a record.
    """
    (identity,) = connection.execute("PRAGMA application_id").fetchone()
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if identity != APPLICATION_ID or "meta" not in tables:
        if not path.stat().st_size:
            raise RecordError(f"{path} is empty, and so not a ravine record; give a file that `ravine race --out` wrote.")
        raise RecordError(f"{path} is an SQLite file but not a ravine record; give a file that `ravine race --out` wrote.")
    row = connection.execute("SELECT value FROM meta WHERE key = 'schema'").fetchone()
    found = int(row[0]) if row is not None and str(row[0]).isdigit() else 0
    if found > SCHEMA:
        message = f"{path} was written with record schema {found}, and this ravine reads schemas up to {SCHEMA}; update ravine to open it."
        raise RecordVersionError(message, found=found, supported=SCHEMA)
    if found < 1:
        raise RecordError(f"{path} is damaged: it states no schema number; restore it from a copy or run the race again.")


@contextmanager
def clear_errors(path: Path, doing: str) -> Iterator[None]:
    """Turn what SQLite and the file system raise inside the block into one sentence about `path`.

    Args:
        path: the record.
        doing: "read", "written" or "extended", as it stands after "cannot be"; the last is said of a race under way.
    """
    try:
        yield
    except sqlite3.OperationalError as error:
        if "locked" in str(error):
            raise being_written(path) from error
        raise RecordError(_refused(path, doing, str(error))) from error
    except sqlite3.DatabaseError as error:
        if "not a database" in str(error):
            raise RecordError(f"{path} is not a ravine record; give a file that `ravine race --out` wrote.") from error
        raise RecordError(f"{path} is damaged: {error}; restore it from a copy or run the race again.") from error
    except OSError as error:
        reason = error.strerror or str(error)
        raise RecordError(_refused(path, doing, reason)) from error


def being_written(path: Path) -> RecordError:
    """What a second writer is told."""
    return RecordError(f"{path} is being written by another ravine; wait until it ends, or give another --out.")


def _refused(path: Path, doing: str, reason: str) -> str:
    if doing == "extended":
        kept = "it holds what was done until then. Check the free space and the folder, and give the same command with --resume"
        return f"{path} cannot be written any further: {reason}; {kept}."
    return f"{path} cannot be {doing}: {reason}; check the folder, its permissions and the free space."
