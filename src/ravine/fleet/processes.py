"""Workers as processes of this machine, each at the other end of a pipe."""

import multiprocessing
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from multiprocessing.connection import Connection, wait
from types import ModuleType
from typing import Any, final

from ravine.base._importing import AGAIN
from ravine.base._parent import end_with_parent
from ravine.base.errors import TaskError
from ravine.fleet.fleet import Fleet
from ravine.fleet.parcel import Parcel
from ravine.fleet.serving import work


@final
class ProcessLink:
    """A process and the pipe to it."""

    def __init__(self, connection: Connection, process: Any) -> None:
        self.connection, self._process = connection, process

    @property
    def name(self) -> str:
        """See `Link.name`."""
        return f"worker process {self._process.pid}"

    def send(self, message: Any) -> None:
        """See `Link.send`."""
        self.connection.send(message)

    def recv(self) -> Any:
        """See `Link.recv`."""
        try:
            return self.connection.recv()
        except OSError:
            raise EOFError from None

    def end(self) -> None:
        """See `Link.end`."""
        # Not `terminate`, which a process that is stopped would never hear.
        self._process.kill()

    def ending(self) -> str:
        """See `Link.ending`.

        Raises:
            TaskError: the caller's script began its work again in the worker.
        """
        self._process.join()
        self.connection.close()
        if self._process.exitcode == AGAIN:
            script = getattr(sys.modules["__main__"], "__file__", "the script")
            raise TaskError(
                f"{script} begins its race again in every worker process, since that imports it to find the task. "
                'Put what the script does, not what it defines, under: if __name__ == "__main__": - or use workers=1.'
            )
        return f"exit code {self._process.exitcode}"


@final
class Processes:
    """This machine.

    Args:
        parcel: the task.
        capacity: most processes at a time.
    """

    def __init__(self, parcel: Parcel, capacity: int) -> None:
        self._parcel, self.capacity = parcel, capacity

    def start(self, race_seed: int) -> ProcessLink:
        """See `Site.start`."""
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=_work, args=(theirs, self._parcel, race_seed), daemon=True)
        with nullcontext() if self._parcel.pickled is not None else _without_script():
            process.start()
        theirs.close()
        return ProcessLink(ours, process)

    def wait(self, links: Sequence[Any], timeout: float) -> list[Any]:
        """See `Site.wait`."""
        by_connection = {link.connection: link for link in links}
        return [by_connection[ready] for ready in wait(list(by_connection), timeout) if isinstance(ready, Connection)]


@contextmanager
def _without_script() -> Iterator[None]:
    """A block in which a new process does not import the caller's script: a task that is loaded by name needs nothing of it."""
    script, sys.modules["__main__"] = sys.modules["__main__"], ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = script


def _work(connection: Connection, parcel: Parcel, race_seed: int) -> None:
    # The terminal sends Ctrl-C to every process of the group; the parent decides what happens.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with_parent()
    work(connection, lambda: Fleet(parcel.open(), race_seed=race_seed))
