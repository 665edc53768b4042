import asyncio

import pytest

from lab_links import FakeLink
from ravine.base.errors import InputError, TaskError
from ravine.lab import calls as calling
from ravine.lab.call_worker import Call, Here, Progress, Result
from ravine.lab.calls import Calls


class Answering(FakeLink):
    """Answers by the name of the function."""

    def send(self, message):
        super().send(message)
        results = {
            "value": Result(message.number, message.settings),
            "error": Result(message.number, error="no."),
            "defect": Result(message.number, defect="ValueError: x"),
        }
        if message.function == "tells":
            assert message.tells
            for words in ("half", "all"):
                asyncio.get_running_loop().call_soon(self.receive, Progress(message.number, words))
            asyncio.get_running_loop().call_soon(self.receive, Result(message.number, 1))
        if message.function in results:
            asyncio.get_running_loop().call_soon(self.receive, results[message.function])
        elif message.function == "die":
            asyncio.get_running_loop().call_soon(self.lost)

    def kill(self):
        super().kill()
        # A process is gone a moment after it was killed, not at once.
        asyncio.get_running_loop().call_later(0.01, self.fade)

    def fade(self):
        self.lost()


def run(monkeypatch, script, **settings):
    links = []

    def link(main, name, *, receive, lost, memory_bytes):
        links.append(Answering())
        links[-1].receive, links[-1].lost = receive, lost
        receive(Here())
        return links[-1]

    monkeypatch.setattr(calling, "Link", link)
    asyncio.run(script(Calls(**settings)))
    return links


def test_calls_are_answered_one_after_the_other(monkeypatch):
    async def script(calls):
        assert calls.pid is None
        assert await asyncio.gather(*(calls.call("value", {"a": number}) for number in range(3))) == [{"a": 0}, {"a": 1}, {"a": 2}]
        assert calls.pid == 1
        calls.close()

    links = run(monkeypatch, script)
    assert [type(message) for message in links[0].sent] == [Call] * 3
    assert links[0].is_closed


def test_errors_are_told(monkeypatch):
    async def script(calls):
        with pytest.raises(InputError, match=r"no\."):
            await calls.call("error", {})
        with pytest.raises(TaskError, match="it raised ValueError: x"):
            await calls.call("defect", {})

    run(monkeypatch, script)


def test_a_process_that_ended_is_started_anew(monkeypatch):
    async def script(calls):
        with pytest.raises(TaskError, match="the process that computed it ended"):
            await calls.call("die", {})
        assert await calls.call("value", {}) == {}

    assert len(run(monkeypatch, script)) == 2


def test_a_process_that_has_just_ended_is_asked_nothing(monkeypatch):
    async def script(calls):
        assert await calls.call("value", {}) == {}
        calls._link.has_ended = True
        assert await calls.call("value", {}) == {}

    assert [len(link.sent) for link in run(monkeypatch, script)] == [1, 1]


def test_the_end_of_the_lab_is_told_at_once_and_starts_no_process(monkeypatch):
    async def script(calls):
        waiting = [asyncio.create_task(calls.call("hang", {})) for _ in range(2)]
        await asyncio.sleep(0)
        calls.close()
        for call in waiting:
            with pytest.raises(TaskError, match=r"the lab ended\."):
                await asyncio.wait_for(call, 10)
        with pytest.raises(TaskError, match=r"the lab ended\."):
            await calls.call("value", {})

    assert [link.is_closed for link in run(monkeypatch, script)] == [True]


def test_a_call_that_takes_too_long_is_stopped(monkeypatch):
    async def script(calls):
        with pytest.raises(TaskError, match=r"more than 0\.05 s"):
            await calls.call("hang", {})
        assert await calls.call("value", {}) == {}

    links = run(monkeypatch, script, patience_s=0.05)
    assert [link.is_killed for link in links] == [True, False]


def test_what_a_function_tells_meanwhile(monkeypatch):
    async def script(calls):
        told = []
        assert await calls.call("tells", {}, told.append) == 1
        assert told == ["half", "all"]

    run(monkeypatch, script)


def test_a_call_that_nobody_waits_for_any_more_makes_room_for_the_next_one(monkeypatch):
    async def script(calls):
        given_up = asyncio.create_task(calls.call("hang", {}))
        await asyncio.sleep(0)
        given_up.cancel()
        assert await calls.call("value", {}) == {}
        await asyncio.sleep(0.03)
        assert calls.pid == 1, "the end of the process that was killed is not taken for the end of the next one"

    links = run(monkeypatch, script)
    assert [link.is_killed for link in links] == [True, False]
