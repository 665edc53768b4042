"""What goes wrong around a race: nothing is lost, one clear sentence is said, and the status is right."""

import os
import shutil
import sqlite3
import subprocess
import sys
import textwrap
import time
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

import records_fixture
from ravine.base.errors import RecordError
from ravine.cli.main import main
from ravine.records import LaneRow, create, open_record, resume

QUICK = ["--steps", "20", "--optimizers", "sgd,adam", "--lrs", "0.1,0.01", "--seeds", "2", "--workers", "1", "--quiet"]
PATIENCE_S = 120.0

# Writes as fast as it can until it is told to stop, so that it gives up the lock as often as it can.
BUSY = """
import sys, threading
import numpy as np
from ravine.records import LaneRow, create

asked = threading.Event()
threading.Thread(target=lambda: (sys.stdin.readline(), asked.set()), daemon=True).start()
step = 0
with create("busy.ravine") as writer:
    writer.add_lanes([LaneRow(lane=0, stage="tune", optimizer="sgd", lr=0.1, schedule="constant", seed=0)])
    while not asked.is_set() or step < 100:
        writer.add_losses([0], step, np.full((10, 1), step, dtype=np.float32))
        writer.add_evaluation([0], step, "validation", {"loss": [float(step)]})
        writer.flush()
        step += 10
        if step == 100:
            print("begun", flush=True)
print(step)
"""


@pytest.fixture(autouse=True)
def _folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def busy(tmp_path):
    """Another process in the middle of writing `busy.ravine`."""
    with subprocess.Popen([sys.executable, "-c", BUSY], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "begun\n"
        yield process
        process.kill()


def said(capsys):
    captured = capsys.readouterr()
    assert captured.err.startswith("ravine: ")
    assert captured.err.count("\n") == 1
    return captured.err


def full_after(monkeypatch, pages):
    """Let SQLite find the disk full once a record of ours has so many pages."""
    connect = sqlite3.connect

    def limited(*arguments, **options):
        connection = connect(*arguments, **options)
        connection.execute(f"PRAGMA max_page_count = {pages}")
        return connection

    monkeypatch.setattr("ravine.records.store.sqlite3.connect", limited)


def test_a_disk_that_fills_up_costs_nothing_that_was_written(capsys, monkeypatch, tmp_path):
    with monkeypatch.context() as patch:
        full_after(patch, 12)
        assert main(["race", "line", *QUICK, "--no-figure", "--out", "a.ravine"]) == 2
    message = said(capsys)
    assert "a.ravine cannot be written any further: database or disk is full; it holds what was done until then" in message
    assert "--resume" in message
    with open_record("a.ravine") as record:
        assert record.ranking() == []
        assert record.meta["status"] in ("running", "failed")
    assert main(["race", "line", *QUICK, "--no-figure", "--out", "a.ravine", "--resume"]) == 0
    with open_record("a.ravine") as record:
        assert record.meta["status"] == "done"
        assert len(record.ranking()) == 2


def test_a_full_disk_at_the_start_leaves_no_file(capsys, monkeypatch, tmp_path):
    full_after(monkeypatch, 3)
    assert main(["race", "line", *QUICK, "--no-figure", "--out", "a.ravine"]) == 2
    assert "a.ravine cannot be written: database or disk is full; check the folder" in said(capsys)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="the system has no /dev/full")
@pytest.mark.parametrize("arguments", [["show", "a.ravine"], ["show", "a.ravine", "--json"], ["--help"]])
def test_output_on_a_full_disk(tmp_path, arguments):
    records_fixture.write(Path("a.ravine"), optimizers=("sgd", "adam"), seeds=2)
    before = Path("a.ravine").read_bytes()
    with open("/dev/full", "w") as full:
        done = subprocess.run([sys.executable, "-m", "ravine", *arguments], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("ravine: the output cannot be printed: No space left on device")
    assert done.stderr.count("\n") == 1
    assert Path("a.ravine").read_bytes() == before


def test_a_second_process_is_refused_and_the_first_is_not_disturbed(busy):
    for attempt in range(12):
        with pytest.raises(RecordError, match=r"busy\.ravine is being written by another ravine; wait until it ends"):
            resume("busy.ravine") if attempt % 2 else create("busy.ravine", force=True)
    out, _ = busy.communicate("\n", timeout=PATIENCE_S)
    assert busy.returncode == 0
    with open_record("busy.ravine") as record:
        losses = record.losses(0)
        assert len(losses) == int(out)
        assert np.array_equal(losses, np.repeat(np.arange(0, int(out), 10), 10))


def test_what_is_copied_while_it_is_written_opens(busy, monkeypatch):
    """The file alone may lack the last seconds, and is refused if it was copied while the log was folded in; `copy` is whole."""
    end, copies, opened = time.monotonic() + 1.5, 0, 0
    while time.monotonic() < end:
        copies += 1
        name = f"copy-{copies}.ravine"
        shutil.copy("busy.ravine", name)
        try:
            with open_record(name) as record:
                assert all(np.array_equal(record.losses(lane.lane)[::10], record.evaluations(lane=0).value) for lane in record.lanes())
                opened += 1
        except RecordError as error:
            assert "is damaged" in str(error)  # noqa: PT017 - rare, and a thing of timing
        with open_record("busy.ravine") as record:
            record.copy(f"whole-{copies}.ravine")
        with open_record(f"whole-{copies}.ravine") as record:
            assert len(record.losses(0)) >= 100
    assert opened > 0
    busy.communicate("\n", timeout=PATIENCE_S)
    assert busy.returncode == 0


def test_the_file_itself_is_brought_up_to_date_as_the_race_goes(monkeypatch):
    monkeypatch.setattr("ravine.records.store.CHECKPOINT_S", 0.0)
    with create("a.ravine") as writer:
        writer.add_lanes([LaneRow(lane=0, stage="tune", optimizer="sgd", lr=0.1, schedule="constant", seed=0)])
        writer.flush()
        shutil.copy("a.ravine", "b.ravine")
        with open_record("b.ravine") as record:
            assert [lane.lane for lane in record.lanes()] == [0]


def test_a_clock_set_back_changes_no_duration(monkeypatch, capsys):
    """Whatever the wall clock says, it is only written down."""
    moments = iter(range(2_000_000_000, 0, -1_000_000))
    monkeypatch.setattr(time, "time", lambda: next(moments))
    assert main(["race", "line", *QUICK, "--no-figure", "--out", "a.ravine"]) == 0
    with open_record("a.ravine") as record:
        assert 0 < record.meta["wall_s"] < PATIENCE_S
        assert all(lane.seconds >= 0 for lane in record.lanes())
        assert all(row.seconds_per_step > 0 for row in record.ranking())


def test_a_target_that_nobody_reaches_is_shown_as_such(capsys):
    assert main(["race", "line", *QUICK, "--no-figure", "--out", "a.ravine", "--target", "-1"]) == 0
    assert "0 of 2" in " ".join(capsys.readouterr().out.split())
    with open_record("a.ravine") as record:
        assert all((row.steps_to_target.median, row.steps_to_target.reached) == (None, 0) for row in record.ranking())


@pytest.mark.parametrize("size", [0, 1, 100, 4096, 20_000])
def test_a_record_cut_short(capsys, size):
    path = Path("a.ravine")
    records_fixture.write(path, optimizers=("sgd", "adam"), seeds=2)
    path.write_bytes(path.read_bytes()[:size])
    assert main(["show", "a.ravine"]) == 2
    assert "a.ravine" in said(capsys)
    assert main(["race", "line", *QUICK, "--no-figure", "--out", "a.ravine", "--resume"]) == 2
    assert "a.ravine" in said(capsys)
    assert path.stat().st_size == size, "nothing is written into it"


def test_names_that_no_file_can_have(capsys, tmp_path):
    name = f"{'a' * 250}.ravine"
    assert main(["race", "line", *QUICK, "--out", name]) == 2
    assert "cannot be written: File name too long" in said(capsys)
    assert main(["show", name]) == 2
    assert "does not exist" in said(capsys)
    assert main(["race", "line", *QUICK, "--out", "."]) == 2
    assert "--out . is a folder" in said(capsys)
    assert list(tmp_path.iterdir()) == []


def test_a_link_is_followed_for_reading_and_replaced_alone(capsys):
    records_fixture.write(Path("a.ravine"), optimizers=("sgd", "adam"), seeds=2)
    before = Path("a.ravine").read_bytes()
    os.symlink("a.ravine", "link.ravine")
    assert main(["show", "link.ravine"]) == 0
    assert main(["race", "line", *QUICK, "--no-figure", "--out", "link.ravine", "--force"]) == 0
    assert not Path("link.ravine").is_symlink()
    assert Path("a.ravine").read_bytes() == before


def test_a_task_file_that_went_away(capsys):
    text = """
    import torch, ravine
    from torch import nn
    x = torch.randn(32, 3)
    def task(): return ravine.Task("t", lambda: nn.Linear(3, 1), (x, x[:, :1]), (x, x[:, :1]), nn.functional.mse_loss)
    """
    Path("mine.py").write_text(textwrap.dedent(text))
    race = ["race", "mine.py", *QUICK, "--no-figure", "--out", "a.ravine"]
    assert main(race) == 0
    Path("mine.py").unlink()
    capsys.readouterr()
    for command in (["recipe", "a.ravine"], [*race, "--resume"]):
        assert main(command) == 2
        assert "mine.py' does not exist" in said(capsys)
    assert main(["show", "a.ravine"]) == 0


def test_a_file_system_without_shared_memory_gets_an_ordinary_journal(monkeypatch, capsys):
    """SQLite's dot-file locks, like a network file system, know no WAL."""
    connect = sqlite3.connect

    def without(database, *arguments, **options):
        text = str(database)
        text = text if text.startswith("file:") else Path(text).absolute().as_uri()
        return connect(f"{text}{'&' if '?' in text else '?'}vfs=unix-dotfile", *arguments, **(options | {"uri": True}))

    monkeypatch.setattr(sqlite3, "connect", without)
    assert main(["race", "line", *QUICK, "--no-figure", "--out", "a.ravine"]) == 0
    monkeypatch.undo()
    with closing(sqlite3.connect("a.ravine")) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("delete",)


# Whoever is not the first process sleeps in its first step, which nothing but a signal ends.
DROWSY = """
import multiprocessing
import time
import torch
from torch import nn
import ravine

class Drowsy(nn.Linear):
    def forward(self, x):
        if multiprocessing.parent_process() is not None:
            print("asleep", flush=True)
            time.sleep(600)
        return super().forward(x) + 0.0 * x.sum().item()

pair = (torch.ones(20, 1), torch.ones(20, 1))
task = ravine.Task("drowsy", lambda: Drowsy(1, 1), pair, pair, nn.functional.mse_loss)
"""


@pytest.mark.slow
def test_workers_in_the_middle_of_a_step_end_with_a_killed_race(tmp_path):
    (tmp_path / "drowsy.py").write_text(DROWSY)
    command = [sys.executable, "-m", "ravine", "race", "drowsy.py", "--optimizers", "sgd", "--workers", "2", "--out", "a.ravine"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as race:
        try:
            assert [race.stdout.readline() for _ in range(2)] == ["asleep\n"] * 2
        finally:
            race.kill()
        # The pipe closes with the last of those who hold it.
        assert race.communicate(timeout=PATIENCE_S)[0] == ""
