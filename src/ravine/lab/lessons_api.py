"""Addresses of the lessons: their texts, a run on request, and what the last one said."""

from functools import partial
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ravine.base._checks import unknown_name
from ravine.lab.answers import answer
from ravine.lab.job_worker import Job


class Lessons:
    """Addresses of the lessons, and what was found since the lab was started."""

    def __init__(self) -> None:
        self._listed: list[dict[str, Any]] = []
        self._found: dict[str, Any] = {}

    def routes(self) -> list[Route]:
        """Their addresses."""
        one = "/api/lessons/{name}"
        return [Route("/api/lessons", self._all), Route(one, self._one), Route(f"{one}/run", self._run, methods=["POST"])]

    async def _known(self, request: Request) -> list[dict[str, Any]]:
        if not self._listed:
            self._listed = await request.app.state.lab.calls.call("ravine.lab.lessons:listed", {})
        return self._listed

    async def _all(self, request: Request) -> Response:
        return answer([lesson | {"verdict": self._verdict(lesson["name"])} for lesson in await self._known(request)])

    def _verdict(self, name: str) -> str | None:
        return self._found[name]["numbers"]["verdict"] if name in self._found else None

    async def _lesson(self, request: Request) -> dict[str, Any]:
        """The lesson of the address.

        Raises:
            UnknownNameError: there is none.
        """
        name, known = request.path_params["name"], await self._known(request)
        found = next((lesson for lesson in known if lesson["name"] == name), None)
        if found is None:
            raise unknown_name("lesson", name, [lesson["name"] for lesson in known])
        return found

    async def _one(self, request: Request) -> Response:
        lesson = await self._lesson(request)
        return answer(lesson | {"result": self._found.get(lesson["name"]), "commands": [f"ravine lessons run {lesson['name']} --quick"]})

    async def _run(self, request: Request) -> Response:
        name = (await self._lesson(request))["name"]
        job = Job("ravine.lab.lessons:run", {"name": name})
        return answer({"job": request.app.state.lab.jobs.start(job, partial(self._found.__setitem__, name))})


def routes() -> list[Route]:
    """Their addresses, with nothing kept yet."""
    return Lessons().routes()
