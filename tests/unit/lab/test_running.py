import asyncio
import threading

import httpx
import uvicorn

from lab_client import wait_for
from ravine.lab.race_api import CURVES
from ravine.lab.running import Server, door_of
from ravine.lab.security import MOST_BODY
from ravine.lab.serving import Address, listen


async def app(scope, receive, send):
    assert scope["type"] == "http"
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body", "body": b""})


def test_a_server_tells_when_it_can_be_asked_and_when_it_ends():
    told = []
    with listen(0) as listener:
        config = uvicorn.Config(app, log_config=None, lifespan="off", ws="none")
        server = Server(config, lambda: told.append("started"), lambda: told.append("ending"))
        thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listener])))
        thread.start()
        wait_for(lambda: told)
        assert httpx.get(f"http://127.0.0.1:{listener.getsockname()[1]}/").status_code == 204
        server.should_exit = True
        thread.join(30)
    assert told == ["started", "ending"]


def test_points_may_be_larger_than_settings():
    door = door_of(Address(8747, "t"))
    assert (door.port, door.token) == (8747, "t")
    assert door.most[CURVES] == 1_000_000 > MOST_BODY
