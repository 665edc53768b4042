"""Bad input: one clear sentence, exit status 2, and nothing half-written."""

import os
import sqlite3
import sys
from contextlib import closing

import pytest
import torch

import records_fixture
from ravine.cli.main import main
from ravine.records import open_record

TASKS = """
import itertools
import os
import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
import ravine

calls, fresh = itertools.count(), np.random.default_rng()
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
def one_bad_row(): return ravine.Task("t", linear, (torch.where(torch.arange(32)[:, None] == 9, torch.nan, x), y), pair, F.mse_loss)
def one_row(): return ravine.Task("t", linear, pair, (x[:1], y[:1]), F.mse_loss)

labels = torch.arange(32) % 3
def task(model=lambda: nn.Linear(3, 3), train=(x, labels), loss=F.cross_entropy):
    return ravine.Task("t", model, train, (x, labels), loss, batch_size=8)

def other_shapes(): return task(lambda: nn.Linear(3, 3 + next(calls)))
def other_names(): return task(lambda: nn.ModuleDict({f"layer{next(calls)}": nn.Linear(3, 3)}))
def other_values():
    def build():
        layer = nn.Linear(3, 3)
        layer.bias.data = torch.from_numpy(fresh.random(3)).float()
        return layer
    return task(build)
def other_factor():
    class Scaled(nn.Linear):
        def forward(self, x): return super().forward(x) * self.factor
    def build():
        layer = Scaled(3, 3)
        layer.factor = fresh.random()
        return layer
    return task(build)
class Draws(nn.Linear):
    # A factor: what is added to all outputs alike does not reach the cross-entropy.
    def forward(self, x): return super().forward(x) * (1 + int.from_bytes(os.urandom(3), "big"))
def draws(): return task(lambda: Draws(3, 3))
def loss_draws(): return task(loss=lambda output, target: F.cross_entropy(output, target) * fresh.random())
class Logarithm(nn.Module):
    def forward(self, x): return (x * 0).log()
def nan_in_model(): return task(lambda: nn.Sequential(nn.Linear(3, 3), Logarithm(), nn.Linear(3, 3)))
def nan_in_loss(): return task(loss=lambda output, target: output.mean() * float("nan"))
def infinite(): return task(loss=lambda output, target: output.square().mean() / 0)
def complex_loss(): return task(loss=lambda output, target: torch.fft.fft(output).mean())
def detached(): return task(loss=lambda output, target: output.detach().mean())
def late_label(): return task(train=(x, torch.where(torch.arange(32) == 31, 5, labels)))
def whole_numbers():
    pair = (torch.arange(96).view(32, 3), labels)
    return ravine.Task("t", lambda: nn.Linear(3, 3), pair, pair, F.cross_entropy)
def one_example(): return ravine.Task("t", linear, (x[:1], y[:1]), pair, F.mse_loss)
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
        ("tasks.py:one_bad_row", ["train[0][9, 0] is nan (3 such of 96)", "Drop or fill those rows"]),
        ("tasks.py:one_row", ["validation has 1 row", "Give more rows, or test=."]),
        (
            "tasks.py:other_shapes",
            ["model() gave another 'weight' when called again under the same seed: (", "must be the same at every call"],
        ),
        ("tasks.py:other_names", ["model() gave a module with other parameters or buffers", "must not depend on the call"]),
        ("tasks.py:other_values", ["model() gave another 'bias' when called again under the same seed", "Draw it from the global streams"]),
        (
            "tasks.py:other_factor",
            ["the model's forward gave another number", "or the factory drew them", "Draw it from the global streams"],
        ),
        ("tasks.py:draws", ["the model's forward gave another number when run again", "Draw it from the global streams"]),
        ("tasks.py:loss_draws", ["the loss gave another number when run again", "Draw it from the global streams"]),
        ("tasks.py:nan_in_model", ["the loss is nan before the first step", "its 1 (Logarithm) is the first whose output holds a -inf"]),
        ("tasks.py:nan_in_loss", ["the loss is nan before the first step", "the model's output is finite", "so it comes from the loss"]),
        ("tasks.py:infinite", ["the loss is inf before the first step", "division of zero there"]),
        ("tasks.py:complex_loss", ["returned a torch.complex64 number: must be real", ".abs()"]),
        ("tasks.py:detached", ["does not depend on the parameters", "Leave out .detach()"]),
        ("tasks.py:late_label", ["train split", "Class numbers must be 0 to 2 and these go from 0 to 5", "Number the classes from 0"]),
        ("tasks.py:whole_numbers", ["the input is torch.int64: convert with x.to(torch.float32)"]),
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
        (["--optimizers", "adma"], ["no optimizer is called 'adma'; did you mean", "'adam'"]),
        (["--schedule", "cosin"], ["no schedule is called 'cosin'; did you mean 'cosine'"]),
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


def test_one_example_to_train_on_is_enough(capsys):
    assert main(["race", "tasks.py:one_example", *QUICK, "--seeds", "2"]) == 0


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a CUDA device")
def test_a_device_that_is_not_there(capsys, tmp_path):
    message = refused(capsys, tmp_path, "race", "line", *QUICK, "--device", "cuda")
    assert "device='cuda': this PyTorch finds no CUDA device. Use 'auto' or 'cpu'." in message


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
