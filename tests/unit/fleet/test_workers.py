"""Processes that share tiles: the numbers of one process, whoever is killed on the way."""

import dataclasses
import itertools
import os
import signal

import numpy as np
import pytest

from lane_models import lanes
from ravine.base.errors import TaskError
from ravine.fleet import (
    Choice,
    Diverged,
    Evaluated,
    Evaluations,
    Finished,
    Fleet,
    LossBlock,
    Past,
    Processes,
    Remark,
    Saved,
    Snapshots,
    WorkerPool,
    pack,
)
from ravine.fleet import workers as workers_module
from ravine.fleet.serving import Job, Stage
from ravine.fleet.workers import _best, _Worker
from ravine.tasks import load

CHOICE = Choice("stacked", 2, "by hand")
STEPS = 120
MEMBERS = lanes(*((optimizer, {"lr": 0.01}, seed) for optimizer in ("sgd", "adam") for seed in (1, 2, 3)), ("sgd", {"lr": 1e20}, 1))


def evaluations(problem):
    return Evaluations({"validation": frozenset({0, 10, STEPS})}, {"validation": problem.data.validation})


class Told:
    """Everything that a run told, lane by lane, in the order of telling; nothing may come twice or leave a gap."""

    def __init__(self):
        self.losses, self.values, self.ends, self.finished, self.remarks, self.modes = {}, {}, {}, [], [], []

    def take(self, event):
        match event:
            case LossBlock():
                for lane, column in zip(event.lanes, event.losses.T, strict=True):
                    known = self.losses.setdefault(lane, [])
                    assert len(known) == event.first_step, "no step is told twice, none is left out"
                    known.extend(column.tolist())
            case Evaluated():
                for index, lane in enumerate(event.lanes):
                    key = lane, event.step, event.split
                    assert key not in self.values
                    self.values[key] = float(event.values["loss"][index])
            case Diverged():
                assert event.lane not in self.ends
                self.ends[event.lane] = event.step, event.reason
            case Finished():
                self.finished += event.lanes
            case Remark():
                self.remarks.append(event.text)

    def numbers(self):
        return repr([sorted(self.losses.items()), sorted(self.values.items()), sorted(self.ends.items()), sorted(self.finished)])


def told(runner, problem, past, disturb=None, choice=CHOICE):
    result = Told()
    for event in runner.run(MEMBERS, STEPS, evaluations(problem), choice, past):
        result.take(event)
        if isinstance(event, Saved):
            past.snapshots.commit(event)
        if disturb is not None:
            disturb(event)
    return result


def kill(pool):
    """`kill -9` of the first worker that runs a tile."""
    worker = next(worker for worker in pool._workers if worker.job)
    os.kill(worker.link._process.pid, signal.SIGKILL)
    return worker


# A new process imports torch anew: by default one is killed, and once more soon after that under `slow`.
@pytest.mark.parametrize("kills", [{0}, pytest.param({0, 2}, marks=pytest.mark.slow)], ids=["once", "twice"])
def test_a_killed_worker_is_replaced_and_the_numbers_are_those_of_one_process(tmp_path, monkeypatch, kills):
    monkeypatch.setattr("ravine.fleet.snapshot.COST_SHARE", 1.0)
    problem = load("line")
    engine = Fleet(problem)
    plain = told(engine, problem, Past())
    assert plain.ends.keys() == {6}
    assert sorted(plain.finished) == list(range(7))
    snapshots, count = Snapshots(tmp_path / "s", "race", 0.0), itertools.count()
    with WorkerPool(engine, 2, Processes(pack(problem), 2)) as pool:

        def disturb(event):
            if isinstance(event, Saved) and next(count) in kills:
                kill(pool)

        ours = told(pool, problem, Past(snapshots), disturb)
        assert len(ours.remarks) >= 1
        assert "goes on from its last snapshot" in ours.remarks[0]
        assert ours.numbers() == plain.numbers()
        # The pool stays for the next stage, whose tiles find workers that live.
        again = told(pool, problem, Past())
        assert again.numbers() == plain.numbers()
        assert again.remarks == []


@pytest.mark.slow
def test_a_worker_that_fails_tells_the_parent():
    problem = load("line")
    broken = dataclasses.replace(pack(problem), reference="no-such-task")
    with WorkerPool(Fleet(problem), 2, Processes(broken, 2)) as pool, pytest.raises(TaskError, match="no-such-task"):
        told(pool, problem, Past())


@pytest.mark.slow
def test_an_interrupt_gives_every_worker_time_for_a_last_snapshot(tmp_path):
    problem = load("line")
    engine, snapshots, events = Fleet(problem), Snapshots(tmp_path / "s", "race", 1e9), []
    long = 100_000
    evaluate = Evaluations({"validation": frozenset({0, long})}, {"validation": problem.data.validation})
    snapshots.is_ending = lambda: len({event.lanes for event in events if isinstance(event, LossBlock)}) == 2
    with WorkerPool(engine, 2, Processes(pack(problem), 2)) as pool, pytest.raises(KeyboardInterrupt):
        events.extend(pool.run(MEMBERS, long, evaluate, CHOICE, Past(snapshots)))
    assert len({event.lanes for event in events if isinstance(event, Saved)}) == 2


class Hangup:
    """A line whose other end has ended."""

    name = "worker process 41"

    def recv(self):
        raise EOFError

    def send(self, message):
        raise BrokenPipeError

    def end(self):
        pass

    def ending(self):
        return "exit code -9"


def pool_of(problem, *jobs):
    pool = WorkerPool(Fleet(problem), 2, Processes(pack(problem), 2))
    pool._workers += [_Worker(Hangup(), job=job) for job in jobs]
    return pool


def test_a_tile_over_which_workers_die_is_halved_and_one_lane_is_the_end():
    problem, waiting, sizes = load("line"), [], []
    waiting.append(Job(tuple(MEMBERS[:4]), "stacked"))
    pool = pool_of(problem)

    def die():
        job = waiting.pop(0)
        sizes.append(len(job.lanes))
        pool._workers.append(_Worker(Hangup(), job=job))
        return next(iter(pool._receive(pool._workers[0], waiting, None)))

    assert "from its last snapshot" in die().text
    assert "half as many lanes" in die().text
    assert "half as many lanes" in die().text
    die()
    with pytest.raises(TaskError, match=r"exit code -9\), 3 times over the same lanes"):
        die()
    assert sizes == [4, 4, 2, 1, 1]
    assert sorted(lane.number for job in waiting for lane in job.lanes) == [1, 2, 3]
    assert pool._workers == []


def test_a_worker_that_got_further_may_die_as_often_as_it_likes():
    problem, waiting = load("line"), []
    pool = pool_of(problem)
    job = Job(tuple(MEMBERS[:1]), "loop")
    for _ in range(5):
        pool._workers.append(_Worker(Hangup(), job=job, is_ahead=True))
        next(iter(pool._receive(pool._workers[0], waiting, None)))
        assert waiting.pop() is job


def test_a_worker_that_died_idle_is_replaced(monkeypatch):
    problem = load("line")
    pool = pool_of(problem, None)
    started = []

    def start():
        class Living(Hangup):
            def send(self, message):
                started.append(message)

        pool._workers.append(_Worker(Living()))
        return pool._workers[-1]

    monkeypatch.setattr(pool, "_start", start)
    waiting = [Job(tuple(MEMBERS[:1]), "loop")]
    pool._hand_out(waiting, Stage(0, 1, None, None))
    assert waiting == []
    assert [type(message).__name__ for message in started] == ["Stage", "Job"]


def test_a_worker_gets_tiles_of_a_make_up_that_it_knows_and_else_one_that_nobody_knows():
    jobs = [Job(tuple(lanes((optimizer, {}))), "compiled") for optimizer in ("sgd", "adam", "lion", "adam")]
    mine, other = (_Worker(None, known=set()) for _ in range(2))
    assert _best(jobs, mine, [mine, other]) == 0
    other.known.add(jobs[0].make_up)
    assert _best(jobs, mine, [mine, other]) == 1
    mine.known.add(jobs[2].make_up)
    assert _best(jobs, mine, [mine, other]) == 2
    assert _best(jobs[:1], mine, [mine, other]) == 0, "better one that another knows than none"


def test_tiles_are_as_many_as_workers_and_hold_every_lane_once():
    engine = Fleet(load("line"))
    for num_workers in range(1, 5):
        tiles = engine.tiles(MEMBERS, Choice("stacked", 64, "by hand"), num_workers)
        assert len(tiles) >= num_workers
        assert sorted(lane.number for tile in tiles for lane in tile) == list(range(7))
    assert [len(tile) for tile in engine.tiles(MEMBERS, Choice("loop", 64, "by hand"))] == [1] * 7
    assert np.all([len(tile) <= 2 for tile in engine.tiles(MEMBERS, CHOICE)])


def test_a_worker_that_falls_silent_is_named_once():
    pool = WorkerPool(None, 2, None)
    job = Job((MEMBERS[0],), "stacked")
    pool._workers = [_Worker(Hangup(), job=job), _Worker(Hangup(), job=job), _Worker(Hangup())]
    pool._workers[0].heard -= workers_module.SILENCE_S + 1
    pool._workers[2].heard -= workers_module.SILENCE_S + 1
    remarks = list(pool._silent())
    assert len(remarks) == 1, "a worker that has been heard, and one without a tile, are left alone"
    assert "worker process 41 has said nothing for 60 s" in remarks[0].text
    assert list(pool._silent()) == []


class Complaining(Hangup):
    """A line to a worker that ended over the caller's script."""

    def ending(self):
        raise TaskError("the script begins again")


def test_the_first_reason_is_the_only_one_when_all_workers_end_over_the_same():
    pool = pool_of(load("line"))
    pool._workers += [_Worker(Complaining()) for _ in range(3)]
    pool.close()
    assert pool._workers == []
