"""The process of one long job, the doctor's or a lesson's: it tells what it does as it goes, and its result at the end."""

import importlib
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

from ravine.base.errors import PlanError, RavineError
from ravine.lab.confines import confine, limit_memory


@dataclass(frozen=True, slots=True)
class Job:
    """What is to be done.

    Attributes:
        function: "package.module:name"; called with `tell`, to which it gives what it does next in words, and the settings.
        settings: keyword arguments.
    """

    function: str
    settings: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Told:
    """Something that a job says.

    Attributes:
        kind: "doing", "result" or "error", after which nothing follows.
        value: words, or the result.
    """

    kind: str
    value: Any


def main(connection: Connection, memory_bytes: int) -> None:
    """Do one job."""
    confine(memory_bytes)
    job = connection.recv()
    connection.send(Told("doing", "starting"))
    import torch  # noqa: PLC0415 - nothing before the confinement

    torch.set_num_threads(1)
    limit_memory(memory_bytes)
    connection.send(carry_out(job, connection))


def carry_out(job: Job, connection: Connection) -> Told:
    """Call the function; whatever it raises becomes a sentence."""
    try:
        module, _, name = job.function.partition(":")
        function = getattr(importlib.import_module(module), name)
        return Told("result", function(lambda words: connection.send(Told("doing", words)), **job.settings))
    except RavineError as error:
        return Told("error", " ".join(error.problems) if isinstance(error, PlanError) else str(error))
    except BaseException as error:  # a user's model, which may call sys.exit(), or a defect: the page says so either way
        return Told("error", f"it raised {type(error).__name__}: {error}")
