import asyncio

import pytest

from lab_links import FACTS, FakeLink, asked, make, ready, taken
from ravine.base.errors import InputError, TaskError
from ravine.lab.answers import Busy
from ravine.lab.race_worker import Answered, Failed, Made, Ready, Refused
from ravine.lab.sessions import Session


def run(script):
    return asyncio.run(script())


def test_a_race_is_prepared_and_waits():
    async def script():
        session, link = await ready()
        assert (session.revision, session.state, session.history.steps) == (1, "paused", 0)
        assert session.setting["optimizers"] == ["sgd", "adam"]
        assert asked(link) == []

    run(script)


def test_play_asks_ahead_and_pause_asks_no_more_but_a_look():
    async def script():
        session, link = await ready()
        session.play()
        assert len(asked(link)) == 2
        link.receive(taken(1, 4, 4, looks=[4]))
        assert len(asked(link)) == 3
        session.pause()
        link.receive(taken(1, 8, 4))
        link.receive(taken(1, 12, 4))
        assert asked(link)[3:] == [0], "what is seen is the step at which it stopped"
        assert session.state == "paused"
        assert session.history.losses(0, 12)[:, 0].tolist() == list(range(12))

    run(script)


def test_single_steps_are_looked_at():
    async def script():
        session, link = await ready()
        session.step(1)
        assert asked(link) == [1]
        assert link.sent[-1].looks is True

    run(script)


def test_the_end_is_told_and_nothing_follows():
    async def script():
        session, link = await ready()
        session.play()
        link.receive(taken(1, 4, 4, end="all 4 steps are taken", diverged=[(1, 3, "because")]))
        assert [said["kind"] for said in session.history.said[-3:]] == ["diverged", "end", "status"]
        assert session.state == "done"
        before = len(link.sent)
        for action in (session.play, lambda: session.step(1)):
            with pytest.raises(Busy, match="reset it first"):
                action()
        assert len(link.sent) == before

    run(script)


def test_what_is_found_out_of_an_end_is_told_unless_the_race_is_another_one():
    async def script():
        session, link = await ready()
        found = []
        session._diverged = lambda session, ended: found.append(ended)
        link.receive(taken(1, 4, 4, diverged=[(1, 3, "because")]))
        assert (found[0]["lane"], "being looked for" in found[0]["remedy"]) == (1, True)
        session.tell_end({**found[0], "remedy": "do this"})
        assert session.history.said[-1]["remedy"] == "do this"
        said = len(session.history.said)
        session.tell_end({**found[0], "revision": 0})
        assert len(session.history.said) == said

    run(script)


def test_what_is_of_an_earlier_revision_is_left_out():
    async def script():
        session, link = await ready()
        preparing = asyncio.create_task(session.prepare(make(seed=9)))
        await asyncio.sleep(0)
        link.receive(taken(1, 4, 4))
        assert session.history.steps == 4, "the race that is there goes on until the next is possible"
        link.receive(Made(2))
        await preparing
        link.receive(taken(1, 8, 4))
        assert (session.revision, session.history.steps, session.state) == (2, 0, "preparing")
        assert session.setting["seed"] == 9

    run(script)


def test_a_refused_race_leaves_the_one_before():
    async def script():
        session, link = await ready()
        preparing = asyncio.create_task(session.prepare(make(seed=9)))
        await asyncio.sleep(0)
        with pytest.raises(Busy, match="being prepared already"):
            await session.prepare(make())
        link.receive(Refused(2, "no."))
        with pytest.raises(InputError, match=r"no\."):
            await preparing
        assert (session.revision, session.state, session.setting["seed"]) == (1, "paused", 7)

    run(script)


def test_what_fails_after_that_is_told_on_the_page():
    async def script():
        session, link = await ready()
        preparing = asyncio.create_task(session.prepare(make()))
        await asyncio.sleep(0)
        link.receive(Made(2))
        await preparing
        link.receive(Refused(2, "too large."))
        assert (session.state, session.message) == ("failed", "too large.")

    run(script)


def test_a_training_that_raised_has_ended():
    async def script():
        session, link = await ready()
        session.play()
        link.receive(Failed(1, "the training raised ValueError."))
        assert (session.state, session.pace.is_playing) == ("failed", False)
        assert session.history.said[-2]["restarted"] is False

    run(script)


def test_a_lost_process_is_started_anew():
    async def script():
        session, link = await ready()
        session.play()
        other = FakeLink()
        session._start = lambda: other
        link.lost()
        assert session.history.said[-2]["restarted"] is True
        assert other.sent[-1].revision == 2
        assert other.sent[-1].setting == session.setting
        with pytest.raises(Busy, match="being prepared already"):
            await session.prepare(make())
        other.lost()
        assert session.history.said[-2]["restarted"] is False, "it would only be lost again"
        assert len(other.sent) == 1

    run(script)


def test_a_process_that_is_lost_while_it_prepares_is_not():
    async def script():
        link = FakeLink()
        session = Session("1", lambda: link)
        preparing = asyncio.create_task(session.prepare(make()))
        await asyncio.sleep(0)
        link.lost()
        with pytest.raises(TaskError, match="could not be prepared"):
            await preparing
        assert len(link.sent) == 1

    run(script)


def test_a_process_that_hangs_is_killed_with_the_reason():
    async def script():
        session, link = await ready()
        session.look_after(10.0, 10.0)
        assert not link.is_killed
        session.look_after(0.5, 10.0)
        assert link.is_killed
        link.lost()
        assert session.message.startswith("a step took more than 0.5 s")
        assert session.history.said[-2]["restarted"] is False

    run(script)


def test_questions_are_answered():
    async def script():
        session, link = await ready()
        answers = [asyncio.create_task(session.ask("save", {})) for _ in range(2)]
        await asyncio.sleep(0)
        link.receive(Answered(1, error="no."))
        link.receive(Answered(0, 7))
        assert await answers[0] == 7
        with pytest.raises(InputError, match=r"no\."):
            await answers[1]

    run(script)


def test_a_session_that_ended_gives_its_process_back_where_it_is_idle():
    async def script():
        session, link = await ready()
        assert session.end() is link
        session, link = await ready()
        link.waiting_since = 1.0
        pending = asyncio.create_task(session.ask("save", {}))
        await asyncio.sleep(0)
        assert session.end() is None
        assert link.is_closed
        with pytest.raises(TaskError, match="was ended"):
            await pending

    run(script)


def test_those_who_wait_are_woken():
    async def script():
        session, _link = await ready()
        assert await session.news(0.01) is False
        waiting = asyncio.create_task(session.news(10.0))
        await asyncio.sleep(0)
        session.set_speed(3.0)
        assert await waiting is True
        assert session.history.said[-1]["speed"] == 3.0

    run(script)


def test_a_tick_keeps_a_speed(monkeypatch):
    async def script():
        session, link = await ready()
        session.set_speed(1000.0)
        session.play()
        await asyncio.sleep(0.1)
        assert len(asked(link)) == 2
        link.receive(Ready(1, {**FACTS, "begun": taken(1, 0)}))
        session.pause()

    run(script)
