"""`ravine doctor`: output, exit status, and bad input in one sentence. What is found is held by tests of the doctor."""

import json

import pytest

import ravine
from ravine.cli.main import main
from ravine.records.findings import Diagnosis, Finding, Rung


def diagnosis(severity):
    return Diagnosis({"name": "t"}, (Finding(severity, "rate", "sick", "m", "t", "s", "w", "r"),), (Rung("rate", "fail", "m"),))


@pytest.fixture
def examined(monkeypatch):
    """Stands in for the ladder; keeps what it was given."""
    seen = {"severity": "warning"}

    def diagnose(task, *, observer, **options):
        seen.update(task=task, **options)
        if observer is not None:
            observer("loading")
        print("what the user's code prints")
        return diagnosis(seen["severity"])

    monkeypatch.setattr(ravine, "diagnose", diagnose)
    return seen


@pytest.mark.parametrize(("severity", "status"), [("error", 1), ("warning", 0), ("information", 0)])
def test_the_status_says_whether_there_is_an_error(examined, capsys, severity, status):
    examined["severity"] = severity
    assert main(["doctor", "digits"]) == status
    assert f"{severity}: sick (rate)" in capsys.readouterr().out


def test_json_alone_stands_on_the_standard_output(examined, capsys):
    assert main(["doctor", "digits", "--json"]) == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out) == diagnosis("warning").summary()
    assert "loading ..." in captured.err
    assert "what the user's code prints" in captured.err


def test_options_are_handed_on(examined, capsys):
    assert main(["doctor", "digits", "--optimizer", "sgd", "--lr", "0.1", "--set", "momentum=0.5", "--steps", "50", "--quiet"]) == 0
    assert examined["task"] == "digits"
    given = (examined["optimizer"], examined["lr"], examined["hypers"], examined["steps"], examined["seeds"])
    assert given == ("sgd", 0.1, {"momentum": 0.5}, 50, 3)
    assert "..." not in capsys.readouterr().err


@pytest.mark.usefixtures("examined")
def test_a_page_is_written_once(tmp_path, capsys):
    page = tmp_path / "d.html"
    assert main(["doctor", "digits", "--html", str(page)]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == f"page  {page}"
    assert page.read_text().startswith("<!doctype html>")
    assert main(["doctor", "digits", "--html", str(page)]) == 2
    assert "exists; give --force to replace it, or give another --html." in capsys.readouterr().err
    assert main(["doctor", "digits", "--html", str(page), "--force"]) == 0


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["digits", "--force"], "--force has no effect without --html"),
        (["digits", "--set", "momentum"], "--set momentum: must be NAME=VALUE"),
        (["nowhere.py"], "the task file 'nowhere.py' does not exist"),
        (["digits", "--lr", "0"], "lr=0.0: must be above 0"),
        (["digits", "--optimizer", "adm"], "did you mean 'adam'"),
    ],
)
def test_bad_input_is_one_sentence_and_status_two(arguments, text, capsys):
    assert main(["doctor", *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert text in captured.err


def test_a_task_that_raises_is_a_finding_and_not_a_crash(tmp_path, capsys):
    file = tmp_path / "task.py"
    file.write_text(
        "import ravine, torch\n"
        "def model():\n    return torch.nn.Linear(3, 1)\n"
        "rows = torch.randn(8, 2), torch.randn(8, 1)\n"
        "task = ravine.Task('mine', model, rows, rows, torch.nn.functional.mse_loss)\n"
    )
    assert main(["doctor", str(file), "--json", "--quiet"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert found["findings"][0]["rung"] == "loading"
    assert "the model Linear on ((8, 2) float32) raised RuntimeError" in found["findings"][0]["measured"]
    assert {rung["verdict"] for rung in found["rungs"][1:]} == {"skipped"}
