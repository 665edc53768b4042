"""Workers: one single-threaded process a core, here or elsewhere, each given one tile after the other, streaming events back.

Only the caller writes the record. Two threads in one process would contend for the same matrix product; two processes
with a tile each do not. A fast worker takes more tiles than a slow one, and a worker that is killed costs what it did
since the last snapshot of its tile: another takes the tile over and repeats the rest with the same bits. At a rung all
tiles wait, each in the process that ran it so far.
"""

import contextlib
import itertools
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from ravine.base.errors import TaskError
from ravine.fleet.calibration import Choice
from ravine.fleet.events import Event, Paused, Remark, Started
from ravine.fleet.fleet import Fleet
from ravine.fleet.lanes import Lane
from ravine.fleet.past import NOTHING_PAST, Past
from ravine.fleet.rungs import Rungs
from ravine.fleet.serving import Job, Stage
from ravine.fleet.telling import Told
from ravine.fleet.tile_run import Evaluations

MOST_DEATHS = 3
"""Times that a tile's worker may end without having got any further, before the run fails."""

PATIENCE_S = 2.0
"""Seconds that an interrupted run waits for the workers' last snapshots."""

SILENCE_S = 60.0
"""Seconds without a word after which a worker with a tile is spoken of; blocks of steps end about once a second."""

_POLL_S = 0.25


class Link(Protocol):
    """The other end of a worker's `Line`."""

    @property
    def name(self) -> str:
        """What a person would look for, at the beginning of a sentence."""
        ...

    def send(self, message: Any) -> None:
        """Tell the worker; raises `OSError` where it is known to have ended."""
        ...

    def recv(self) -> Any:
        """What it says next; raises `EOFError` once it has ended."""
        ...

    def end(self) -> None:
        """End it at once, whatever it does."""
        ...

    def ending(self) -> str:
        """Wait until it has ended; how it did, as a few words."""
        ...


class Site(Protocol):
    """Where workers run."""

    capacity: int

    def start(self, race_seed: int) -> Link:
        """Start another worker."""
        ...

    def wait(self, links: Sequence[Link], timeout: float) -> Sequence[Link]:
        """Those that have something to say, or have ended, as soon as one has; none after `timeout` seconds."""
        ...


@dataclass(slots=True)
class _Worker:
    """A worker as the parent sees it.

    Attributes:
        link: the line to it.
        known: make-ups that it has run.
        held: numbers of the tiles that wait in it.
        stage: the run that it knows of.
    """

    link: Link
    known: set[Any] = field(default_factory=set)
    held: set[tuple[int, ...]] = field(default_factory=set)
    stage: int = -1
    job: Job | None = None
    is_ahead: bool = False
    heard: float = field(default_factory=time.monotonic)


class WorkerPool:
    """Runs tiles in workers, which start when first needed and stay until `close`; a context manager.

    Args:
        fleet: the caller's fleet; workers repeat its seed.
        num_workers: how many share the lanes; no more than the site has room for are there at a time.
        site: where they run.
    """

    def __init__(self, fleet: Fleet, num_workers: int, site: Site) -> None:
        self._fleet, self.num_workers, self._site = fleet, num_workers, site
        self._workers: list[_Worker] = []
        self._at_rung: list[tuple[int, Job]] = []
        self._numbers = itertools.count()

    def __enter__(self) -> "WorkerPool":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End every worker."""
        for worker in self._workers:
            worker.link.end()
        while self._workers:
            # How it ended no longer matters, also where another one has just said the same.
            with contextlib.suppress(TaskError):
                self._workers.pop().link.ending()

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
        stage = Stage(next(self._numbers), steps, evaluations, past.snapshots, rungs.elsewhere())
        self._at_rung = []
        for worker in self._workers:
            worker.held.clear()
        tiles = past.left(self._fleet.tiles(lanes, choice, self.num_workers))
        waiting = [Job(tile, past.mode(tile, choice.mode)) for tile in tiles]
        try:
            yield from self._until_done(waiting, stage, rungs)
        except BaseException:
            self.close()
            raise

    def _until_done(self, begun: list[Job], stage: Stage, rungs: Rungs) -> Iterator[Event]:
        told, waiting = Told(), begun
        while waiting or self._at_rung or any(worker.job for worker in self._workers):
            if not waiting and not any(worker.job for worker in self._workers):
                yield self._decide(waiting, rungs)
            self._hand_out(waiting, stage)
            busy = [worker for worker in self._workers if worker.job]
            ready = self._site.wait([worker.link for worker in busy], _POLL_S)
            for worker in [worker for worker in busy if worker.link in ready]:
                yield from self._receive(worker, waiting, told)
            yield from self._silent()
            if stage.snapshots is not None and stage.snapshots.is_ending():
                yield from self._last_words(told)
                raise KeyboardInterrupt

    def _decide(self, ready: list[Job], rungs: Rungs) -> Event:
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
                    f"{worker.link.name} has said nothing for {SILENCE_S:.0f} s; the others go on. "
                    "If it does not come back, end it (kill): its lanes go on elsewhere from where they were last saved."
                )

    def _hand_out(self, waiting: list[Job], stage: Stage) -> None:
        while waiting:
            held = {numbers for worker in self._workers for numbers in worker.held}
            free = [job for job in waiting if job.numbers not in held]
            # What a worker holds comes first: only there is its state.
            idle = [(w, [job for job in waiting if job.numbers in w.held] or free) for w in self._workers if w.job is None]
            able = [(worker, jobs) for worker, jobs in idle if jobs]
            if not able and free and len(self._workers) < min(self.num_workers, self._site.capacity):
                able = [(self._start(), free)]
            if not able:
                return
            worker, jobs = able[0]
            job = jobs[_best(jobs, worker, self._workers)]
            waiting[:] = [other for other in waiting if other is not job]
            self._give(worker, job, waiting, stage)

    def _give(self, worker: _Worker, job: Job, waiting: list[Job], stage: Stage) -> None:
        worker.heard = time.monotonic()
        try:
            if worker.stage != stage.number:
                worker.link.send(stage)
            worker.link.send(job)
        except OSError:
            # It died while it had nothing to do; its successor is asked again.
            waiting.insert(0, job)
            self._bury(worker)
            return
        worker.stage, worker.job, worker.is_ahead = stage.number, job, False
        worker.held.discard(job.numbers)
        worker.known.add(job.make_up)

    def _start(self) -> _Worker:
        worker = _Worker(self._site.start(self._fleet.race_seed))
        self._workers.append(worker)
        return worker

    def _receive(self, worker: _Worker, waiting: list[Job], told: Told) -> Iterator[Event]:
        worker.heard = time.monotonic()
        try:
            message = worker.link.recv()
        except EOFError as ended:
            message = ended
        if isinstance(message, EOFError):
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

    def _outlive(self, worker: _Worker, waiting: list[Job]) -> Remark:
        """Put the tile of a worker that ended back in the queue, cut in two if it got no further twice."""
        job, how_it_ended = worker.job, self._bury(worker)
        assert job is not None
        job.deaths = 1 if worker.is_ahead else job.deaths + 1
        if job.deaths >= MOST_DEATHS:
            raise TaskError(
                f"a worker process ended without a word ({how_it_ended}), {job.deaths} times over the same lanes; out of memory is "
                "the usual cause. Use --workers 1, or a smaller batch or model."
            )
        is_cut = job.deaths > 1 and len(job.lanes) > 1
        waiting[:0] = job.halves() if is_cut else [job]
        how = "with half as many lanes at a time" if is_cut else "from its last snapshot"
        return Remark(f"a worker process ended without a word ({how_it_ended}); another one goes on {how}")

    def _bury(self, worker: _Worker) -> str:
        self._workers.remove(worker)
        return worker.link.ending()

    def _last_words(self, told: Told) -> Iterator[Event]:
        """Ask every worker to save its tile and end, and take in what they send within `PATIENCE_S`."""
        pending = [worker.link for worker in self._workers if worker.job]
        for link in pending:
            with contextlib.suppress(OSError):
                link.send(None)
        end = time.monotonic() + PATIENCE_S
        while pending and time.monotonic() < end:
            for link in self._site.wait(pending, _POLL_S):
                message = _last(link)
                if message is None:
                    pending.remove(link)
                elif (news := told.news(message)) is not None:
                    yield news


def _last(link: Link) -> Event | None:
    """What a worker still says; None once it says nothing more."""
    try:
        message = link.recv()
    except EOFError:
        return None
    return None if isinstance(message, Exception) else message


def _best(waiting: Sequence[Job], worker: _Worker, workers: Sequence[_Worker]) -> int:
    """Which tile a worker gets: one of a make-up that it has run, else one that no other has run, else the next."""
    others = {make_up for other in workers for make_up in other.known}
    known = [job.make_up in worker.known for job in waiting]
    fresh = [job.make_up not in others for job in waiting]
    return next((marks.index(True) for marks in (known, fresh) if any(marks)), 0)
