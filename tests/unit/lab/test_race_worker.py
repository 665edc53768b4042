import sys
import threading
from dataclasses import replace
from multiprocessing import Pipe

import pytest

from ravine.base.errors import InputError, PlanError
from ravine.lab import race_worker
from ravine.lab.race_worker import Advance, Answered, Ask, Failed, Here, Made, Make, Possible, Ready, Refused, Taken, in_words, main
from ravine.lab.settings import PRESET


@pytest.fixture(scope="module")
def pipe():
    """The process's loop in a thread, unconfined."""
    patch = pytest.MonkeyPatch()
    patch.setattr(race_worker, "confine", lambda memory_bytes: None)
    patch.setattr(race_worker, "limit_memory", lambda memory_bytes: None)
    here, there = Pipe()
    thread = threading.Thread(target=main, args=(there, 0), daemon=True)
    thread.start()
    assert here.recv() == Here()
    yield here
    here.close()
    thread.join(30)
    assert not thread.is_alive(), "it ends with its pipe"
    patch.undo()


def answered(pipe, message, count=1):
    pipe.send(message)
    return [pipe.recv() for _ in range(count)]


def make(revision, **given):
    setting = {**PRESET, "width": 4, "steps": 20, "task_options": {"target": "sine"}, **given}
    return Make(revision, setting, {"sgd": 0.1})


def test_a_race_from_its_making_to_its_end(pipe):
    made, ready = answered(pipe, make(1), 2)
    assert (made, type(ready), ready.revision) == (Made(1), Ready, 1)
    (taken,) = answered(pipe, Advance(1, 100))
    assert (type(taken), taken.last, taken.end) == (Taken, 20, "all 20 steps are taken")
    assert sum(message.answers for message in (made, ready, taken)) == 2, "what is owed is what was sent"


def test_what_is_not_possible_is_refused(pipe):
    (refused,) = answered(pipe, make(2, task_options={"target": "formula", "formula": "exit()"}))
    assert (type(refused), refused.revision, refused.answers) == (Refused, 2, 1)
    assert "is not known" in refused.sentence


def test_where_rates_are_to_be_found_only_whether_it_is_possible_is_told(pipe):
    wanted = make(2)
    (possible,) = answered(pipe, Make(2, wanted.setting, {}))
    assert (possible, possible.answers) == (Possible(2), 1)
    (refused,) = answered(pipe, replace(make(2, task_options={"target": "formula", "formula": "exit()"}), rates={}))
    assert type(refused) is Refused


def test_a_task_that_leaves_the_process_is_refused(pipe, monkeypatch):
    monkeypatch.setattr("ravine.lab.workshop.Workshop.subject", lambda *given: sys.exit(3))
    (refused,) = answered(pipe, make(2))
    assert refused.sentence == "the training raised SystemExit: 3. Correct the task's file and reset."


def test_what_raises_ends_the_race_and_not_the_process(pipe):
    answered(pipe, make(3), 2)
    (failed,) = answered(pipe, Advance(3, "many"))
    assert (type(failed), failed.revision) == (Failed, 3)
    assert failed.sentence.startswith("the training raised TypeError")
    assert type(answered(pipe, Ask(1, "save", {"file": "x", "seconds": 1.0}))[0]) is Answered
    assert type(answered(pipe, make(4), 2)[1]) is Ready


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (InputError("no."), "no."),
        (PlanError(["one.", "two."]), "one. two."),
        (MemoryError(), "needs more memory"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), "needs more memory"),
        (ValueError("first line\nsecond"), "the training raised ValueError: first line. Correct the task's file and reset."),
        (ValueError(), "no message"),
        (SystemExit(3), "the training raised SystemExit: 3. Correct"),
    ],
)
def test_errors_in_words(error, words):
    assert words in in_words(error)
    assert "\n" not in in_words(error)
