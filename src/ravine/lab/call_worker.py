"""The process that computes what pages show beside a race: one call after the other, by the name of a function."""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any, ClassVar

from ravine.base.errors import PlanError, RavineError
from ravine.lab.confines import confine, limit_memory


@dataclass(frozen=True, slots=True)
class Call:
    """A function to call.

    Attributes:
        number: of the call.
        function: "package.module:name".
        settings: its keyword arguments.
        tells: whether it takes a `tell` besides, for how far it is in words.
    """

    number: int
    function: str
    settings: dict[str, Any]
    tells: bool = False


@dataclass(frozen=True, slots=True)
class Here:
    """The process has started, and imported what takes long."""

    answers: ClassVar[int] = 1


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a call is, in words."""

    answers: ClassVar[int] = 0
    number: int
    words: str


@dataclass(frozen=True, slots=True)
class Result:
    """What a call came to.

    Attributes:
        number: of the call.
        value: what it returned.
        error: the sentence, where it raised what the asker can mend.
        defect: the error's name and message, where it raised anything else.
    """

    number: int
    value: Any = None
    error: str = ""
    defect: str = ""


def main(connection: Connection, memory_bytes: int) -> None:
    """Answer calls until the pipe closes."""
    confine(memory_bytes)
    import torch  # noqa: PLC0415 - nothing before the confinement

    torch.set_num_threads(1)
    limit_memory(memory_bytes)
    connection.send(Here())
    while True:
        try:
            call = connection.recv()
        except EOFError:
            return
        connection.send(carry_out(call, connection.send))


def carry_out(call: Call, send: Callable[[Progress], object] = lambda progress: None) -> Result:
    """Call a function; whatever it raises becomes a result."""
    told = {"tell": lambda words: send(Progress(call.number, words))} if call.tells else {}
    try:
        module, _, name = call.function.partition(":")
        value = getattr(importlib.import_module(module), name)(**call.settings, **told)
    except RavineError as error:
        return Result(call.number, error=" ".join(error.problems) if isinstance(error, PlanError) else str(error))
    except BaseException as error:  # a user's model, which may call sys.exit(), or a defect: the process goes on either way
        return Result(call.number, defect=f"{type(error).__name__}: {error}")
    return Result(call.number, value)
