"""A lab on a free port in a thread of the test's process, and a client that asks as its page does."""

import asyncio
import contextlib
import json
import threading
import time
from pathlib import Path

import httpx
import uvicorn

from ravine.lab.app import Lab, make_app
from ravine.lab.running import Server, door_of
from ravine.lab.serving import Address, listen

WAIT_S = 120.0
"""Seconds after which a test gives up: machines under test are slow, and nothing waits for this long in health."""


@contextlib.contextmanager
def serving(folder: Path, **settings):
    """A running lab, as a `Client`; every process of it has ended afterwards."""
    listener = listen(0)
    address = Address(listener.getsockname()[1], "token-of-a-test")
    # Machines under test are slow, and a refusal is to come as the answer.
    lab = Lab(folder=folder, **{"answer_s": WAIT_S, **settings})
    config = uvicorn.Config(
        make_app(lab, door_of(address)), log_config=None, access_log=False, ws="none", timeout_graceful_shutdown=1, server_header=False
    )
    server = Server(config, lambda: None, lab.close)
    # What the server says of a defect goes to its log; a test that meets one sees status 500.
    thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listener])), name="lab-under-test")
    thread.start()
    client = Client(address, lab)
    try:
        wait_for(lambda: server.started)
        yield client
    finally:
        client.close()
        server.should_exit = True
        thread.join(WAIT_S)
        listener.close()


def wait_for(holds, seconds=WAIT_S):
    """Wait until a condition holds, and return what it gave."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = holds()
        if found:
            return found
        time.sleep(0.01)
    raise AssertionError("it did not come about in time")


class Client:
    """Asks a lab."""

    def __init__(self, address, lab):
        self.address, self.lab = address, lab
        self.base = f"http://127.0.0.1:{address.port}"
        self.headers = {"x-ravine-token": address.token, "origin": self.base}
        self._http = httpx.Client(base_url=self.base, timeout=WAIT_S)

    def close(self):
        self._http.close()

    def get(self, path, **headers):
        return self._http.get(path, headers=self.headers | headers)

    def post(self, path, body, **headers):
        return self._http.post(path, json=body, headers=self.headers | headers)

    def raw(self, method, path, **options):
        """A request with exactly these headers."""
        return self._http.request(method, path, **options)

    def session(self, **setting):
        """The name of a new session that is ready."""
        made = self.post("/api/sessions", setting)
        assert made.status_code == 201, made.text
        name = made.json()["session"]
        wait_for(lambda: self.lab.races.sessions[name].state in ("paused", "failed"))
        return name

    def control(self, session, do, **more):
        return self.post(f"/api/sessions/{session}/control", {"do": do, **more})

    def events(self, session, since="", **headers):
        """Events of a session as (kind, id, data), until the reader leaves."""
        address = f"{self.base}/api/sessions/{session}/events?token={self.address.token}&since={since}"
        with httpx.stream("GET", address, timeout=WAIT_S, headers=headers) as answer:
            assert answer.status_code == 200
            kind = number = ""
            for line in answer.iter_lines():
                name, _, value = line.partition(": ")
                if name == "event":
                    kind = value
                elif name == "id":
                    number = value
                elif name == "data":
                    yield kind, number, json.loads(value)

    def until(self, session, last, since=""):
        """Events up to the first of a kind; open the stream before what brings it about, for a late reader has it in its first event."""
        found = []
        for event in self.events(session, since):
            found.append(event)
            if event[0] == last:
                return found
            assert not (event[0] == "hello" and event[2]["state"] in ("done", "failed")), f"no {last} can come any more"
        raise AssertionError(f"the stream ended without {last}")
