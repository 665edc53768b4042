"""`ravine doctor` on lanes and curves: what goes together, what is printed, and the status."""

import json

import numpy as np
import pytest

from ravine import _diagnose
from ravine.cli.main import main
from ravine.records.findings import Diagnosis, Finding, Rung
from records_fixture import write


def curve(folder, broken=False):
    steps = np.arange(0, 400, 10)
    losses = [f"{value:.4f}" for value in 2 * np.exp(-steps / 100) + 0.5]
    losses[30:] = ["nan"] * 10 if broken else losses[30:]
    path = folder / "run.csv"
    path.write_text("it,cost\n" + "".join(f"{step},{loss}\n" for step, loss in zip(steps, losses, strict=True)))
    return str(path)


@pytest.mark.parametrize(("broken", "status"), [(True, 1), (False, 0)])
def test_a_curve_is_read_drawn_and_judged(tmp_path, capsys, broken, status):
    figure = tmp_path / "c.png"
    given = ["--curve", curve(tmp_path, broken), "--columns", "loss=cost", "--columns", "step=it", "-o", str(figure)]
    assert main(["doctor", *given, "--json"]) == status
    captured = capsys.readouterr()
    found = json.loads(captured.out)
    assert found["task"]["columns"] == {"loss": "cost"}
    assert found["findings"][0]["severity"] == ("error" if broken else "information")
    assert figure.read_bytes().startswith(b"\x89PNG")
    assert captured.err == f"figure  {figure}\n"
    assert main(["doctor", *given]) == 2
    assert "exists; give --force to replace it, or give another --out." in capsys.readouterr().err


def test_a_lane_is_examined_and_its_replay_told(monkeypatch, capsys):
    finding = Finding("error", "rate", "sick", "m", "t", "s", "w", "r")
    task = {"name": "line", "lane": 3, "replay": {"is_same": True, "sentence": "its losses have the bits of the record"}}
    seen = []

    def diagnose_lane(record, lane):
        seen.append((record, lane))
        return Diagnosis(task, (finding,), (Rung("rate", "fail", "m"),))

    monkeypatch.setattr(_diagnose, "diagnose_lane", diagnose_lane)
    assert main(["doctor", "race.ravine", "--lane", "3"]) == 1
    assert seen == [("race.ravine", 3)]
    assert "line, lane 3: 1 error. Its losses have the bits of the record." in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ([], "nothing to look at: give a TASK, a record and a lane as in FILE.ravine --lane 3, or --curve FILE."),
        (["digits", "--curve", "a.csv"], "digits with --curve a.csv: a curve is read on its own"),
        (["digits", "--lane", "3"], "lanes are those of a record"),
        (["digits", "-o", "a.png"], "--out has no effect without --curve"),
        (["digits", "--columns", "loss=a"], "--columns has no effect without --curve"),
        (["--curve", "a.csv", "--lr", "1"], "--lr has no effect with --curve: nothing is trained"),
        (["a.ravine", "--lane", "1", "--steps", "50"], "--steps has no effect with --lane: a lane has its own settings"),
        (["--curve", "nowhere.csv"], "--curve nowhere.csv does not exist"),
        (["--curve", "nowhere.csv", "--columns", "loss"], "--columns loss: must be ROLE=NAME"),
        (["--curve", "nowhere.csv", "-o", "a.txt"], "must end in"),
        (["nowhere.ravine", "--lane", "1"], "nowhere.ravine does not exist"),
    ],
)
def test_bad_input_is_one_sentence_and_status_two(arguments, text, capsys):
    assert main(["doctor", *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert text in captured.err


def test_a_record_without_a_lane_is_answered_with_those_worth_a_look(tmp_path, capsys):
    path = tmp_path / "r.ravine"
    write(path)
    assert main(["doctor", str(path)]) == 2
    assert "say which of its lanes with --lane K. These diverged: " in capsys.readouterr().err
