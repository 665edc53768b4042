"""Who runs the lanes: this process, or one worker process a core."""

import os
from collections.abc import Iterator, Sequence
from typing import Protocol, final

from ravine.base._checks import count
from ravine.base.errors import InputError
from ravine.fleet import Choice, Evaluations, Event, Fleet, Lane, WorkerPool, pack

WORTH_WORKERS_S = 20.0
"""Forecast above which starting workers (about 4 s each: importing torch, reading the data) pays."""


class Executor(Protocol):
    """Runs lanes and reports events; only the caller writes the record."""

    def run(self, lanes: Sequence[Lane], steps: int, evaluations: Evaluations, choice: Choice) -> Iterator[Event]:
        """Run them."""
        ...


@final
class InProcess:
    """Runs lanes here.

    Args:
        fleet: the fleet of the task.
    """

    num_workers = 1

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet

    def run(self, lanes: Sequence[Lane], steps: int, evaluations: Evaluations, choice: Choice) -> Iterator[Event]:
        """See `Executor.run`."""
        return self._fleet.run(lanes, steps, evaluations, choice)


def choose_workers(workers: int | str, fleet: Fleet, forecast_s: float, num_lanes: int) -> tuple[int, str]:
    """How many processes run a stage, and a note where that is fewer than asked for.

    Args:
        workers: a number, or "auto": as many as there are cores, if the forecast says that it pays.
        fleet: the fleet of the task.
        forecast_s: seconds that one process would take.
        num_lanes: lanes of the stage.

    Raises:
        InputError: neither "auto" nor a whole number above 0.
    """
    wanted = check_workers(workers)
    if wanted is None:
        wanted = available_cores() if forecast_s > WORTH_WORKERS_S and fleet.device.type == "cpu" else 1
    wanted = min(wanted, num_lanes)
    if wanted > 1 and fleet.device.type != "cpu":
        return 1, f"one process drives {fleet.device}; --workers is for the CPU"
    if wanted > 1 and pack(fleet.task) is None:
        note = "one process runs all lanes, because the task cannot be sent to another (lambdas); load it from a file for more"
        return 1, note if workers != "auto" else ""
    return wanted, ""


def check_workers(workers: int | str) -> int | None:
    """The number of workers asked for, or None for "auto"."""
    if workers == "auto":
        return None
    try:
        return count("workers", int(workers))
    except ValueError:
        raise InputError(f"workers={workers!r}: must be 'auto' or a whole number, at least 1.", given=workers) from None


def available_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def make_executor(fleet: Fleet, num_workers: int) -> Executor:
    """An executor with that many processes."""
    parcel = pack(fleet.task) if num_workers > 1 else None
    return InProcess(fleet) if parcel is None else WorkerPool(parcel, fleet, num_workers)
