"""Jobs: followed from any point, stopped, counted, ended with the lab. Their processes are played here; tests/lab has real ones."""

import asyncio

import pytest

pytest.importorskip("starlette", reason="the lab needs Starlette: pip install 'ravine[lab]'")

from ravine.lab import jobs
from ravine.lab.answers import Busy, NotThere
from ravine.lab.job_worker import Job, Told
from ravine.lab.jobs import MOST_KEPT, MOST_RUNNING, Jobs, stream

JOB = Job("module:function", {})


class Played:
    """In place of a process."""

    made: list["Played"]

    def __init__(self, main, name, *, receive, lost, may_have_children):
        self.receive, self.lost, self.sent, self.is_closed = receive, lost, [], False
        self.may_have_children = may_have_children
        self.made.append(self)

    def send(self, message):
        self.sent.append(message)

    def close(self):
        self.is_closed = True


@pytest.fixture
def played(monkeypatch):
    Played.made = []
    monkeypatch.setattr(jobs, "Link", Played)
    return Played.made


def heard(running, since=0):
    async def read():
        return [part async for part in stream(running, since)]

    return asyncio.run(read())


def test_a_job_is_followed_to_its_result(played):
    found = []
    every = Jobs()
    name = every.start(JOB, found.append)
    (link,) = played
    assert (link.sent, link.may_have_children) == ([JOB], True)
    link.receive(Told("doing", "half"))
    link.receive(Told("result", {"value": float("nan")}))
    assert heard(every.get(name)) == [
        'id: 1\nevent: doing\ndata: "half"\n\n',
        'id: 2\nevent: result\ndata: {"value":null}\n\n',
    ]
    assert link.is_closed
    assert len(found) == 1


def test_a_tab_that_returns_hears_the_rest_only(played):
    every = Jobs()
    name = every.start(JOB)
    for told in (Told("doing", "one"), Told("doing", "two"), Told("error", "no")):
        played[0].receive(told)
    assert heard(every.get(name), since=2) == ['id: 3\nevent: failed\ndata: "no"\n\n']
    assert heard(every.get(name), since=3) == []


def test_a_waiting_tab_hears_what_comes(played, monkeypatch):
    monkeypatch.setattr(jobs, "QUIET_S", 0.01)
    every = Jobs()
    running = every.get(every.start(JOB))

    async def read():
        parts = stream(running, 0)
        first = await anext(parts)
        asyncio.get_running_loop().call_soon(played[0].receive, Told("result", 1))
        return [first, *[part async for part in parts if not part.startswith(":")]]

    assert asyncio.run(read()) == [": still here\n\n", "id: 1\nevent: result\ndata: 1\n\n"]


def test_a_lost_process_is_told(played):
    every = Jobs()
    name = every.start(JOB)
    played[0].lost()
    assert "want of memory" in heard(every.get(name))[0]
    # What still arrives of an ended job changes nothing.
    played[0].receive(Told("result", 1))
    assert len(every.get(name).said) == 1


def test_only_so_many_run_at_once(played):
    every = Jobs()
    names = [every.start(JOB) for _ in range(MOST_RUNNING)]
    with pytest.raises(Busy, match="2 examinations or lessons are running"):
        every.start(JOB)
    every.get(names[0]).hear(Told("error", "it was stopped."))
    assert every.start(JOB) not in names


def test_ended_jobs_are_forgotten_in_the_end(played):
    every = Jobs()
    for _ in range(MOST_KEPT + 2):
        every.get(every.start(JOB)).hear(Told("result", 1))
    with pytest.raises(NotThere, match="there is no job '1'"):
        every.get("1")
    assert every.get("3").has_ended


def test_the_lab_ends_all(played):
    every = Jobs()
    every.start(JOB)
    every.close()
    assert played[0].is_closed
