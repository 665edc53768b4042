"""Addresses of the lessons, with the processes beside the server played."""

import asyncio
import json
from types import SimpleNamespace

import pytest

pytest.importorskip("starlette", reason="the lab needs Starlette: pip install 'ravine[lab]'")

from ravine.base.errors import UnknownNameError
from ravine.lab.lessons_api import Lessons, routes


class Calls:
    count = 0

    async def call(self, function, settings):
        self.count += 1
        return [{"name": "saddle", "claim": "c"}, {"name": "ln-k", "claim": "d"}]


class Jobs:
    def start(self, job, finish):
        self.job, self.finish = job, finish
        return "3"


@pytest.fixture
def lab():
    return SimpleNamespace(calls=Calls(), jobs=Jobs())


@pytest.fixture
def ask(lab):
    every, one, run = (route.endpoint for route in Lessons().routes())
    handlers = {"all": every, "one": one, "run": run}

    def asked(what, name=""):
        request = SimpleNamespace(path_params={"name": name}, app=SimpleNamespace(state=SimpleNamespace(lab=lab)))
        return json.loads(asyncio.run(handlers[what](request)).body)

    return asked


def test_lessons_are_listed_and_loaded_once(ask, lab):
    assert ask("all") == [{"name": "saddle", "claim": "c", "verdict": None}, {"name": "ln-k", "claim": "d", "verdict": None}]
    ask("all")
    assert lab.calls.count == 1


def test_a_run_is_kept_for_whoever_comes_later(ask, lab):
    assert ask("one", "ln-k") == {"name": "ln-k", "claim": "d", "result": None, "commands": ["ravine lessons run ln-k --quick"]}
    assert ask("run", "ln-k") == {"job": "3"}
    assert (lab.jobs.job.function, lab.jobs.job.settings) == ("ravine.lab.lessons:run", {"name": "ln-k"})
    result = {"numbers": {"verdict": "refuted"}, "picture": {}}
    lab.jobs.finish(result)
    assert ask("one", "ln-k")["result"] == result
    assert [lesson["verdict"] for lesson in ask("all")] == [None, "refuted"]


@pytest.mark.parametrize("what", ["one", "run"])
def test_an_unknown_lesson_is_said(ask, what):
    with pytest.raises(UnknownNameError, match="no lesson is called 'sadle'; did you mean 'saddle'"):
        ask(what, "sadle")


def test_every_launch_begins_with_nothing():
    assert [route.path for route in routes()] == ["/api/lessons", "/api/lessons/{name}", "/api/lessons/{name}/run"]
