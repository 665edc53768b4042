"""Records through a real server: listed, read, thinned, followed while they are written, and what is said of those that cannot be."""

import base64
import json
import re
import sqlite3
import typing
from pathlib import Path

import httpx
import numpy as np
import pytest

import records_fixture
from lab_client import WAIT_S
from ravine.lab import shelf
from ravine.records import LaneRow, create, open_record
from ravine.report import bundle, summary, views

TYPES = Path(bundle.__file__).parents[1] / "lab" / "web" / "src" / "pages" / "records" / "types.ts"


@pytest.fixture(scope="module")
def names(lab):
    """File -> its name in addresses: a record, one that is cut short, a foreign file and one of a newer schema."""
    folder = lab.lab.folder
    records_fixture.write(folder / "whole.ravine", seeds=2)
    (folder / "cut.ravine").write_bytes((folder / "whole.ravine").read_bytes()[:5000])
    (folder / "foreign.ravine").write_text("hello", encoding="utf-8")
    create(folder / "newer.ravine").close()
    connection = sqlite3.connect(folder / "newer.ravine")
    connection.execute("UPDATE meta SET value = '2' WHERE key = 'schema'")
    connection.commit()
    connection.close()
    return {entry["file"]: entry["id"] for entry in lab.get("/api/records").json()["records"]}


def test_the_list_names_every_record_of_the_folder_and_its_faults(lab, names):
    found = {entry["file"]: entry for entry in lab.get("/api/records").json()["records"]}
    assert found["whole.ravine"]["task"] == "synthetic"
    for file, words in (("cut", "is damaged"), ("foreign", "is not a ravine record"), ("newer", "update ravine to open it")):
        assert words in found[f"{file}.ravine"]["error"]


def test_one_record_says_what_ravine_show_says(lab, names):
    answer = lab.get(f"/api/records/{names['whole.ravine']}").json()
    with open_record(lab.lab.folder / "whole.ravine") as record:
        assert answer["summary"] == json.loads(json.dumps(summary(record)))
    assert answer["recipe"].startswith("import ravine")


@pytest.mark.parametrize("file", ["cut", "foreign", "newer"])
def test_what_cannot_be_read_is_answered_in_a_sentence(lab, names, file):
    for part in ("", "/bands", "/curves?lanes=0", "/evaluations"):
        answer = lab.get(f"/api/records/{names[f'{file}.ravine']}{part}")
        assert answer.status_code == 400
        assert f"{file}.ravine" in answer.json()["error"]


@pytest.mark.parametrize("name", ["0" * 12, "..%2f..%2fetc%2fpasswd", "whole.ravine"])
def test_no_name_leads_to_another_file(lab, names, name):
    assert lab.get(f"/api/records/{name}").status_code == 404


@pytest.mark.parametrize("query", ["columns=0", "columns=4001", "columns=1e3", "start=-1", "start=400", "start=5&stop=5", "stop=401"])
def test_a_range_beyond_the_record_is_refused(lab, names, query):
    answer = lab.get(f"/api/records/{names['whole.ravine']}/curves?lanes=0&{query}")
    assert answer.status_code == 400
    assert "must be a whole number from" in answer.json()["error"]


def test_every_loss_of_a_range_can_be_had(lab, names):
    base = f"/api/records/{names['whole.ravine']}"
    thinned = lab.get(f"{base}/curves?lanes=0,1&columns=20").json()
    assert thinned["is_exact"] == [False, False]
    exact = lab.get(f"{base}/curves?lanes=0&columns=20&start=100&stop=140").json()
    with open_record(lab.lab.folder / "whole.ravine") as record:
        assert np.array_equal(np.frombuffer(base64.b64decode(exact["values"]), "<f4"), record.losses(0)[100:140])
    bands = lab.get(f"{base}/bands?columns=7").json()
    assert len(bands["steps"]) == 7
    evaluations = lab.get(f"{base}/evaluations?lanes=0-3&split=validation&metric=loss").json()
    assert evaluations["lanes"] == [0, 1, 2, 3]


def events(lab, name, acts):
    """What the stream says, one act done after each word."""
    address = f"{lab.base}/api/records/{name}/events?token={lab.address.token}"
    acts, found, kind = iter(acts), [], ""
    with httpx.stream("GET", address, timeout=WAIT_S) as answer:
        assert answer.status_code == 200
        for line in answer.iter_lines():
            field, _, value = line.partition(": ")
            if field == "event":
                kind = value
            elif field == "data":
                found.append((kind, json.loads(value)))
                act = next(acts, None)
                if act is None:
                    return found
                act()
    return found


def test_a_record_is_followed_while_it_is_written_and_until_it_is_deleted(lab):
    path = lab.lab.folder / "live.ravine"
    with create(path) as writer:
        writer.set_meta("status", "running")
        writer.flush()
        name = {entry["file"]: entry["id"] for entry in lab.get("/api/records").json()["records"]}["live.ravine"]

        def go_on():
            writer.add_lanes([LaneRow(lane=0, stage="tune", optimizer="adam", lr=0.1, schedule="constant", seed=0)])
            writer.start_lanes([0], "loop")
            writer.add_losses([0], 0, np.ones((9, 1), dtype=np.float32))
            writer.flush()

        said = events(lab, name, [go_on, path.unlink])
    assert [kind for kind, _ in said] == ["changed", "changed", "gone"]
    assert said[1][1] == {"status": "running", "lanes": {"running": 1}}
    assert "was deleted, moved or renamed" in said[2][1]["error"]
    assert lab.get(f"/api/records/{name}").status_code == 404


def test_the_page_s_types_have_the_keys_that_are_sent():
    text = TYPES.read_text(encoding="utf-8")
    written = {
        name: re.findall(r"^  (\w+)\??:", body, re.MULTILINE)
        for name, body in re.findall(r"export interface (\w+) \{\n(.*?)\n\}", text, re.DOTALL)
    }
    sent = {**vars(views), **vars(shelf)}
    assert len(written) > 10
    for name, keys in written.items():
        assert keys == list(typing.get_type_hints(sent[name])), name
