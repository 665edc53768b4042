"""Changes of a record that is written meanwhile, replaced, deleted: told, and without holding up its writer."""

import asyncio
import json
import threading

import pytest

pytest.importorskip("starlette", reason="the lab needs Starlette: pip install 'ravine[lab]'")

import numpy as np

from ravine.lab import following
from ravine.lab.following import stream, watch
from ravine.records import LaneRow, create

ROWS = [LaneRow(lane=0, stage="tune", optimizer="adam", lr=0.1, schedule="constant", seed=0)]


@pytest.fixture(autouse=True)
def _brisk(monkeypatch):
    monkeypatch.setattr(following, "PAUSE_S", 0.01)


def followed(path, acts):
    """What is told while one act after the other is done, each after the next word; ends at "gone" or after the last."""
    said, ending = [], threading.Event()
    acts = iter(acts)

    def tell(kind, data):
        said.append((kind, data))
        act = next(acts, None)
        if act is None:
            ending.set()
        else:
            act()

    watch(path, tell, ending)
    return said


def test_every_flush_is_told_and_the_writer_never_waits(tmp_path):
    with create(tmp_path / "a.ravine") as writer:
        writer.set_meta("status", "running")
        writer.flush()

        def go_on():
            writer.add_lanes(ROWS)
            writer.start_lanes([0], "loop")
            writer.add_losses([0], 0, np.ones((5, 1), dtype=np.float32))
            writer.flush()

        said = followed(tmp_path / "a.ravine", [go_on])
    assert said == [("changed", {"status": "running", "lanes": {}}), ("changed", {"status": "running", "lanes": {"running": 1}})]
    assert [path.name for path in tmp_path.iterdir()] == ["a.ravine"], "the log is folded in although the record was followed"


def test_a_record_that_is_deleted_ends_it_with_a_sentence(tmp_path):
    create(tmp_path / "a.ravine").close()
    said = followed(tmp_path / "a.ravine", [(tmp_path / "a.ravine").unlink])
    assert [kind for kind, _ in said] == ["changed", "gone"]
    assert said[-1][1]["error"].startswith("a.ravine was deleted, moved or renamed")


def test_a_record_that_is_replaced_is_followed_on(tmp_path):
    path = tmp_path / "a.ravine"
    create(path).close()

    def replace():
        with create(path, force=True) as writer:
            writer.set_meta("status", "failed")

    said = followed(path, [replace])
    assert [data["status"] for _, data in said] == ["done", "failed"]


def test_what_cannot_be_read_is_told_with_its_reason(tmp_path):
    (tmp_path / "a.ravine").write_text("hello", encoding="utf-8")
    ((kind, data),) = followed(tmp_path / "a.ravine", [])
    assert kind == "gone"
    assert "is not a ravine record" in data["error"]


def test_the_stream_has_numbers_names_and_json_and_ends_when_it_is_told(tmp_path):
    create(tmp_path / "a.ravine").close()
    endings = set()

    async def read():
        told = []
        async for text in stream(tmp_path / "a.ravine", endings):
            told.append(text)
            for ending in endings:
                ending.set()
        return told

    (text,) = asyncio.run(read())
    number, event, data = text.strip().split("\n")
    assert (number, event) == ("id: 1", "event: changed")
    assert json.loads(data.removeprefix("data: ")) == {"status": "done", "lanes": {}}
    assert endings == set()


def test_a_quiet_stream_says_that_it_is_there(tmp_path, monkeypatch):
    monkeypatch.setattr(following, "QUIET_S", 0.02)
    create(tmp_path / "a.ravine").close()

    async def read():
        made = stream(tmp_path / "a.ravine", set())
        told = [await anext(made), await anext(made)]
        await made.aclose()
        return told

    assert asyncio.run(read())[1] == ": still here\n\n"
