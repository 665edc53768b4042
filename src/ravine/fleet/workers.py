"""Worker processes: one single-threaded process a core, each with a shard of the lanes, streaming events back.

Only the caller writes the record. Two threads in one process would contend for the same matrix product; two
processes with a shard each do not, and the shard is the unit that travels to other machines as well.
"""

import hashlib
import multiprocessing
import pickle
import signal
import traceback
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection, wait
from typing import Any

import torch
from torch.utils import _pytree as pytree

from ravine.base.errors import RavineError, TaskError
from ravine.fleet.calibration import Choice
from ravine.fleet.events import Event
from ravine.fleet.fleet import Evaluations, Fleet
from ravine.fleet.lanes import Lane, tile_lanes
from ravine.tasks import Task, load


@dataclass(frozen=True, slots=True)
class Parcel:
    """A task as it travels to another process: pickled, or as the text from which it is loaded again.

    Attributes:
        pickled: the task, or None.
        reference: text for `ravine.tasks.load`, used when there is no pickle.
        settings: fields that differ from what `reference` gives.
        fingerprint: of the task that was packed.
    """

    pickled: bytes | None
    reference: str
    settings: Mapping[str, Any]
    fingerprint: bytes

    def open(self) -> Task:
        """The task.

        Raises:
            TaskError: it came out with other data or other weights.
        """
        task: Task = replace(load(self.reference), **self.settings) if self.pickled is None else pickle.loads(self.pickled)
        if fingerprint(task) != self.fingerprint:
            raise TaskError(
                f"task {task.name!r} has other data or other initial weights in a worker process than here: it draws from a stream "
                "that nothing seeds, or reads what changes. Make it the same each time, or use --workers 1."
            )
        return task


def pack(task: Task) -> Parcel | None:
    """The task in a form that another process can open; None if it has neither a reference nor a pickle."""
    mark = fingerprint(task)
    if task.reference:
        return Parcel(None, task.reference, {"batch_size": task.batch_size, "rank_by": task.rank_by}, mark)
    try:
        return Parcel(pickle.dumps(task), "", {}, mark)
    except Exception:  # pickle raises whatever the user's objects raise; lambdas are the usual case
        return None


def fingerprint(task: Task) -> bytes:
    """A digest of the splits and of the weights drawn under seed 0: equal where a race would give equal numbers."""
    digest = hashlib.blake2b()
    splits, model = task.data, task.build(0)
    trees = [splits.train, splits.validation, splits.test, dict(model.named_parameters()), dict(model.named_buffers())]
    for leaf in (leaf for tree in trees for leaf in pytree.tree_leaves(tree) if isinstance(leaf, torch.Tensor)):
        digest.update(f"{leaf.dtype}{tuple(leaf.shape)}".encode())
        digest.update(leaf.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().data)
    return digest.digest()


def shard_lanes(lanes: Sequence[Lane], num_shards: int, size: int, *, by_seed: bool) -> list[list[Lane]]:
    """Lanes cut into at most `num_shards` shards of whole tiles, about equally large.

    Tiles of one make-up stay together as far as possible, so that few workers compile the same step.

    Args:
        lanes: any order.
        num_shards: most shards.
        size: most lanes of a tile.
        by_seed: see `tile_lanes`.
    """
    tiles = tile_lanes(lanes, max(1, min(size, -(-len(lanes) // num_shards))), by_seed=by_seed)
    count = min(num_shards, len(tiles))
    shards: list[list[Lane]] = [[] for _ in range(count)]
    done = 0
    for index, tile in enumerate(tiles):
        # The shard in which the middle of the tile falls, but none may stay empty.
        middle = int((done + len(tile) / 2) * count / len(lanes))
        shards[max(min(middle, index), count - (len(tiles) - index))].extend(tile)
        done += len(tile)
    return shards


class WorkerPool:
    """Runs shards of lanes in worker processes.

    Args:
        parcel: the task.
        fleet: the caller's fleet; workers repeat its seed and device.
        num_workers: processes.
    """

    def __init__(self, parcel: Parcel, fleet: Fleet, num_workers: int) -> None:
        self._parcel, self._fleet, self._num_workers = parcel, fleet, num_workers

    def run(self, lanes: Sequence[Lane], steps: int, evaluations: Evaluations, choice: Choice) -> Iterator[Event]:
        """Run lanes and yield every worker's events as they come.

        Raises:
            TaskError: a worker raised or ended; the others are stopped.
        """
        context = multiprocessing.get_context("spawn")
        running: dict[Connection, Any] = {}
        try:
            for shard in shard_lanes(lanes, self._num_workers, choice.tile, by_seed=self._fleet.support.by_seed):
                ours, theirs = context.Pipe(duplex=False)
                job = _Job(self._parcel, self._fleet.race_seed, tuple(shard), steps, evaluations, choice)
                process = context.Process(target=_work, args=(theirs, job), daemon=True)
                process.start()
                theirs.close()
                running[ours] = process
            while running:
                for connection in wait(list(running)):
                    assert isinstance(connection, Connection)
                    yield from self._receive(connection, running)
        finally:
            for process in running.values():
                process.terminate()
            for process in running.values():
                process.join()

    def _receive(self, connection: Connection, running: dict[Connection, Any]) -> Iterator[Event]:
        try:
            message = connection.recv()
        except EOFError:
            process = running.pop(connection)
            process.join()
            raise TaskError(
                f"a worker process ended without a word (exit code {process.exitcode}); out of memory is the usual cause. "
                "Use --workers 1, or a smaller batch or model."
            ) from None
        if isinstance(message, Exception):
            raise message
        if message is None:
            running.pop(connection).join()
            return
        yield message


@dataclass(frozen=True, slots=True)
class _Job:
    parcel: Parcel
    race_seed: int
    lanes: tuple[Lane, ...]
    steps: int
    evaluations: Evaluations
    choice: Choice


def _work(connection: Connection, job: _Job) -> None:
    # The terminal sends Ctrl-C to every process of the group; the parent decides what happens.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        fleet = Fleet(job.parcel.open(), race_seed=job.race_seed)
        for event in fleet.run(job.lanes, job.steps, job.evaluations, job.choice):
            connection.send(event)
        connection.send(None)
    except BrokenPipeError:
        pass
    except RavineError as error:
        connection.send(TaskError(str(error)))
    except Exception as error:  # everything must reach the parent: a worker has no other voice
        connection.send(TaskError(f"a worker process raised {type(error).__name__}: {error}\n{traceback.format_exc(limit=-3)}"))
