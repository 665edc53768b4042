"""Where results go."""

import os
import re
from pathlib import Path

import pytest

from ravine.base.errors import InputError
from ravine.cli import _files
from ravine.records import create


@pytest.fixture(autouse=True)
def _folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("ending", [".ravine", ".png", ".html"])
def test_a_free_name_has_nothing_beside_it(tmp_path, ending):
    assert str(_files.free_record("digits")) == "digits.ravine"
    (tmp_path / f"digits{ending}").touch()
    (tmp_path / "digits-2.ravine").touch()
    assert str(_files.free_record("digits")) == "digits-3.ravine"


@pytest.mark.parametrize(("name", "file"), [("my model/2", "my-model-2.ravine"), ("../..", "race.ravine"), ("ä.b", "ä.b.ravine")])
def test_a_task_name_becomes_a_file_name(name, file):
    assert str(_files.free_record(name)) == file


def test_outputs_differ_by_their_ending(tmp_path):
    found = _files.outputs(tmp_path / "a.ravine", "x", figure=True, report=False, force=False)
    assert (found.record.name, found.figure.name, found.report) == ("a.ravine", "a.png", None)
    assert found.beside == (found.figure,)


@pytest.mark.parametrize("ending", [".png", ".html"])
def test_a_figure_or_report_is_replaced_only_with_force(tmp_path, ending):
    (tmp_path / f"a{ending}").touch()
    options = {"figure": True, "report": True}
    with pytest.raises(InputError, match=rf"a{ending} exists; give --force"):
        _files.outputs(tmp_path / "a.ravine", "x", **options, force=False)
    assert _files.outputs(tmp_path / "a.ravine", "x", **options, force=True).record.name == "a.ravine"


def test_a_record_ends_as_records_do(tmp_path):
    with pytest.raises(InputError, match=r"Give --out .*race\.ravine"):
        _files.outputs(tmp_path / "race.png", "x", figure=True, report=False, force=False)


def test_force_needs_out():
    with pytest.raises(InputError, match="--force has no effect without --out"):
        _files.outputs(None, "x", figure=True, report=False, force=True)


def test_check_new_says_what_is_in_the_way(tmp_path):
    _files.check_new(tmp_path / "new.html", force=False)
    with pytest.raises(InputError, match="is a folder"):
        _files.check_new(tmp_path, force=True)
    with pytest.raises(InputError, match=r"the folder .*no does not exist"):
        _files.check_new(tmp_path / "no" / "new.html", force=True)


def test_whole_writes_all_or_nothing(tmp_path):
    target = tmp_path / "train.py"
    with _files.whole(target) as draft:
        draft.write_text("one")
        assert not target.exists()

    def fail():
        with _files.whole(target) as draft:
            draft.write_text("tw")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert target.read_text() == "one"
    assert [path.name for path in tmp_path.iterdir()] == ["train.py"]


def test_whole_says_why_it_cannot_write(tmp_path):
    with pytest.raises(InputError, match=r"train.py cannot be written: .*free space"), _files.whole(tmp_path / "no" / "train.py") as draft:
        draft.write_text("x")


def record(path, status, name="x", reference=None):
    with create(path) as writer:
        for key, value in {"task": {"name": name, "reference": reference}, "status": status}.items():
            writer.set_meta(key, value)


RESUMES = {"figure": True, "report": False, "force": False, "resume": True}


def test_the_unfinished_race_of_a_name_is_resumed_whatever_the_times_of_the_files(tmp_path):
    assert _files.outputs(None, "x", **RESUMES).record == Path("x.ravine"), "there is none, so it would be a new one"
    for name, status in (("x.ravine", "done"), ("x-2.ravine", "interrupted"), ("x-10.ravine", "done")):
        record(tmp_path / name, status)
    record(tmp_path / "x-3.ravine", "running", name="x-3")
    (tmp_path / "x-4.ravine").write_text("no record")
    for name, age in (("x-2.ravine", 30), ("x.ravine", 20), ("x-10.ravine", 10), ("x-3.ravine", 0)):
        os.utime(tmp_path / name, (1e9 - age, 1e9 - age))
    assert _files.outputs(None, "x", **RESUMES).record == Path("x-2.ravine")
    assert _files.outputs(Path("x.ravine"), "x", **RESUMES).record == Path("x.ravine")
    (tmp_path / "x-2.ravine").unlink()
    assert _files.outputs(None, "x", **RESUMES).record == Path("x-10.ravine"), "the last of those that are finished"


def test_of_several_unfinished_races_one_must_be_named(tmp_path):
    for name in ("x.ravine", "x-2.ravine", "x-3.ravine"):
        record(tmp_path / name, "running", reference="x:points=2" if name == "x.ravine" else "x")
    said = "--resume: x-2.ravine and x-3.ravine hold unfinished races of 'x'. Say which, as in --out x-3.ravine."
    with pytest.raises(InputError, match=re.escape(said)):
        _files.outputs(None, "x", **RESUMES, reference="x")
    assert _files.outputs(None, "x", **RESUMES, reference="x:points=2").record == Path("x.ravine"), "told apart by its options"


def test_what_cannot_be_read_is_left_to_say_so_itself(tmp_path):
    (tmp_path / "x.ravine").write_text("no record")
    assert _files.outputs(None, "x", **RESUMES).record == Path("x.ravine")


def test_resume_and_force_exclude_each_other():
    with pytest.raises(InputError, match="exclude each other"):
        _files.outputs(Path("x.ravine"), "x", figure=False, report=False, force=True, resume=True)


def test_a_folder_is_no_record():
    with pytest.raises(InputError, match=r"--out \. is a folder; give the name of a file in it, such as race\.ravine"):
        _files.outputs(Path(), "x", figure=True, report=False, force=False)
