"""One job in its process: what it tells, what its result is, and how it fails."""

import multiprocessing

import pytest

from ravine.base.errors import InputError, PlanError
from ravine.lab.job_worker import Job, Told, carry_out


def works(tell, *, value):
    tell("half")
    return {"value": value}


def refuses(tell):
    raise InputError("give another")


def plans(tell):
    raise PlanError(["one.", "two."])


def breaks(tell):
    raise ZeroDivisionError("by nothing")


@pytest.fixture
def pipe():
    here, there = multiprocessing.Pipe()
    yield here, there
    here.close()
    there.close()


def test_a_job_tells_what_it_does(pipe):
    here, there = pipe
    assert carry_out(Job(f"{__name__}:works", {"value": 3}), there) == Told("result", {"value": 3})
    assert here.recv() == Told("doing", "half")


@pytest.mark.parametrize(
    ("name", "says"), [("refuses", "give another"), ("plans", "one. two."), ("breaks", "it raised ZeroDivisionError: by nothing")]
)
def test_what_a_job_raises_is_a_sentence(pipe, name, says):
    assert carry_out(Job(f"{__name__}:{name}", {}), pipe[1]) == Told("error", says)
