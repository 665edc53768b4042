"""Who runs the lanes: this process, one worker process a core, or workers elsewhere."""

import os
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, Protocol, final

from ravine.base._checks import count
from ravine.base.errors import InputError
from ravine.fleet import Choice, Evaluations, Event, Fleet, Lane, Past, Processes, Rungs, Site, WorkerPool, fingerprint
from ravine.fleet.parcel import Parcel, pack
from ravine.tasks import Task

WORTH_WORKERS_S = 20.0
"""Forecast above which starting workers pays."""

WORTH_SHARING_S = 2.0
"""The same once they are there."""

WORKER_START_S = 4.0
"""Seconds until a new process has imported torch and read the data."""


class Executor(Protocol):
    """Runs lanes and reports events; only the caller writes the record."""

    def run(
        self, lanes: Sequence[Lane], steps: int, evaluations: Evaluations, choice: Choice, past: Past, *, rungs: Rungs | None = None
    ) -> Iterator[Event]:
        """Run them; at rungs all wait until it is decided which go on."""
        ...


class Elsewhere(Protocol):
    """Where workers run other than as processes of this machine."""

    num_slots: int
    """How many share the lanes of a stage."""

    def site(self, task: Task, mark: bytes) -> Site:
        """Make the task, whose fingerprint is given, known there; raises `TaskError` if it cannot travel."""
        ...

    def fitting(self, one_process: int) -> int:
        """How many workers of so many bytes each its memory holds, at least one."""
        ...


@final
class Crew:
    """Who runs the lanes of one race: this process and, once a stage is worth it, workers that stay for the next stage.

    A context manager: leaving it ends the workers.

    Args:
        fleet: the fleet of the task.
        workers: processes that share the lanes, or "auto": as many as there are cores, if the forecast says that it pays;
            or where else all of them run.
    """

    def __init__(self, fleet: Fleet, workers: int | str | Elsewhere = 1) -> None:
        self.fleet = fleet
        self._workers: int | str = workers if isinstance(workers, int | str) else "auto"
        self._elsewhere: Elsewhere | None = None if isinstance(workers, int | str) else workers
        self._pool: WorkerPool | None = None

    @property
    def workers(self) -> "int | str | Elsewhere":
        """What the crew was made with."""
        return self._workers if self._elsewhere is None else self._elsewhere

    def __enter__(self) -> "Crew":
        if self._elsewhere is not None:
            # At once: a task that cannot travel is no reason to begin a record.
            _ = self._site
        return self

    def __exit__(self, *_: object) -> None:
        self.rest()

    def rest(self) -> None:
        """End the workers; they start again when they are needed."""
        if self._pool is not None:
            self._pool.close()
            self._pool = None

    def make_room(self) -> None:
        """End workers that hold places of a cluster, which has no more for another crew's."""
        if self._elsewhere is not None:
            self.rest()

    @cached_property
    def fingerprint(self) -> bytes:
        """Of the task, taken once."""
        return fingerprint(self.fleet.task)

    @cached_property
    def _parcel(self) -> Parcel | None:
        return pack(self.fleet.task, self.fingerprint)

    @cached_property
    def _site(self) -> Site | None:
        if self._elsewhere is not None:
            if self.fleet.device.type != "cpu":
                raise InputError(f"device={str(self.fleet.device)!r}: workers on a cluster are for the CPU. Use --device cpu.")
            return self._elsewhere.site(self.fleet.task, self.fingerprint)
        return None if self._parcel is None else Processes(self._parcel, check_workers(self._workers) or available_cores())

    def size(self, forecast_s: float, num_lanes: int, *, are_there: bool | None = None) -> tuple[int, str]:
        """How many processes run a stage, and a note where that is fewer than asked for.

        Args:
            forecast_s: seconds that one process would take.
            num_lanes: lanes of the stage.
            are_there: whether workers are to be thought of as started; as it is if None.

        Raises:
            InputError: the workers asked for are neither "auto" nor a whole number above 0.
        """
        wanted, device = check_workers(self._workers), self.fleet.device
        if self._elsewhere is not None:
            return min(wanted or self._elsewhere.num_slots, num_lanes), ""
        if wanted is None:
            have_started = self._pool is not None if are_there is None else are_there
            worth = WORTH_SHARING_S if have_started else WORTH_WORKERS_S
            wanted = available_cores() if forecast_s > worth and device.type == "cpu" else 1
        wanted = min(wanted, num_lanes)
        if wanted > 1 and device.type != "cpu":
            return 1, f"one process drives {device}; --workers is for the CPU"
        if wanted > 1 and self._parcel is None:
            note = "one process runs all lanes, because the task cannot be sent to another (lambdas); load it from a file for more"
            return 1, note if self._workers != "auto" else ""
        return wanted, ""

    def most_workers(self, lanes: Sequence[Lane], choice: Choice, splits: Mapping[str, Any]) -> int:
        """Workers that memory holds, where they run."""
        if self._elsewhere is None:
            return self.fleet.most_workers(lanes, choice, splits)
        return self._elsewhere.fitting(self.fleet.memory(lanes, choice, splits))

    def forecast(self, choice: Choice, lanes: Sequence[Lane], num_workers: int) -> float:
        """Seconds that so many processes take, their start and what each must do for itself included."""
        if num_workers == 1 and self._elsewhere is None:
            return choice.seconds
        start = WORKER_START_S * choice.stretch + choice.start_s if self._pool is None else 0.0
        tiles = [len(tile) for tile in self.fleet.tiles(lanes, choice, num_workers)]
        return start + choice.seconds * longest_share(tiles, num_workers) / len(lanes)

    def executor(self, num_workers: int) -> Executor:
        """An executor with that many processes; this one alone where the task cannot be sent."""
        if (num_workers == 1 and self._elsewhere is None) or self._site is None:
            return self.fleet
        if self._pool is None:
            self._pool = WorkerPool(self.fleet, num_workers, self._site)
        self._pool.num_workers = num_workers
        return self._pool


def longest_share(tiles: Sequence[int], num_workers: int) -> int:
    """Lanes of the worker that has most to do, where each takes the next tile once it is free."""
    loads = [0] * num_workers
    for tile in tiles:
        loads[loads.index(min(loads))] += tile
    return max(loads)


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
