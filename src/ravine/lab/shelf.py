"""Records that the lab may open: those given on its command line and those of its folder, and no other file."""

import hashlib
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypedDict

from ravine.base.errors import RecordError
from ravine.lab.answers import NotThere
from ravine.records import Record, open_record

ENDING = ".ravine"
MOST = 500
"""Records of a folder that are listed: the latest."""


class RecordFacts(TypedDict, total=False):
    """What a record says of itself. `error`: why it cannot be opened; then nothing else is known."""

    kind: str
    task: str
    status: str
    created: str
    optimizer: str | None
    lanes: dict[str, int]
    error: str


class RecordEntry(RecordFacts):
    """A record of the list."""

    id: str
    file: str
    folder: str
    is_given: bool
    changed: float


class RecordList(TypedDict):
    """The list, those of the command line first, then the latest first; `left_out`: how many older ones the folder has."""

    records: list[RecordEntry]
    folder: str
    left_out: int


@dataclass(slots=True)
class Shelf:
    """Where the lab looks for records.

    Attributes:
        files: given on the command line.
        folder: the one that the lab was started in.
        endings: set one by one by `close`, each ends a stream of changes.
    """

    files: Sequence[Path]
    folder: Path
    endings: set[threading.Event] = field(default_factory=set)
    _known: dict[Path, tuple[tuple[int, ...], RecordEntry]] = field(default_factory=dict, repr=False)

    def close(self) -> None:
        """End every stream of changes."""
        for ending in tuple(self.endings):
            ending.set()

    def entries(self) -> RecordList:
        """All records, also those that cannot be opened; a file is read again only if it has changed."""
        given = [path.resolve() for path in self.files]
        dated = [(stamp, path) for path in self._found() if path not in given and (stamp := _stamp(path))]
        latest = [path for _, path in sorted(dated, key=lambda one: max(one[0][::2]), reverse=True)]
        records = [self._entry(path, is_given=path in given) for path in [*dict.fromkeys(given), *latest[:MOST]]]
        return {"records": records, "folder": self.folder.name or str(self.folder), "left_out": max(0, len(latest) - MOST)}

    def path(self, identity: str) -> Path:
        """The file of a record of the list.

        Raises:
            NotThere: there is none of that name.
        """
        for path in [*(path.resolve() for path in self.files), *self._found()]:
            if _identity(path) == identity:
                return path
        raise NotThere(f"there is no record {identity!r} here, or no longer: go back to the list of records.")

    @contextmanager
    def opened(self, identity: str) -> Iterator[Record]:
        """A record of the list, open for reading.

        Raises:
            NotThere: there is none of that name, or its file is gone.
            RecordError: it cannot be read; the sentence says why.
        """
        path = self.path(identity)
        if not path.exists():
            raise NotThere(gone(path))
        with open_record(path) as record:
            yield record

    def _found(self) -> list[Path]:
        with suppress(OSError):
            return [path.resolve() for path in self.folder.glob(f"*{ENDING}") if path.is_file()]
        return []

    def _entry(self, path: Path, *, is_given: bool) -> RecordEntry:
        stamp = _stamp(path)
        known = self._known.get(path)
        if known is not None and known[0] == stamp:
            return known[1]
        changed = max(stamp[::2], default=0) / 1e9
        entry: RecordEntry = {
            "id": _identity(path),
            "file": path.name,
            "folder": path.parent.name,
            "is_given": is_given,
            "changed": changed,
        }
        try:
            entry.update(_read(path))  # type: ignore[typeddict-item]
        except RecordError as error:
            entry["error"] = gone(path) if not path.exists() else str(error)
        self._known[path] = (stamp, entry)
        return entry


def gone(path: Path) -> str:
    """What is said of a record that was there."""
    return f"{path.name} was deleted, moved or renamed: put it back, or go back to the list of records."


def _read(path: Path) -> RecordFacts:
    with open_record(path) as record:
        meta, counts = record.meta, record.lane_counts()
    task, chosen = meta.get("task") or {}, meta.get("recommendation") or {}
    return {
        "kind": str(meta.get("kind", "race")),
        "task": str(task.get("name", "")),
        "status": str(meta.get("status", "done")),
        "created": str(meta.get("created") or ""),
        "optimizer": chosen.get("optimizer"),
        "lanes": counts,
    }


def _stamp(path: Path) -> tuple[int, ...]:
    """Times and sizes of the file and of the log beside it: they change with every flush."""
    found: list[int] = []
    for file in (path, path.with_name(path.name + "-wal")):
        with suppress(OSError):
            about = file.stat()
            found += [about.st_mtime_ns, about.st_size]
    return tuple(found)


def _identity(path: Path) -> str:
    """A record's name in addresses: never a path, so that no address leads to another file."""
    return hashlib.blake2b(str(path).encode(errors="surrogateescape"), digest_size=6).hexdigest()
