"""The process that computes what pages show beside a race: one call after the other, by the name of a function."""

import importlib
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
    """

    number: int
    function: str
    settings: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Here:
    """The process has started, and imported what takes long."""

    answers: ClassVar[int] = 1


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
        connection.send(carry_out(call))


def carry_out(call: Call) -> Result:
    """Call a function; whatever it raises becomes a result."""
    try:
        module, _, name = call.function.partition(":")
        value = getattr(importlib.import_module(module), name)(**call.settings)
    except RavineError as error:
        return Result(call.number, error=" ".join(error.problems) if isinstance(error, PlanError) else str(error))
    except Exception as error:  # a user's model, or a defect: the process goes on either way
        return Result(call.number, defect=f"{type(error).__name__}: {error}")
    return Result(call.number, value)
