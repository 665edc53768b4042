"""A worker's side of the line, without a process."""

from collections import deque

from lane_models import lanes
from ravine.base.errors import InputError, TaskError
from ravine.fleet import Evaluations, Finished, Fleet, LossBlock, Paused, Rungs, Saved, Snapshots, Started
from ravine.fleet.serving import Job, Stage, work
from ravine.tasks import load

LINE = load("line")
MEMBERS = lanes(("sgd", {"lr": 0.01}), ("adam", {"lr": 0.01}))
STEPS = 20


class Script:
    """A line over which given messages come, and nobody is at the other end after them."""

    def __init__(self, *messages):
        self.messages, self.told = deque(messages), []

    def poll(self):
        return bool(self.messages)

    def recv(self):
        if not self.messages:
            raise EOFError
        return self.messages.popleft()

    def send(self, message):
        self.told.append(message)

    def kinds(self):
        return [type(message) for message in self.told]


def stage(number=0, **options):
    evaluate = Evaluations({"validation": frozenset({0, STEPS})}, {"validation": LINE.data.validation})
    return Stage(number, STEPS, evaluate, options.pop("snapshots", None), **options)


def test_a_tile_is_run_and_its_end_is_told():
    line = Script(stage(), Job(tuple(MEMBERS), "stacked"))
    work(line, lambda: Fleet(LINE))
    kinds = line.kinds()
    assert kinds[0] is Started
    assert {LossBlock, Finished} <= set(kinds)
    assert kinds[-1] is type(None)


def test_a_tile_that_waits_at_a_rung_is_held_until_it_is_decided():
    first, again = Job(tuple(MEMBERS), "stacked"), Job(tuple(MEMBERS), "stacked", decided={10: frozenset({MEMBERS[0].number})})
    line = Script(stage(rungs=Rungs((10,))), first, again)
    work(line, lambda: Fleet(LINE))
    kinds = line.kinds()
    assert kinds.count(Started) == 1, "it goes on where it stood"
    assert kinds.count(Paused) == 1
    assert kinds.index(Finished) > kinds.index(Paused)
    assert kinds[-1] is type(None)


def test_asked_to_end_it_saves_and_leaves(tmp_path):
    snapshots = Snapshots(tmp_path / "s", "race", 1e9)

    class Impatient(Script):
        def send(self, message):
            super().send(message)
            if isinstance(message, LossBlock):
                self.messages += [None, "never read"]

    line = Impatient(stage(snapshots=snapshots), Job(tuple(MEMBERS), "stacked"))
    work(line, lambda: Fleet(LINE))
    assert line.kinds()[-2:] == [Saved, type(None)]
    assert list(line.messages) == ["never read"]


def test_what_cannot_go_on_is_told_as_one_error():
    def unusable():
        raise InputError("no such thing")

    line = Script()
    work(line, unusable)
    assert [(type(error), str(error)) for error in line.told] == [(TaskError, "no such thing")]
    line = Script(stage(), Job(tuple(MEMBERS), "stacked"))
    work(line, lambda: 1 / 0)
    assert "a worker process raised ZeroDivisionError" in str(line.told[0])


def test_a_tile_is_cut_in_two_where_its_size_may_be_what_kills():
    halves = Job(tuple(lanes(*[("sgd", {})] * 3)), "loop", 2, {1: frozenset()}).halves()
    assert [len(half.lanes) for half in halves] == [2, 1]
    assert {half.deaths for half in halves} == {1}
    assert [half.decided for half in halves] == [{1: frozenset()}] * 2
