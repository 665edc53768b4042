"""The doctor's part: rungs as they are climbed, a curve under its own name."""

import pytest

from ravine import _diagnose
from ravine.base.errors import InputError
from ravine.lab import examining

CURVE = "step,loss\n" + "\n".join(f"{step},{1 / (step + 1)}" for step in range(40))


def test_a_task_is_examined_as_by_the_command(monkeypatch):
    asked = {}

    def diagnose(task, *, observer, **options):
        asked.update(options, name=task.name)
        observer("loading")
        return type("Found", (), {"summary": lambda self: {"schema": 1}})()

    monkeypatch.setattr(examining, "diagnose", diagnose)
    told = []
    assert examining.examine(told.append, task="line", own=(), options={"steps": 30}) == {"schema": 1}
    assert (told, asked) == (["loading"], {"steps": 30, "name": "line"})
    assert examining.diagnose is not _diagnose.diagnose


def test_a_task_of_a_file_is_refused():
    with pytest.raises(InputError, match="must be one of"):
        examining.examine(print, task="mine.py", own=(), options={})


def test_a_curve_is_read_with_its_marks(tmp_path, monkeypatch):
    found = examining.read_curve("../../run.csv", CURVE.replace("\n20,", "\n20,7") + "\n40,nan", {})
    assert found["numbers"]["task"]["name"] == "run.csv"
    assert found["series"]["loss"]["steps"][:2] == [0.0, 1.0]
    assert "not finite from here on" in [mark["label"] for mark in found["marks"]]


def test_columns_may_be_named():
    found = examining.read_curve("run.tsv", CURVE.replace(",", "\t").replace("loss", "cost"), {"loss": "cost"})
    assert found["numbers"]["task"]["columns"] == {"loss": "cost"}


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("run.csv", "a,b\n1,2", r"^run.csv has no column for the training loss"),
        ("run.csv", "", r"^run.csv is empty"),
        ("run.json", "{", r"^run.json is no JSON"),
        ("run.pt", "x", r"'run.pt': must end in one of .csv"),
        ("/etc/passwd", "x", r"'passwd': must end in"),
    ],
)
def test_what_cannot_be_read_is_said_under_the_files_own_name(name, text, says):
    with pytest.raises(InputError, match=says) as caught:
        examining.read_curve(name, text, {})
    assert "/tmp" not in str(caught.value)
