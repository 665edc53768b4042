import asyncio
import time

import pytest

from lab_links import FACTS, FakeLink, taken
from ravine.base.errors import InputError, TaskError
from ravine.lab import races as racing
from ravine.lab.answers import Busy, NotThere
from ravine.lab.race_worker import Made, Make, Possible, Ready, Refused
from ravine.lab.races import MOST_CURVES, MOST_SESSIONS, Races
from ravine.lab.settings import PRESET


class Willing(FakeLink):
    """Prepares whatever it is asked to, but for a width of 13."""

    def send(self, message):
        super().send(message)
        if isinstance(message, Make):
            asyncio.get_running_loop().call_soon(self.answer, message)

    def answer(self, message):
        if message.setting["width"] == 13:
            self.receive(Refused(message.revision, "no."))
            return
        if not message.rates:
            self.receive(Possible(message.revision))
            return
        self.receive(Made(message.revision))
        self.receive(Ready(message.revision, {**FACTS, "begun": taken(message.revision, 0)}))


class Calls:
    """Sweeps at once, and counts."""

    def __init__(self):
        self.asked = []

    async def call(self, function, settings, tell=None):
        if function.endswith(":diagnose"):
            if settings["rates"]["sgd"] == 9:
                raise TaskError("it took too long.")
            return f"lane {settings['lane']}: {settings['ended']}, {settings['ran']}"
        self.asked.append(settings["names"])
        if tell is not None:
            tell("half of it")
        swept = {"tuned": 0.5, "diverges_above": None, "rates": [0.1, 0.5], "losses": [1.0, 0.5], "ran": [0.1, 0.5]}
        return {name: swept | ({"tuned": None} if name == "lion" else {}) for name in settings["names"]}


def races(own=None):
    found = Races(own, Calls())
    found.links = []

    def fresh():
        found.links.append(Willing())
        return found.links[-1]

    found._fresh = fresh
    return found


def run(script):
    asyncio.run(script())


def test_a_warm_process_serves_the_first_session_and_goes_on_to_the_next():
    async def script():
        all_of = races()
        all_of.open()
        assert len(all_of.links) == 1
        session = await all_of.create({})
        assert len(all_of.links) == 1
        all_of.end(session)
        await all_of.create({})
        assert len(all_of.links) == 1
        with pytest.raises(NotThere, match="Reload the page"):
            all_of.get(session.name)
        all_of.close()
        assert all_of.links[0].is_closed

    run(script)


def test_a_warm_process_that_has_ended_serves_nobody():
    async def script():
        all_of = races()
        all_of.open()
        all_of.links[0].has_ended = True
        await all_of.create({})
        assert [len(link.sent) > 0 for link in all_of.links] == [False, True]
        all_of.close()

    run(script)


def test_a_server_that_stood_still_ends_no_session_for_it(monkeypatch):
    async def script():
        all_of = races()
        all_of._patience_s = 0.5
        monkeypatch.setattr(racing, "WATCH_S", 0.01)
        session = await all_of.create({})
        while session.state != "paused":
            await asyncio.sleep(0)
        all_of.open()
        await asyncio.sleep(0)
        time.sleep(0.1)
        await asyncio.sleep(0)
        link = all_of.links[0]
        while not link.excused and not link.is_killed:
            await asyncio.sleep(0.001)
        assert (link.excused > 0.05, link.is_killed) == (True, False)
        while not link.is_killed:
            await asyncio.sleep(0.001)
        all_of.close()

    run(script)


def test_a_session_that_is_refused_is_none():
    async def script():
        all_of = races()
        with pytest.raises(InputError, match=r"no\."):
            await all_of.create({"width": 13})
        assert not all_of.sessions

    run(script)


def test_sessions_that_nobody_watches_make_room_and_others_do_not():
    async def script():
        all_of = races()
        made = [await all_of.create({}) for _ in range(MOST_SESSIONS + 1)]
        assert list(all_of.sessions) == [session.name for session in made[1:]]
        for session in all_of.sessions.values():
            session.watchers = 1
        with pytest.raises(Busy, match="close one of them"):
            await all_of.create({})

    run(script)


def test_rates_as_given_and_as_found():
    async def script():
        all_of = races()
        names = ["sgd", "lion"]
        assert (await all_of.create({"optimizers": names, "lrs": 0.2})).make.rates == {"sgd": 0.2, "lion": 0.2}
        assert (await all_of.create({"optimizers": names, "lrs": {"sgd": 1, "lion": 2}})).make.rates == {"sgd": 1.0, "lion": 2.0}
        session = await all_of.create({"optimizers": names, "lrs": "tuned"})
        assert session.state == "preparing", "they are found after the answer"
        while session.state != "paused":
            await asyncio.sleep(0)
        best = {"sgd": 0.5, "lion": 1e-4}
        assert session.make.rates == best, "where every rate diverges there is nothing but the default"
        said = [one["message"] for one in session.history.said]
        assert said[0] == "each optimiser's best rate is being looked for: half of it"
        assert (await all_of.create({"optimizers": names, "lrs": "tuned"})).make.rates == best, "what is known is known at once"

    run(script)


@pytest.mark.parametrize(
    ("rate", "remedy"), [(1, "lane 0: (3, 'because'), {'sgd': [0.1, 0.5]}"), (9, "Lower its rate, warm up, or clip gradients.")]
)
def test_the_end_of_a_lane_is_looked_into_beside_the_race(rate, remedy):
    async def script():
        all_of = races()
        session = await all_of.create({"optimizers": ["sgd", "adam"], "lrs": rate})
        all_of.links[0].receive(taken(1, 4, 4, diverged=[(0, 3, "because")]))
        await asyncio.gather(*all_of._looking)
        assert session.history.said[-1]["remedy"] == remedy

    run(script)


def test_sweeps_are_made_once_for_what_decides_them():
    async def script():
        all_of = races()
        for given in ({}, {"lrs": 3.0}, {"optimizers": ["adam"]}):
            await all_of.landmarks(all_of.read({"optimizers": ["sgd", "adam"], **given}))
        await all_of.landmarks(all_of.read({"optimizers": ["adam", "lion"]}))
        await all_of.landmarks(all_of.read({"optimizers": ["adam"], "width": 7}))
        assert all_of._calls.asked == [["sgd", "adam"], ["lion"], ["adam"]]

    run(script)


def test_landmarks():
    async def script():
        all_of = races()
        found = await all_of.landmarks({**PRESET, "optimizers": ["adam"]})
        assert found["by_optimizer"]["adam"]["default"] == 0.001
        assert found["steps"] == 300

    run(script)


def test_points_are_kept_for_a_while():
    all_of = races()
    names = [all_of.add_curve([(float(number), 1.0)]) for number in range(MOST_CURVES + 1)]
    assert names[0] not in all_of.curves
    assert all_of._points({**PRESET, "task_options": {"target": "csv", "curve": names[-1]}}) == ((16.0, 1.0),)
    assert all_of._points(PRESET) == ()
