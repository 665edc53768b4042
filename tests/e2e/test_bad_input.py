"""Bad input: one clear sentence, exit status 2, and nothing half-written."""

import os
import sqlite3
import sys
from contextlib import closing

import pytest

import records_fixture
from ravine.cli.main import main
from ravine.records import open_record

TASKS = """
import torch
from torch import nn
from torch.nn import functional as F
import ravine

x, y = torch.randn(32, 3), torch.randn(32, 1)
pair = (x, y)

def linear(): return nn.Linear(3, 1)

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(3, 1)

    def forward(self, x):
        return self.layer(x).view(7, 7)

def raises(): return undefined_name
def model_raises(): return ravine.Task("t", Net, pair, pair, F.mse_loss)
def not_scalar(): return ravine.Task("t", linear, pair, pair, lambda output, target: (output - target) ** 2)
def wrong_dtype():
    float_labels = (x, torch.zeros(32))
    return ravine.Task("t", lambda: nn.Linear(3, 4), float_labels, float_labels, F.cross_entropy)
def empty(): return ravine.Task("t", linear, (x[:0], y[:0]), pair, F.mse_loss)
def nan(): return ravine.Task("t", linear, (x * float("nan"), y), pair, F.mse_loss)
def healthy(): return ravine.Task("t", linear, pair, pair, F.mse_loss)
"""
QUICK = ["--steps", "3", "--optimizers", "sgd,adam", "--no-figure", "--quiet", "--workers", "1"]


@pytest.fixture(autouse=True)
def _folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RAVINE_DATA", str(tmp_path / "nowhere"))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    (tmp_path / "tasks.py").write_text(TASKS)


def refused(capsys, folder, *arguments):
    """Run a command that must be refused; returns its messages."""
    before = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    assert main(list(arguments)) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    after = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    assert after == before
    return captured.err


@pytest.mark.parametrize(
    ("task", "parts"),
    [
        ("digitz", ["no task is called 'digitz'; did you mean 'digits'?"]),
        ("line:noize=1", ["no option of 'line' is called 'noize'; did you mean 'noise'?"]),
        ("nofile.py", ["'nofile.py' does not exist"]),
        ("tasks.py:heathy", ["'heathy'", "did you mean 'healthy'"]),
        ("tasks.py:not_scalar", ["shape (32, 1): must be a scalar", ".mean()"]),
        ("tasks.py:wrong_dtype", ["torch.int64", "target.long()"]),
        ("tasks.py:empty", ["train holds no rows"]),
        ("tasks.py:nan", ["train[0][0, 0] is nan", "must be finite"]),
        ("mnist", ["no data for 'mnist'", "ravine data get mnist"]),
    ],
)
def test_unusable_tasks(capsys, tmp_path, task, parts):
    message = refused(capsys, tmp_path, "race", task, *QUICK)
    assert message.startswith("ravine: ")
    assert message.count("\n") == 1
    assert all(part in message for part in parts)


@pytest.mark.parametrize(("task", "line"), [("raises", "def raises()"), ("model_raises", "return self.layer(x).view(7, 7)")])
def test_a_file_that_raises_shows_its_own_traceback(capsys, tmp_path, task, line):
    message = refused(capsys, tmp_path, "race", f"tasks.py:{task}", *QUICK)
    *trace, sentence = message.splitlines()
    assert trace[0] == "Traceback (most recent call last):"
    assert line in "\n".join(trace)
    assert f"{os.sep}ravine{os.sep}" not in "\n".join(trace)
    assert sentence.startswith("ravine: ")


@pytest.mark.parametrize(
    ("options", "parts"),
    [
        (["--optimizers", "adma"], ["no optimizer is called 'adma'; did you mean 'adam'"]),
        (["--schedule", "cosin"], ["no schedule is called 'cosin'; did you mean 'cosine'?"]),
        (["--lrs", "0"], ["lr=0.0: must be above 0"]),
        (["--lrs", "-0.1"], ["lr=-0.1: must be above 0"]),
        (["--lrs", "high"], ["--lrs high: must be auto, or numbers above 0"]),
        (["--shared-lr", "0"], ["lr=0.0: must be above 0"]),
        (["--lrs", "0.1", "--shared-lr", "0.1"], ["exclude each other"]),
        (["--seeds", "0"], ["seeds=0: must be a whole number, at least 1"]),
        (["--epochs", "1"], ["steps=3 and epochs=1 exclude each other"]),
        (["--batch-size", "0"], ["--batch-size=0: must be a whole number, at least 1"]),
        (["--workers", "0"], ["workers=0", "at least 1"]),
        (["--device", "tpu"], ["device='tpu': must be 'auto', 'cpu' or 'cuda'"]),
        (["--force"], ["--force has no effect without --out"]),
        (["--out", "race.png"], ["a record's name ends in .ravine"]),
        (["--out", "no/race.ravine"], ["no/race.ravine cannot be written: the folder no does not exist"]),
        (["--out", "tasks.py/race.ravine"], ["tasks.py/race.ravine cannot be written"]),
    ],
)
def test_unusable_options(capsys, tmp_path, options, parts):
    given = [option for option in QUICK if "--optimizers" not in options or option not in ("--optimizers", "sgd,adam")]
    message = refused(capsys, tmp_path, "race", "line", *given, *options)
    assert message.startswith("ravine: ")
    assert message.count("\n") == 1
    assert all(part in message for part in parts)


def test_every_problem_of_a_plan_is_told_at_once(capsys, tmp_path):
    message = refused(capsys, tmp_path, "race", "line", "--optimizers", "adma", "--schedule", "cosin", "--seeds", "0")
    assert [line[:8] for line in message.splitlines()] == ["ravine: "] * 3


def test_a_foreign_file_is_never_replaced(capsys, tmp_path):
    (tmp_path / "mine.ravine").write_text("mine")
    message = refused(capsys, tmp_path, "race", "line", *QUICK, "--out", "mine.ravine", "--force")
    assert "mine.ravine exists and is not a record" in message


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="needs a folder that refuses even the superuser: /proc")
def test_an_unwritable_folder(capsys, tmp_path):
    message = refused(capsys, tmp_path, "race", "line", *QUICK, "--out", "/proc/race.ravine")
    assert message.startswith("ravine: /proc/race.ravine cannot be written")
    assert message.count("\n") == 1


def damaged(path):
    content = bytearray(path.read_bytes())
    content[2000 : len(content) // 2] = b"\xff" * (len(content) // 2 - 2000)
    path.write_bytes(content)


def cut(path):
    path.write_bytes(path.read_bytes()[:10_000])


def foreign(path):
    path.write_text("not a record at all, but text\n" * 10)


def newer(path):
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE meta SET value = '99' WHERE key = 'schema'")
        connection.commit()


@pytest.mark.parametrize(
    ("harm", "part"),
    [(damaged, "is damaged"), (cut, "is damaged"), (foreign, "is not a ravine record"), (newer, "update ravine")],
)
@pytest.mark.parametrize("command", ["show", "report", "recipe"])
def test_unreadable_records(capsys, tmp_path, command, harm, part):
    path = tmp_path / "race.ravine"
    records_fixture.write(path, optimizers=("sgd", "adam"), seeds=2)
    harm(path)
    message = refused(capsys, tmp_path, command, "race.ravine")
    assert message.startswith("ravine: race.ravine ")
    assert message.count("\n") == 1
    assert part in message


@pytest.mark.parametrize("command", ["show", "report", "recipe"])
def test_a_missing_record(capsys, tmp_path, command):
    assert "race.ravine does not exist" in refused(capsys, tmp_path, command, "race.ravine")


def test_one_seed_runs_and_says_what_cannot_be_said(capsys):
    assert main(["race", "line", *QUICK, "--seeds", "1"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "one seed" in text


def test_a_race_whose_every_lane_diverges_ends_with_a_record_and_says_so(capsys, tmp_path):
    options = [option for option in QUICK if option not in ("--no-figure", "3")]
    options.insert(1, "20")
    assert main(["race", "line", *options, "--lrs", "1e20,1e30", "--seeds", "2", "--report"]) == 0
    captured = capsys.readouterr()
    assert "Every lane of the final diverged" in " ".join(captured.out.split())
    with open_record(tmp_path / "line.ravine") as record:
        assert record.meta["status"] == "done"
        assert record.lane_counts() == {"diverged": len(record.lanes())}
    assert (tmp_path / "line.png").exists()
