import asyncio
import json

import pytest

from lab_links import ready, taken
from ravine.lab.streams import Cursor, hello, new_events, protocol_line, stream


def kinds(events):
    return [event["kind"] for event in events]


def run(script):
    return asyncio.run(script())


@pytest.mark.parametrize(
    ("given", "cursor"), [("2-30", (2, 30)), ("", (-1, 0)), ("2", (-1, 0)), ("-1-3", (-1, 0)), ("a-b", (-1, 0)), ("1-" + "9" * 40, (-1, 0))]
)
def test_cursors(given, cursor):
    found = Cursor.read(given)
    assert (found.revision, found.steps) == cursor
    if cursor[0] >= 0:
        assert found.id == given


def test_a_tab_gets_the_whole_state_and_then_what_is_new():
    async def script():
        session, link = await ready()
        cursor = Cursor()
        assert kinds(new_events(session, cursor)) == ["hello"]
        assert new_events(session, cursor) == []
        session.play()
        link.receive(taken(1, 4, 4, looks=[4], diverged=[(1, 3, "because")]))
        assert kinds(new_events(session, cursor)) == ["frame", "status", "diverged"]
        assert cursor.id == "1-4"
        link.receive(taken(1, 6, 2, end="over"))
        assert kinds(new_events(session, cursor)) == ["frame", "end", "status"]
        session.pause()

    run(script)


def test_a_status_that_was_told_before_a_step_does_not_take_the_tab_back():
    async def script():
        session, link = await ready()
        cursor = Cursor()
        new_events(session, cursor)
        session.step(1)
        link.receive(taken(1, 1, 1))
        frame, *words = new_events(session, cursor)
        assert frame["last"] == 1
        assert [(word["kind"], word["step"]) for word in words] == [("status", 1)]

    run(script)


def test_a_tab_that_slept_gets_frames_until_it_has_all_and_words_after_them():
    async def script():
        session, link = await ready()
        cursor = Cursor()
        new_events(session, cursor)
        for last in range(1000, 10_001, 1000):
            link.receive(taken(1, last, 1000))
        session.pause()
        found = [new_events(session, cursor) for _ in range(3)]
        assert [(event["first"], event["last"]) for events in found for event in events if event["kind"] == "frame"] == [
            (0, 4096),
            (4096, 8192),
            (8192, 10_000),
        ]
        assert [kinds(events)[1:] for events in found] == [[], [], ["status"]]

    run(script)


def test_another_revision_begins_anew_and_the_same_one_goes_on():
    async def script():
        session, link = await ready()
        link.receive(taken(1, 8, 8))
        for cursor, resumes_at in ((Cursor(1, 5), 5), (Cursor(0, 5), 0), (Cursor(1, 99), 0)):
            assert new_events(session, cursor)[0]["resumes_at"] == resumes_at

    run(script)


def test_a_late_tab_is_told_of_everything_that_was_said():
    async def script():
        session, link = await ready()
        link.receive(taken(1, 4, 4, diverged=[(1, 3, "because")], end="all is taken"))
        ended = next(said for said in session.history.said if said["kind"] == "diverged")
        session.tell_end({**ended, "remedy": "do this"})
        found = hello(session, 0)
        assert (found["state"], found["message"]) == ("done", "all is taken")
        assert [one["remedy"] for one in found["diverged"]] == ["do this"], "the last that was found out"
        assert found["evaluations"] == [{"step": 0, "values": {"loss": [1.0, None]}}]
        assert found["same_weights"] == {"asserted": True, "weights": "aa", "batches": "bb", "seed": 7}

    run(script)


def test_the_badge_is_withheld_where_lanes_differ():
    async def script():
        session, _link = await ready()
        session.facts["same_batches"] = False
        assert hello(session, 0)["same_weights"]["asserted"] is False

    run(script)


@pytest.mark.parametrize(
    ("given", "words"),
    [({}, "each at the rate that was set by hand"), ({"lrs": "tuned"}, "each at the best of 12 half-decade rates over 300 steps")],
)
def test_the_protocol_line_says_how_it_is_run(given, words):
    async def script():
        session, _link = await ready(**given)
        line = protocol_line(session)
        assert words in line
        assert "64 of 128 rows a step" in line
        assert "one seed" in line

    run(script)


def test_a_stream_is_text_with_ids_and_ends_with_its_session():
    async def script():
        session, _link = await ready()
        found = []
        async for part in stream(session, Cursor()):
            found.append(part)
            assert session.watchers == 1
            session.end()
        kind, number, data, *rest = found[0].split("\n")
        assert (kind, number, rest) == ("event: hello", "id: 1-0", ["", ""])
        assert json.loads(data.removeprefix("data: "))["session"] == "1"
        assert session.watchers == 0

    run(script)
