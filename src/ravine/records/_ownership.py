"""Which process writes a record, so that another one that finds its lock free for a moment still leaves it alone.

A writer gives up SQLite's lock for microseconds at every flush. Its name stands in the record from its first flush to
its closing; after a kill the name of a dead process is left, which nobody need heed.
"""

import json
import os
import platform
import sqlite3
from pathlib import Path
from typing import Any

from ravine.records.schema import being_written

KEY = "writer"
"""Under which the name stands in `meta`."""


def own_name() -> dict[str, Any]:
    """This process, told apart from a later one of the same number."""
    pid = os.getpid()
    return {"host": platform.node(), "pid": pid, "started": _started(pid)}


def enter(connection: sqlite3.Connection) -> None:
    """Write this process's name into a record."""
    connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (KEY, json.dumps(own_name())))


def leave(connection: sqlite3.Connection) -> None:
    """Remove it."""
    connection.execute("DELETE FROM meta WHERE key = ?", (KEY,))


def check_alone(connection: sqlite3.Connection, path: Path) -> None:
    """Raise `RecordError` if another process is writing a record, though it has given up the lock for a moment."""
    if other_writer(connection) is not None:
        raise being_written(path)


def other_writer(connection: sqlite3.Connection) -> int | None:
    """Number of another process on this machine that is writing a record; None if there is none, or if it has ended."""
    row = connection.execute("SELECT value FROM meta WHERE key = ?", (KEY,)).fetchone()
    try:
        name = json.loads(row[0]) if row is not None else {}
        pid = int(name["pid"])
    except (ValueError, TypeError, KeyError):
        return None
    is_other = name.get("host") == platform.node() and pid != os.getpid()
    return pid if is_other and pid > 0 and _is_alive(pid, name.get("started")) else None


def _is_alive(pid: int, started: object) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        pass  # somebody else's process is a process too
    return started == _started(pid)


def _started(pid: int) -> str | None:
    """When a process began, in the system's own ticks, and whether it still runs; None where the system does not say."""
    try:
        # The name in brackets may hold anything, brackets included.
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        return None if fields[0] == "Z" else fields[19]
    except (OSError, IndexError):
        return None
