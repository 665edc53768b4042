"""A worker as an actor: a thread that runs tiles, and two methods to talk with it."""

import contextlib
import os
import platform
import queue
import shutil
import tempfile
import threading
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ravine.cluster.shipping import Shipment, versions
from ravine.fleet import Fleet, Saved, Snapshots
from ravine.fleet.events import Finished, Paused
from ravine.fleet.serving import Job, Stage, work

GATHER_S = 0.05
"""Seconds in which events are gathered: each call costs both ends about a millisecond, and a small model has hundreds a second."""


@dataclass(frozen=True, slots=True)
class Hello:
    """The first that is heard of a worker: where it is, and what it runs."""

    pid: int
    host: str
    versions: dict[str, str]


@dataclass(frozen=True, slots=True)
class Shipped:
    """A snapshot's draft, with its content: the file system here is not that of the record."""

    saved: Saved
    content: bytes


@dataclass(frozen=True, slots=True)
class Gone:
    """The last that is heard of a worker that ended."""


AWAITED = type(None), Paused, Exception, Gone
"""What the caller acts upon; all else it only takes down."""


class Hand:
    """Runs tiles of one task.

    Args:
        shipment: the task.
        race_seed: of the caller's fleet.
    """

    def __init__(self, shipment: Shipment, race_seed: int) -> None:
        self._line = HandLine()
        self._line.outbox.put(Hello(os.getpid(), platform.node(), versions()))
        self._thread = threading.Thread(target=self._run, args=(shipment, race_seed), daemon=True)
        self._thread.start()

    def _run(self, shipment: Shipment, race_seed: int) -> None:
        try:
            work(self._line, lambda: Fleet(shipment.open(), race_seed=race_seed))
        finally:
            self._line.clear()
            self._line.outbox.put(Gone())

    def tell(self, message: Any, content: bytes | None = None) -> None:
        """Give it a stage, a job with the content of its snapshot, or None to end.

        Args:
            message: see `ravine.fleet.serving.Line`.
            content: of the valid snapshot of a job's tile, if there is one.
        """
        self._line.inbox.put((message, content))

    def hear(self) -> list[Any]:
        """What happened since the last call; waits until something has, and a moment for more that nobody waits for."""
        found = [self._line.outbox.get()]
        end = time.monotonic() + GATHER_S
        with contextlib.suppress(queue.Empty):
            while not isinstance(found[-1], AWAITED) and (left := end - time.monotonic()) > 0:
                found.append(self._line.outbox.get(timeout=left))
            while True:
                found.append(self._line.outbox.get_nowait())
        return found


class HandLine:
    """The worker's end of the line; see `ravine.fleet.serving.Line`.

    Snapshots lie in a folder of its own, and only as long as they are needed: their content travels.

    Attributes:
        inbox: messages with the content of a snapshot, or None.
        outbox: what is told, bounded so that a slow reader is waited for.
    """

    def __init__(self) -> None:
        self.inbox: queue.SimpleQueue[tuple[Any, bytes | None]] = queue.SimpleQueue()
        self.outbox: queue.Queue[Any] = queue.Queue(maxsize=1000)
        self._snapshots: Snapshots | None = None
        self._parks = False

    def poll(self) -> bool:
        """See `Line.poll`."""
        return not self.inbox.empty()

    def recv(self) -> Any:
        """See `Line.recv`."""
        message, content = self.inbox.get()
        if isinstance(message, Stage):
            return self._moved(message)
        if isinstance(message, Job) and content is not None and self._snapshots is not None:
            self._snapshots.folder.mkdir(exist_ok=True)
            self._snapshots.file(message.numbers).write_bytes(content)
        return message

    def send(self, message: Any) -> None:
        """See `Line.send`."""
        if isinstance(message, Saved) and self._snapshots is not None:
            draft = Path(message.draft)
            message = Shipped(message, draft.read_bytes())
            if self._parks:
                # A tile that leaves memory at a rung comes back from here.
                self._snapshots.commit(message.saved)
            else:
                draft.unlink()
        elif isinstance(message, Finished) and self._snapshots is not None:
            self._snapshots.discard(message.lanes)
        self.outbox.put(message)

    def clear(self) -> None:
        """Remove what lies on the disk."""
        if self._snapshots is not None:
            shutil.rmtree(self._snapshots.folder, ignore_errors=True)

    def _moved(self, stage: Stage) -> Stage:
        """The same stage with a folder for snapshots on this machine."""
        self.clear()
        self._parks = stage.rungs.parks
        if stage.snapshots is None:
            self._snapshots = None
            return stage
        folder = Path(tempfile.gettempdir()) / f"ravine-{os.getpid()}-{stage.snapshots.race[:8]}"
        self._snapshots = Snapshots(folder, stage.snapshots.race, stage.snapshots.every_s)
        return replace(stage, snapshots=self._snapshots)
