"""The server's loop: uvicorn around the application, its signals and its end."""

import asyncio
import socket
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import uvicorn

from ravine.lab import doctor_api, race_api
from ravine.lab.app import Lab, make_app
from ravine.lab.security import Door, new_token
from ravine.lab.serving import Address

GRACE_S = 2
"""Seconds that open streams have to end after Ctrl-C."""


class Server(uvicorn.Server):
    """Uvicorn that tells when it can be asked, and whose streams end with it.

    Args:
        config: of uvicorn.
        started: called once when requests are answered.
        ending: called once when it is to end.
    """

    def __init__(self, config: uvicorn.Config, started: Callable[[], None], ending: Callable[[], None]) -> None:
        super().__init__(config)
        self._started, self._ending = started, ending

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """See uvicorn; a second Ctrl-C finds it ending already, and must not cut that short."""
        if not self.should_exit:
            super().handle_exit(sig, frame)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """See uvicorn."""
        await super().startup(sockets)
        self._started()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """See uvicorn."""
        self._ending()
        await super().shutdown(sockets)


def door_of(address: Address) -> Door:
    """What requests to an address must show."""
    return Door(address.port, address.token, most={**doctor_api.MOST, race_api.CURVES: race_api.MOST_CSV})


def run(listener: socket.socket, files: tuple[Path, ...], task: str | None, announce: Callable[[Address], None]) -> None:
    """Serve on a socket until a signal.

    Args:
        listener: bound and listening.
        files: records given on the command line.
        task: the user's task.
        announce: called with the address when it can be opened.
    """
    address = Address(listener.getsockname()[1], new_token())
    lab = Lab(files=files, task=task)
    app = make_app(lab, door_of(address))
    quiet: dict[str, Any] = {"log_config": None, "access_log": False, "server_header": False, "date_header": False}
    # Nobody stands between a page and the server: what a request says of that is not believed.
    config = uvicorn.Config(app, **quiet, proxy_headers=False, ws="none", timeout_graceful_shutdown=GRACE_S)
    server = Server(config, lambda: announce(address), lab.close)
    asyncio.run(server.serve(sockets=[listener]))
