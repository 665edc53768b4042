import asyncio
from dataclasses import replace

import pytest

from lab_links import FACTS, FakeLink, asked, make, ready, taken
from ravine.base.errors import InputError, TaskError
from ravine.lab.answers import Busy
from ravine.lab.race_worker import Answered, Failed, Made, Make, Possible, Ready, Refused
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


def wanted(link):
    """Races that the process was asked for, by revision and seed."""
    return [(message.revision, message.setting["seed"]) for message in link.sent if isinstance(message, Make)]


def test_of_settings_that_come_quickly_the_last_one_wins_and_none_is_refused():
    async def script():
        session, link = await ready()
        preparing = [asyncio.create_task(session.prepare(make(seed=seed))) for seed in (8, 9, 10)]
        await asyncio.sleep(0)
        assert wanted(link)[1:] == [(2, 8)]
        link.receive(Made(2))
        assert wanted(link)[1:] == [(2, 8), (3, 10)], "the one between is never begun"
        link.receive(Ready(2, {**FACTS, "begun": taken(2, 0, looks=[0])}))
        link.receive(Made(3))
        await asyncio.gather(*preparing)
        assert (session.revision, session.setting["seed"]) == (3, 10)

    run(script)


def test_a_setting_that_is_refused_does_not_take_the_next_one_with_it():
    async def script():
        session, link = await ready()
        preparing = [asyncio.create_task(session.prepare(make(seed=seed))) for seed in (8, 9)]
        await asyncio.sleep(0)
        link.receive(Refused(2, "no."))
        link.receive(Made(2))
        found = await asyncio.gather(*preparing, return_exceptions=True)
        assert (str(found[0]), found[1]) == ("no.", None)
        assert session.setting["seed"] == 9

    run(script)


def test_whoever_wants_a_race_is_answered_though_the_process_says_nothing():
    async def script():
        session, link = await ready(answer_s=0.01)
        await session.prepare(make(seed=9))
        assert (session.revision, session.state) == (1, "paused")
        edition = session.edition
        link.receive(Refused(2, "the file cannot be read."))
        assert (session.state, session.setting["seed"], session.edition) == ("paused", 7, edition + 1)
        assert session.history.said[-1]["message"] == "the file cannot be read."

    run(script)


def test_a_first_race_that_is_refused_late_is_told_to_the_tabs():
    async def script():
        link = FakeLink()
        session = Session("1", lambda: link, answer_s=0.01)
        await session.prepare(make(seed=9))
        assert (session.state, session.setting["seed"]) == ("preparing", 9)
        link.receive(Refused(1, "the file cannot be read."))
        assert (session.state, session.message) == ("failed", "the file cannot be read.")

    run(script)


class Finder:
    """Finds rates when it is told to."""

    def __init__(self):
        self.asked, self.given_up, self.may_end = [], [], asyncio.Event()

    async def __call__(self, session, make):
        self.asked.append(make.revision)
        session.tell_progress("half of it")
        try:
            await self.may_end.wait()
        except asyncio.CancelledError:
            self.given_up.append(make.revision)
            raise
        if make.setting["seed"] == 13:
            raise TaskError("it took too long.")
        return {"sgd": 0.3, "adam": 0.4}


async def open_session(**given):
    """A session whose race is possible and whose rates are being found."""
    finder, link = Finder(), FakeLink()
    session = Session("1", lambda: link, find_rates=finder)
    preparing = asyncio.create_task(session.prepare(replace(make(**given), rates={})))
    await asyncio.sleep(0)
    link.receive(Possible(1))
    await preparing
    await asyncio.sleep(0)
    return session, link, finder


def test_rates_are_found_while_the_page_goes_on_and_then_the_race_is_prepared():
    async def script():
        session, link, finder = await open_session()
        assert (session.revision, session.state, session.message) == (1, "preparing", "half of it")
        assert session.history.said[-1]["message"] == "half of it"
        finder.may_end.set()
        for _ in range(3):
            await asyncio.sleep(0)
        assert (link.sent[-1].revision, link.sent[-1].rates) == (1, {"sgd": 0.3, "adam": 0.4})
        link.receive(Made(1))
        link.receive(Ready(1, {**FACTS, "begun": taken(1, 0, looks=[0])}))
        assert (session.state, session.make.rates["sgd"], session.message) == ("paused", 0.3, "")

    run(script)


def test_another_setting_ends_the_search_for_rates():
    async def script():
        session, link, finder = await open_session()
        preparing = asyncio.create_task(session.prepare(make(seed=9)))
        await asyncio.sleep(0)
        link.receive(Made(2))
        await preparing
        await asyncio.sleep(0)
        assert finder.given_up == [1]
        assert session.make.rates == {"sgd": 0.1, "adam": 0.2}

    run(script)


def test_a_search_goes_on_where_what_was_wanted_instead_is_refused():
    async def script():
        session, link, finder = await open_session()
        preparing = asyncio.create_task(session.prepare(make(seed=9)))
        await asyncio.sleep(0)
        link.receive(Refused(2, "no."))
        with pytest.raises(InputError):
            await preparing
        assert (finder.asked, finder.given_up, session.state) == ([1], [], "preparing")
        session.end()
        await asyncio.sleep(0)
        assert finder.given_up == [1]

    run(script)


def test_a_process_that_is_lost_while_rates_are_found_is_started_anew_and_they_are_found_again():
    async def script():
        session, link, finder = await open_session()
        other = FakeLink()
        session._start = lambda: other
        link.lost()
        assert (session.history.said[-2]["restarted"], session.message.endswith("started anew, from the first step.")) == (True, True)
        other.receive(Possible(2))
        await asyncio.sleep(0)
        assert (finder.asked, finder.given_up, session.state) == ([1, 2], [1], "preparing")
        session.end()

    run(script)


@pytest.mark.parametrize("given", [{"seed": 9}, {}], ids=["another", "the same"])
def test_what_is_wanted_of_a_process_that_has_just_ended_is_done_by_the_next_one(given):
    async def script():
        session, link = await ready()
        other = FakeLink()
        session._start = lambda: other
        link.has_ended = True
        preparing = asyncio.create_task(session.prepare(make(**given)))
        await asyncio.sleep(0)
        assert session.history.said[-2]["restarted"] is True, "the end of the first is told all the same"
        link.receive(taken(1, 4, 4))
        link.lost()
        other.receive(Made(2))
        other.receive(Made(3))
        await preparing
        assert (session.revision, session.setting["seed"]) == (3, given.get("seed", 7))
        assert len(link.sent) == 1

    run(script)


def test_time_in_which_the_server_stood_still_is_no_fault_of_the_process():
    async def script():
        session, link = await ready()
        session.excuse(70.0)
        assert link.excused == 70.0

    run(script)


def test_rates_that_cannot_be_found_are_told():
    async def script():
        session, _link, finder = await open_session(seed=13)
        finder.may_end.set()
        for _ in range(3):
            await asyncio.sleep(0)
        assert (session.state, session.message) == ("failed", "it took too long.")

    run(script)


def test_a_process_that_is_lost_while_another_race_is_wanted_leaves_none_that_seems_to_wait():
    async def script():
        session, link = await ready()
        preparing = asyncio.create_task(session.prepare(make(seed=9)))
        await asyncio.sleep(0)
        link.lost()
        with pytest.raises(TaskError, match="could not be prepared"):
            await preparing
        assert session.state == "failed", "there is no process that could go on"
        assert session.message.endswith("Correct the model, or make it smaller, and reset.")

    run(script)


def test_a_training_that_raised_has_ended():
    async def script():
        session, link = await ready()
        session.play()
        link.receive(Failed(1, "the training raised ValueError."))
        assert (session.state, session.pace.is_playing) == ("failed", False)
        assert session.history.said[-2]["restarted"] is False
        said = len(session.history.said)
        link.receive(Failed(1, "there is no race."))
        assert (session.message, len(session.history.said)) == ("the training raised ValueError.", said), "what was asked for ahead"
        with pytest.raises(Busy, match="reset it first"):
            await session.ask("save", {})

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
