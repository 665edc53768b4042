"""`ravine lab`: the server from its start to its end."""

import contextlib
import errno
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ravine.base._checks import count
from ravine.base._extras import require
from ravine.base.errors import DataNotFoundError, InputError

HOST = "127.0.0.1"
"""The only address that is listened on: nobody else can reach it."""

USUAL_PORT = 8747
BACKLOG = 128


@dataclass(frozen=True, slots=True)
class Address:
    """Where the lab is.

    Attributes:
        port: that is listened on.
        token: of this launch.
    """

    port: int
    token: str

    @property
    def url(self) -> str:
        """What to open; the token stands behind the #, which browsers send to nobody."""
        return f"http://{HOST}:{self.port}/#token={self.token}"


def serve(
    files: Sequence[Path] = (),
    *,
    task: str | None = None,
    port: int | None = None,
    announce: Callable[[Address], None] = lambda address: None,
) -> None:
    """Serve the lab until Ctrl-C or SIGTERM; every process that it started has ended when it returns.

    Args:
        files: records to list first.
        task: a task of one's own, as `ravine race` takes it.
        port: to listen on; 0 is any free one. The usual one, or the next that is free, if None.
        announce: called once with the address, when it can be opened.

    Raises:
        InputError: the port is taken, or no port.
        DataNotFoundError: a file does not exist.
        MissingExtraError: Starlette or uvicorn is not installed.
    """
    for module in ("starlette", "uvicorn"):
        require(module, extra="lab", purpose="ravine lab")
    for file in files:
        if not file.is_file():
            raise DataNotFoundError(f"{file} does not exist: give records that `ravine race` wrote, or none.")
    path = "" if task is None else task.rpartition(".py")[0]
    # What else is wrong with a task, only torch can tell; a typing mistake should not wait for that.
    if path and not Path(f"{path}.py").expanduser().is_file():
        raise DataNotFoundError(f"{path}.py does not exist: give --task as path/to/file.py or path/to/file.py:name.")
    from ravine.lab import running  # noqa: PLC0415 - only where the web framework is installed

    with contextlib.closing(listen(port)) as listener:
        running.run(listener, tuple(file.resolve() for file in files), task, announce)


def listen(port: int | None) -> socket.socket:
    """A socket that listens on this machine's own address.

    Raises:
        InputError: the port is taken or not allowed.
    """
    if port is None:
        for candidate in range(USUAL_PORT, USUAL_PORT + 20):
            with contextlib.suppress(InputError):
                return listen(candidate)
        return listen(0)
    count("port", port, at_least=0, at_most=65535, do="Use 0 for any free port.")
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        reason = "is taken by another program" if error.errno == errno.EADDRINUSE else f"cannot be used ({error.strerror})"
        raise InputError(f"port {port} {reason}: give another --port, or leave it out for one that is free.", given=port) from None
    return listener
