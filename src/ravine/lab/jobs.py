"""Long jobs of pages: each in a process of its own, which can be stopped, followed by any number of tabs."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from ravine.lab.answers import Busy, NotThere, answer, text
from ravine.lab.job_worker import Job, Told, main
from ravine.lab.links import Link

MOST_RUNNING = 2
MOST_KEPT = 20
QUIET_S = 15.0
"""Seconds after which a stream says that it is still there."""

LONGEST = 10
"""Digits of a place in what a job has said."""

ENDS = ("result", "error")
Finish = Callable[[Any], None]


@dataclass(slots=True)
class Running:
    """A job and what it has said.

    Attributes:
        said: in order; the last is a result or an error once it has ended.
        news: set when something was said, and replaced.
        link: to its process; None once it has ended.
        finish: told the result.
    """

    said: list[Told] = field(default_factory=list)
    news: asyncio.Event = field(default_factory=asyncio.Event)
    link: Link | None = None
    finish: Finish = lambda result: None

    @property
    def has_ended(self) -> bool:
        """Whether nothing more will be said."""
        return bool(self.said) and self.said[-1].kind in ENDS

    def hear(self, told: Told) -> None:
        """Take what was said."""
        if self.has_ended:
            return
        self.said.append(told)
        if told.kind == "result":
            self.finish(told.value)
        if told.kind in ENDS:
            self.end()
        self.news.set()
        self.news = asyncio.Event()

    def end(self) -> None:
        """End the process."""
        if self.link is not None:
            self.link.close()
            self.link = None


class Jobs:
    """All jobs of the lab."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self._jobs: dict[str, Running] = {}

    def start(self, job: Job, finish: Finish = lambda result: None) -> str:
        """Start a job.

        Args:
            job: whose function is written by the server's own code and never by a page.
            finish: told the result.

        Returns:
            its name.

        Raises:
            Busy: too many are running.
        """
        if sum(not one.has_ended for one in self._jobs.values()) >= MOST_RUNNING:
            raise Busy(f"{MOST_RUNNING} examinations or lessons are running: at most so many do at a time. Wait for one, or stop it.")
        running = Running(finish=finish)
        lost = Told("error", "its process ended, perhaps for want of memory: start it again.")
        running.link = Link(main, "ravine-lab-job", receive=running.hear, lost=lambda: running.hear(lost), may_have_children=True)
        running.link.send(job)
        name = str(next(self._numbers))
        self._jobs[name] = running
        for old in [key for key, one in self._jobs.items() if one.has_ended][:-MOST_KEPT]:
            del self._jobs[old]
        return name

    def get(self, name: str) -> Running:
        """The job of a name.

        Raises:
            NotThere: there is none.
        """
        if name not in self._jobs:
            raise NotThere(f"there is no job {name!r}, or no longer: start it again from its page.")
        return self._jobs[name]

    def close(self) -> None:
        """End all processes."""
        for running in self._jobs.values():
            running.hear(Told("error", "the lab ended."))


async def stream(running: Running, since: int) -> AsyncIterator[str]:
    """What a job says as server-sent events, from number `since` on."""
    place = since
    while True:
        news = running.news
        for told in running.said[place:]:
            place += 1
            yield f"id: {place}\nevent: {'failed' if told.kind == 'error' else told.kind}\ndata: {text(told.value)}\n\n"
        if running.has_ended:
            return
        try:
            await asyncio.wait_for(news.wait(), QUIET_S)
        except TimeoutError:
            yield ": still here\n\n"


def routes() -> list[Route]:
    """Addresses of jobs."""
    return [Route("/api/jobs/{name}/events", _events), Route("/api/jobs/{name}/stop", _stop, methods=["POST"])]


def _found(request: Request) -> Running:
    jobs: Jobs = request.app.state.lab.jobs
    return jobs.get(request.path_params["name"])


async def _events(request: Request) -> Response:
    since = request.headers.get("last-event-id") or request.query_params.get("since", "0")
    place = int(since) if since.isascii() and since.isdigit() and len(since) < LONGEST else 0
    return StreamingResponse(stream(_found(request), place), media_type="text/event-stream")


async def _stop(request: Request) -> Response:
    _found(request).hear(Told("error", "it was stopped."))
    return answer({"stopped": request.path_params["name"]})
