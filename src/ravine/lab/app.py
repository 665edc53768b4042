"""The web application: the page, and the routes of all parts behind one door."""

import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

from starlette.applications import Starlette
from starlette.routing import Route

from ravine.lab import doctor_api, figures_api, jobs, lessons_api, page, race_api, records_api
from ravine.lab.answers import HANDLERS
from ravine.lab.calls import Calls
from ravine.lab.jobs import Jobs
from ravine.lab.links import MEMORY_BYTES
from ravine.lab.races import PATIENCE_S, Races
from ravine.lab.security import Door, Guard
from ravine.lab.shelf import Shelf
from ravine.lab.wishes import ANSWER_S

PARTS: tuple[Callable[[], list[Route]], ...] = (
    page.routes,
    race_api.routes,
    figures_api.routes,
    jobs.routes,
    doctor_api.routes,
    lessons_api.routes,
    records_api.routes,
)
"""Where the routes come from."""


@dataclass(slots=True)
class Lab:
    """What all routes share; reached as `request.app.state.lab`.

    Attributes:
        files: records given on the command line.
        task: the user's task, as given on the command line; None if there is none.
        folder: where records are looked for and kept.
        calls: the process that computes figures.
        jobs: long ones, each with a process of its own.
        shelf: the records that may be opened.
        races: sessions of the race page.
        memory_bytes: that a process which trains or computes may use.
        patience_s: seconds that a step of a race may take.
        answer_s: seconds that an answer waits for what a process says of a setting.
    """

    files: tuple[Path, ...] = ()
    task: str | None = None
    folder: Path = field(default_factory=Path.cwd)
    memory_bytes: int = MEMORY_BYTES
    patience_s: float = PATIENCE_S
    answer_s: float = ANSWER_S
    calls: Calls = field(default_factory=Calls)
    jobs: Jobs = field(default_factory=Jobs)
    shelf: Shelf = field(init=False)
    races: Races = field(init=False)

    def __post_init__(self) -> None:
        self.shelf = Shelf(self.files, self.folder)
        limits = {"patience_s": self.patience_s, "answer_s": self.answer_s}
        self.races = Races(self.task, self.calls, memory_bytes=self.memory_bytes, **limits)

    def close(self) -> None:
        """End every process and every stream."""
        self.races.close()
        self.calls.close()
        self.jobs.close()
        self.shelf.close()


def make_app(lab: Lab, door: Door) -> Guard:
    """The application.

    Args:
        lab: what all routes share; closed when the application ends.
        door: what a request must show.
    """

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        lab.races.open()
        try:
            yield
        finally:
            lab.close()

    app = Starlette(routes=[route for part in PARTS for route in part()], exception_handlers=HANDLERS, lifespan=lifespan)
    app.state.lab = lab
    return Guard(app, door)
