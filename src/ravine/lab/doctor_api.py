"""Addresses of the doctor's page."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ravine.base.errors import InputError
from ravine.lab.answers import answer, body
from ravine.lab.job_worker import Job
from ravine.lab.reading_settings import Settings, command_line, limited

CURVE = "/api/doctor/curve"
CURVE_BYTES = 1_000_000
"""Of a curve's file."""

MOST = {CURVE: CURVE_BYTES + 100_000}
"""Path -> bytes of a body, where a usual one is not enough: a file in quotes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DoctorSettings(Settings):
    """An examination.

    Attributes:
        task: what is examined.
        optimizer: that the user trains with.
        lr: the rate that the user trains with; 0 where that is open.
        steps: of each short training.
        seeds: lanes of a measurement.
        seed: of everything random.
    """

    task: str = "digits"
    optimizer: str = "adamw"
    lr: float = limited(0.0, at_least=0)
    steps: int = limited(200, at_most=2000)
    seeds: int = limited(3, at_most=8)
    seed: int = limited(0, at_least=0)

    words: ClassVar[tuple[str, ...]] = ("doctor",)

    def commands(self) -> list[str]:
        """Command lines that print the same findings."""
        return [command_line([*self.words, self.task, *self.options("task"), "--json"])]

    def python(self) -> str:
        """A script that finds the same and leaves it in `found`."""
        usual = {"optimizer": "adamw", "lr": None, "steps": 200, "seeds": 3, "seed": 0}
        differs = [f", {name}={value!r}" for name, value in self.keywords().items() if value != usual[name]]
        return f"import ravine\n\nfound = ravine.diagnose({self.task!r}{''.join(differs)}).summary()\n"

    def keywords(self) -> dict[str, Any]:
        """Options of `ravine.diagnose`."""
        return {"optimizer": self.optimizer, "lr": self.lr or None, "steps": self.steps, "seeds": self.seeds, "seed": self.seed}


def routes() -> list[Route]:
    """Addresses of the doctor's page."""
    return [Route("/api/doctor", _examine, methods=["POST"]), Route(CURVE, _curve, methods=["POST"])]


async def _examine(request: Request) -> Response:
    lab = request.app.state.lab
    settings = DoctorSettings.read(texts(await body(request)))
    own = [lab.task] if lab.task else []
    job = Job("ravine.lab.examining:examine", {"task": settings.task, "own": own, "options": settings.keywords()})
    return answer({"job": lab.jobs.start(job), "commands": settings.commands(), "python": settings.python()})


async def _curve(request: Request) -> Response:
    given = await body(request)
    name, text, columns = given.get("name", ""), given.get("text", ""), given.get("columns", {})
    if not isinstance(name, str) or not isinstance(text, str) or not isinstance(columns, dict):
        raise InputError('a curve is sent as {"name": "run.csv", "text": "...", "columns": {"loss": "train_loss"}}.')
    if len(text.encode()) > CURVE_BYTES:
        raise InputError(f"the file has more than {CURVE_BYTES:,} bytes: read it where it lies with ravine doctor --curve FILE.")
    calls = request.app.state.lab.calls
    return answer(await calls.call("ravine.lab.examining:read_curve", {"name": name, "text": text, "columns": texts(columns)}))


def texts(given: Mapping[str, Any]) -> dict[str, str]:
    """Settings of a body, which are texts as those of an address are.

    Raises:
        InputError: one is something else.
    """
    for name, value in given.items():
        if not isinstance(value, str):
            raise InputError(f"{name}={value!r}: must be text, as in an address. Put it in quotes.", given=value)
    return dict(given)
