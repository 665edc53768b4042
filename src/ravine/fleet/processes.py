"""Workers as processes of this machine, each at the other end of a pipe."""

import multiprocessing
import signal
from collections.abc import Sequence
from multiprocessing.connection import Connection, wait
from typing import Any, final

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
        """See `Link.ending`."""
        self._process.join()
        self.connection.close()
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
        process.start()
        theirs.close()
        return ProcessLink(ours, process)

    def wait(self, links: Sequence[Any], timeout: float) -> list[Any]:
        """See `Site.wait`."""
        by_connection = {link.connection: link for link in links}
        return [by_connection[ready] for ready in wait(list(by_connection), timeout) if isinstance(ready, Connection)]


def _work(connection: Connection, parcel: Parcel, race_seed: int) -> None:
    # The terminal sends Ctrl-C to every process of the group; the parent decides what happens.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    work(connection, lambda: Fleet(parcel.open(), race_seed=race_seed))
