"""Worker processes: one single-threaded process a core, each given one tile after the other, streaming events back.

Only the caller writes the record. Two threads in one process would contend for the same matrix product; two processes
with a tile each do not. A fast worker takes more tiles than a slow one, and a worker that is killed costs what it did
since the last snapshot of its tile: another takes the tile over and repeats the rest with the same bits. At a rung all
tiles wait, each in the process that ran it so far.
"""

import contextlib
import itertools
import math
import multiprocessing
import signal
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from multiprocessing.connection import Connection, wait
from typing import Any

from ravine.base.errors import RavineError, TaskError
from ravine.fleet.calibration import Choice, Mode
from ravine.fleet.events import Event, Paused, Remark, Started
from ravine.fleet.fleet import Fleet
from ravine.fleet.lanes import Lane, group_lanes
from ravine.fleet.parcel import Parcel
from ravine.fleet.past import NOTHING_PAST, Past
from ravine.fleet.rungs import Rungs
from ravine.fleet.snapshot import Snapshots
from ravine.fleet.telling import Told
from ravine.fleet.tile_run import Evaluations

MOST_DEATHS = 3
"""Times that a tile's worker may end without having got any further, before the run fails."""

PATIENCE_S = 2.0
"""Seconds that an interrupted run waits for the workers' last snapshots."""

SILENCE_S = 60.0
"""Seconds without a word after which a worker with a tile is spoken of; blocks of steps end about once a second."""

_POLL_S = 0.25


@dataclass(frozen=True, slots=True)
class _Stage:
    """What all tiles of a run share; `number` tells runs apart."""

    number: int
    steps: int
    evaluations: Evaluations
    snapshots: Snapshots | None
    rungs: Rungs = field(default_factory=Rungs)


@dataclass(slots=True)
class _Job:
    """A tile to be run, or to go on.

    Attributes:
        lanes, mode: which, and how.
        deaths: workers that ended over it since it last got further.
        decided: what was decided at rungs.
    """

    lanes: tuple[Lane, ...]
    mode: Mode
    deaths: int = 0
    decided: Mapping[int, frozenset[int]] = field(default_factory=dict)

    @property
    def numbers(self) -> tuple[int, ...]:
        """What names it: of its lanes."""
        return tuple(lane.number for lane in self.lanes)

    @property
    def make_up(self) -> Any:
        """What a compiled step depends on: tiles of one make-up share it."""
        return self.mode, tuple((group.rule.key, group.size) for group in group_lanes(self.lanes))

    def halves(self) -> list["_Job"]:
        """The tile cut in two, where its size may be what kills."""
        middle = -(-len(self.lanes) // 2)
        return [_Job(part, self.mode, 1, self.decided) for part in (self.lanes[:middle], self.lanes[middle:])]


@dataclass(slots=True)
class _Worker:
    """A process as the parent sees it.

    Attributes:
        known: make-ups that it has run.
        held: numbers of the tiles that wait in it.
        stage: the run that it knows of.
    """

    connection: Connection
    process: Any
    known: set[Any] = field(default_factory=set)
    held: set[tuple[int, ...]] = field(default_factory=set)
    stage: int = -1
    job: _Job | None = None
    is_ahead: bool = False
    heard: float = field(default_factory=time.monotonic)


class WorkerPool:
    """Runs tiles in worker processes, which start when first needed and stay until `close`; a context manager.

    Args:
        parcel: the task.
        fleet: the caller's fleet; workers repeat its seed.
        num_workers: most processes.
    """

    def __init__(self, parcel: Parcel, fleet: Fleet, num_workers: int) -> None:
        self._parcel, self._fleet, self.num_workers = parcel, fleet, num_workers
        self._workers: list[_Worker] = []
        self._at_rung: list[tuple[int, _Job]] = []
        self._numbers = itertools.count()

    def __enter__(self) -> "WorkerPool":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End every process."""
        for worker in self._workers:
            # Not `terminate`, which a process that is stopped would never hear.
            worker.process.kill()
        while self._workers:
            worker = self._workers.pop()
            worker.process.join()
            worker.connection.close()

    def run(
        self,
        lanes: Sequence[Lane],
        steps: int,
        evaluations: Evaluations,
        choice: Choice,
        past: Past = NOTHING_PAST,
        *,
        rungs: Rungs | None = None,
    ) -> Iterator[Event]:
        """Run lanes and yield every worker's events as they come; see `Fleet.run`.

        Raises:
            TaskError: a worker raised, or ended over one tile again and again; the others are stopped.
        """
        rungs = rungs or Rungs()
        stage = _Stage(next(self._numbers), steps, evaluations, past.snapshots, rungs.elsewhere())
        self._at_rung = []
        for worker in self._workers:
            worker.held.clear()
        tiles = past.left(self._fleet.tiles(lanes, choice, self.num_workers))
        waiting = [_Job(tile, past.mode(tile, choice.mode)) for tile in tiles]
        try:
            yield from self._until_done(waiting, stage, rungs)
        except BaseException:
            self.close()
            raise

    def _until_done(self, ready: list[_Job], stage: _Stage, rungs: Rungs) -> Iterator[Event]:
        told, waiting = Told(), ready
        while waiting or self._at_rung or any(worker.job for worker in self._workers):
            if not waiting and not any(worker.job for worker in self._workers):
                yield self._decide(waiting, rungs)
            self._hand_out(waiting, stage)
            busy = {worker.connection: worker for worker in self._workers if worker.job}
            for connection in wait(list(busy), timeout=_POLL_S):
                assert isinstance(connection, Connection)
                yield from self._receive(busy[connection], waiting, told)
            yield from self._silent()
            if stage.snapshots is not None and stage.snapshots.is_ending():
                yield from self._last_words(told)
                raise KeyboardInterrupt

    def _decide(self, ready: list[_Job], rungs: Rungs) -> Event:
        """Every tile waits at a rung: those at the earliest go on."""
        step = min(at for at, _ in self._at_rung)
        verdict = rungs.verdict(step)
        ready += [job for at, job in self._at_rung if at == step]
        self._at_rung = [(at, job) for at, job in self._at_rung if at != step]
        for job in ready:
            job.decided = dict(rungs.decided)
        return verdict

    def _silent(self) -> Iterator[Remark]:
        """Name workers that have said nothing for long: stopped, swapped out, or at one very long step. Waiting is left to the user."""
        for worker in self._workers:
            if worker.job is not None and time.monotonic() - worker.heard > SILENCE_S:
                worker.heard = math.inf
                yield Remark(
                    f"worker process {worker.process.pid} has said nothing for {SILENCE_S:.0f} s; the others go on. "
                    "If it does not come back, end it (kill): its lanes go on elsewhere from where they were last saved."
                )

    def _hand_out(self, waiting: list[_Job], stage: _Stage) -> None:
        while waiting:
            held = {numbers for worker in self._workers for numbers in worker.held}
            free = [job for job in waiting if job.numbers not in held]
            # What a worker holds comes first: only there is its state.
            idle = [(w, [job for job in waiting if job.numbers in w.held] or free) for w in self._workers if w.job is None]
            able = [(worker, jobs) for worker, jobs in idle if jobs]
            if not able and free and len(self._workers) < self.num_workers:
                able = [(self._start(), free)]
            if not able:
                return
            worker, jobs = able[0]
            job = jobs[_best(jobs, worker, self._workers)]
            waiting[:] = [other for other in waiting if other is not job]
            self._give(worker, job, waiting, stage)

    def _give(self, worker: _Worker, job: _Job, waiting: list[_Job], stage: _Stage) -> None:
        worker.heard = time.monotonic()
        try:
            if worker.stage != stage.number:
                worker.connection.send(stage)
            worker.connection.send(job)
        except OSError:
            # It died while it had nothing to do; its successor is asked again.
            waiting.insert(0, job)
            self._bury(worker)
            return
        worker.stage, worker.job, worker.is_ahead = stage.number, job, False
        worker.held.discard(job.numbers)
        worker.known.add(job.make_up)

    def _start(self) -> _Worker:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=_work, args=(theirs, self._parcel, self._fleet.race_seed), daemon=True)
        process.start()
        theirs.close()
        worker = _Worker(ours, process)
        self._workers.append(worker)
        return worker

    def _receive(self, worker: _Worker, waiting: list[_Job], told: Told) -> Iterator[Event]:
        worker.heard = time.monotonic()
        try:
            message = worker.connection.recv()
        except (EOFError, OSError):
            yield self._outlive(worker, waiting)
            return
        if isinstance(message, Exception):
            raise message
        if message is None:
            worker.job = None
            return
        if isinstance(message, Paused):
            assert worker.job is not None
            worker.held.add(worker.job.numbers)
            self._at_rung.append((message.step, worker.job))
            worker.job = None
            return
        news = told.news(message)
        if news is not None:
            worker.is_ahead = worker.is_ahead or not isinstance(news, Started)
            yield news

    def _outlive(self, worker: _Worker, waiting: list[_Job]) -> Remark:
        """Put the tile of a worker that ended back in the queue, cut in two if it got no further twice."""
        job, code = worker.job, self._bury(worker)
        assert job is not None
        job.deaths = 1 if worker.is_ahead else job.deaths + 1
        if job.deaths >= MOST_DEATHS:
            raise TaskError(
                f"a worker process ended without a word (exit code {code}), {job.deaths} times over the same lanes; out of memory is "
                "the usual cause. Use --workers 1, or a smaller batch or model."
            )
        is_cut = job.deaths > 1 and len(job.lanes) > 1
        waiting[:0] = job.halves() if is_cut else [job]
        how = "with half as many lanes at a time" if is_cut else "from its last snapshot"
        return Remark(f"a worker process ended without a word (exit code {code}); another one goes on {how}")

    def _bury(self, worker: _Worker) -> Any:
        self._workers.remove(worker)
        worker.connection.close()
        worker.process.join()
        return worker.process.exitcode

    def _last_words(self, told: Told) -> Iterator[Event]:
        """Ask every worker to save its tile and end, and take in what they send within `PATIENCE_S`."""
        pending = {worker.connection: worker for worker in self._workers if worker.job}
        for worker in pending.values():
            with contextlib.suppress(OSError):
                worker.connection.send(None)
        end = time.monotonic() + PATIENCE_S
        while pending and time.monotonic() < end:
            for connection in wait(list(pending), timeout=_POLL_S):
                assert isinstance(connection, Connection)
                message = _last(connection)
                if message is None:
                    del pending[connection]
                elif (news := told.news(message)) is not None:
                    yield news


def _last(connection: Connection) -> Event | None:
    """What a worker still says; None once it says nothing more."""
    try:
        message = connection.recv()
    except (EOFError, OSError):
        return None
    return None if isinstance(message, Exception) else message


def _best(waiting: Sequence[_Job], worker: _Worker, workers: Sequence[_Worker]) -> int:
    """Which tile a worker gets: one of a make-up that it has run, else one that no other has run, else the next."""
    others = {make_up for other in workers for make_up in other.known}
    known = [job.make_up in worker.known for job in waiting]
    fresh = [job.make_up not in others for job in waiting]
    return next((marks.index(True) for marks in (known, fresh) if any(marks)), 0)


def _work(connection: Connection, parcel: Parcel, race_seed: int) -> None:
    # The terminal sends Ctrl-C to every process of the group; the parent decides what happens.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        _serve(connection, Fleet(parcel.open(), race_seed=race_seed))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        pass
    except RavineError as error:
        connection.send(TaskError(str(error)))
    except Exception as error:  # everything must reach the parent: a worker has no other voice
        connection.send(TaskError(f"a worker process raised {type(error).__name__}: {error}\n{traceback.format_exc(limit=-3)}"))


def _serve(connection: Connection, fleet: Fleet) -> None:
    """Run the tiles that come in until the parent hangs up, or asks for a last snapshot; those that wait at a rung are held."""
    stage: _Stage | None = None
    held = dict[tuple[int, ...], Iterator[Event]]()
    while (message := connection.recv()) is not None:
        if isinstance(message, _Stage):
            stage, held = message, {}
            evaluations = fleet.on_device(stage.evaluations)
            if stage.snapshots is not None:
                stage.snapshots.is_ending = partial(_is_asked_to_end, connection)
            continue
        assert stage is not None
        try:
            stage.rungs.decided.update(message.decided)
            run = held.pop(message.numbers, None)
            if run is None:
                run = fleet.run_tile(message.lanes, stage.steps, evaluations, message.mode, stage.snapshots, rungs=stage.rungs)
            for event in run:
                connection.send(event)
                if isinstance(event, Paused):
                    held[message.numbers] = run
                    break
        except KeyboardInterrupt:
            connection.send(None)
            return
        if message.numbers not in held:
            connection.send(None)


def _is_asked_to_end(connection: Connection) -> bool:
    """Whether the parent wants a last snapshot: while a tile runs it says nothing else. Raises `EOFError` if it hung up."""
    return connection.poll() and connection.recv() is None
