"""The list of records: what is on it, what is said of files that are none, and that no name leads to another file."""

import os

import pytest

pytest.importorskip("starlette", reason="the lab needs Starlette: pip install 'ravine[lab]'")

import records_fixture
from ravine.base.errors import RecordError
from ravine.lab import shelf as module
from ravine.lab.answers import NotThere
from ravine.lab.shelf import Shelf, gone


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    path = tmp_path_factory.mktemp("given") / "whole.ravine"
    records_fixture.write(path, optimizers=("adam", "wild"), seeds=2)
    return path


@pytest.fixture
def folder(tmp_path, whole):
    """A record, a file cut short, a foreign file, a folder of that name and something else."""
    data = whole.read_bytes()
    (tmp_path / "race.ravine").write_bytes(data)
    (tmp_path / "cut.ravine").write_bytes(data[:5000])
    (tmp_path / "foreign.ravine").write_text("hello", encoding="utf-8")
    (tmp_path / "folder.ravine").mkdir()
    (tmp_path / "notes.txt").write_text("no record", encoding="utf-8")
    return tmp_path


def by_name(shelf):
    return {entry["file"]: entry for entry in shelf.entries()["records"]}


def test_the_list_has_what_was_given_first_then_the_folder_s(folder, whole):
    found = Shelf([whole], folder).entries()["records"]
    assert found[0]["file"] == "whole.ravine"
    assert [entry["is_given"] for entry in found] == [True, False, False, False]
    assert (found[0]["task"], found[0]["status"], found[0]["kind"], found[0]["optimizer"]) == ("synthetic", "done", "race", "adam")
    assert found[0]["lanes"]["diverged"] > 0


def test_what_cannot_be_opened_is_listed_with_its_reason(folder):
    found = by_name(Shelf([], folder))
    assert found.keys() == {"race.ravine", "cut.ravine", "foreign.ravine"}
    assert "is not a ravine record" in found["foreign.ravine"]["error"]
    assert "is damaged" in found["cut.ravine"]["error"]
    assert "error" not in found["race.ravine"]


def test_a_record_in_both_places_is_listed_once(folder):
    found = Shelf([folder / "race.ravine"], folder).entries()["records"]
    assert [entry["file"] for entry in found].count("race.ravine") == 1


def test_names_lead_to_records_of_the_list_and_nowhere_else(folder, whole):
    shelf = Shelf([whole], folder)
    for entry in shelf.entries()["records"]:
        assert shelf.path(entry["id"]).name == entry["file"]
    for name in ("../notes.txt", "", str(whole), "0" * 12):
        with pytest.raises(NotThere, match="there is no record"):
            shelf.path(name)
    with shelf.opened(by_name(shelf)["whole.ravine"]["id"]) as record:
        assert len(record.lanes()) > 0
    with pytest.raises(RecordError, match="is not a ravine record"), shelf.opened(by_name(shelf)["foreign.ravine"]["id"]):
        pass


def test_a_record_that_was_deleted_is_missing_in_a_sentence(folder, whole, tmp_path):
    given = tmp_path / "later.ravine"
    given.write_bytes(whole.read_bytes())
    shelf = Shelf([given], folder)
    name = by_name(shelf)["later.ravine"]["id"]
    given.unlink()
    with pytest.raises(NotThere, match=r"later\.ravine was deleted, moved or renamed: put it back"), shelf.opened(name):
        pass
    assert by_name(shelf)["later.ravine"]["error"] == gone(given)


def test_a_file_is_read_again_only_when_it_has_changed(folder, monkeypatch):
    shelf, opened = Shelf([], folder), []
    monkeypatch.setattr(module, "open_record", lambda path: opened.append(path.name) or (_ for _ in ()).throw(RecordError("no")))
    shelf.entries()
    first = len(opened)
    shelf.entries()
    assert len(opened) == first == 3
    os.utime(folder / "cut.ravine", (1, 1))
    shelf.entries()
    assert opened[first:] == ["cut.ravine"]


def test_of_very_many_the_latest_are_listed(folder, monkeypatch):
    monkeypatch.setattr(module, "MOST", 1)
    os.utime(folder / "race.ravine", (4e9, 4e9))
    found = Shelf([], folder).entries()
    assert [entry["file"] for entry in found["records"]] == ["race.ravine"]
    assert found["left_out"] == 2
