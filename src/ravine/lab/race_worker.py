"""The process that trains one race of the page; it does what it is told and never reads the clock."""

from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from ravine.base.errors import PlanError, RavineError
from ravine.lab.confines import confine, limit_memory

if TYPE_CHECKING:
    from ravine.lab.workshop import Workshop


@dataclass(frozen=True, slots=True)
class Make:
    """Prepare a race.

    Attributes:
        revision: of the session.
        setting: checked; its rates are in `rates`.
        rates: optimiser -> peak rate; empty while they are to be found, and then nothing is prepared.
        own: the user's task as given on the command line.
        points: of a curve that was sent.
    """

    revision: int
    setting: dict[str, Any]
    rates: dict[str, float]
    own: str | None = None
    points: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Advance:
    """Take steps; `looks` for a look at the last of them."""

    revision: int
    steps: int
    looks: bool = False


@dataclass(frozen=True, slots=True)
class Ask:
    """A question on the race that is prepared, by the name of a method of the workshop."""

    number: int
    what: str
    settings: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Here:
    """The process has started, and imported what takes long."""

    answers: ClassVar[int] = 1


@dataclass(frozen=True, slots=True)
class Made:
    """A race is possible; it is being prepared."""

    answers: ClassVar[int] = 0
    revision: int


@dataclass(frozen=True, slots=True)
class Possible:
    """A race is possible; its rates are to be found first."""

    answers: ClassVar[int] = 1
    revision: int


@dataclass(frozen=True, slots=True)
class Refused:
    """A race is not possible, and why; the one before stays."""

    answers: ClassVar[int] = 1
    revision: int
    sentence: str


@dataclass(frozen=True, slots=True)
class Ready:
    """A race is prepared: facts for the page."""

    answers: ClassVar[int] = 1
    revision: int
    facts: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Taken:
    """Steps were taken: a stretch as plain values.

    Attributes:
        revision: of the session.
        last: steps taken in all.
        losses: (steps, lanes).
        evaluations: step -> metric -> values, of the validation split.
        looks: (step, predictions, inside, whether it is kept).
        diverged: (lane, step, reason).
        alive: lanes that go on.
        end: why the race is over; empty while it is not.
    """

    answers: ClassVar[int] = 1
    revision: int
    last: int
    losses: np.ndarray
    evaluations: dict[int, dict[str, np.ndarray]]
    looks: list[tuple[int, np.ndarray, dict[str, np.ndarray], bool]]
    diverged: list[tuple[int, int, str]]
    alive: list[bool]
    end: str


@dataclass(frozen=True, slots=True)
class Failed:
    """What the training raised, as a sentence; the race is gone."""

    answers: ClassVar[int] = 1
    revision: int
    sentence: str


@dataclass(frozen=True, slots=True)
class Answered:
    """The answer to a question, or why there is none."""

    answers: ClassVar[int] = 1
    number: int
    value: Any = None
    error: str = ""


def main(connection: Connection, memory_bytes: int) -> None:
    """Serve one session after the other until the pipe closes."""
    confine(memory_bytes)
    from ravine.lab.workshop import Workshop  # noqa: PLC0415 - torch, after the confinement

    limit_memory(memory_bytes)
    connection.send(Here())
    workshop = Workshop()
    if not connection.poll():
        workshop.warm_up()
    while True:
        try:
            message = connection.recv()
        except EOFError:
            return
        match message:
            case Make():
                _make(connection, workshop, message)
            case Advance():
                connection.send(_advance(workshop, message))
            case Ask():
                connection.send(_ask(workshop, message))


def _make(connection: Connection, workshop: "Workshop", message: Make) -> None:
    try:
        subject = workshop.subject(message)
        if not message.rates:
            connection.send(Possible(message.revision))
            return
        connection.send(Made(message.revision))
        facts = workshop.prepare(message, subject)
    except BaseException as error:  # whatever a user's code raises, sys.exit() included
        connection.send(Refused(message.revision, in_words(error)))
    else:
        connection.send(Ready(message.revision, facts))


def _advance(workshop: "Workshop", message: Advance) -> Taken | Failed:
    try:
        return workshop.advance(message)
    except BaseException as error:  # the same
        workshop.drop()
        return Failed(message.revision, in_words(error))


def _ask(workshop: "Workshop", message: Ask) -> Answered:
    try:
        return Answered(message.number, getattr(workshop, message.what)(**message.settings))
    except BaseException as error:  # the same
        return Answered(message.number, error=in_words(error))


def in_words(error: BaseException) -> str:
    """An error as a sentence for the page."""
    if isinstance(error, PlanError):
        return " ".join(error.problems)
    if isinstance(error, RavineError):
        return str(error)
    text = str(error).strip()
    if isinstance(error, MemoryError) or "can't allocate memory" in text or "not enough memory" in text:
        return "the training needs more memory than a session of the lab may use: take a smaller model, width or batch."
    first = (text.splitlines() or ["no message"])[0].rstrip(".")
    return f"the training raised {type(error).__name__}: {first}. Correct the task's file and reset."
