"""A race that is stopped in its middle leaves an intact record."""

import signal
import subprocess
import sys
import time

from ravine.base.errors import RecordError
from ravine.records import open_record

# Every step of this model sleeps and reads a value, so that the race runs in the plain loop and never ends by itself.
SLOW = """
import time
import torch
from torch import nn
import ravine

class Slow(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(1, 1)

    def forward(self, x):
        time.sleep(0.002 + 0.0 * x.sum().item())
        return self.layer(x)

pair = (torch.ones(20, 1), torch.ones(20, 1))
task = ravine.Task("slow", Slow, pair, pair, nn.functional.mse_loss)
"""
PATIENCE_S = 120.0


def evaluations(path):
    try:
        with open_record(path) as record:
            return len(record.evaluations().step)
    except RecordError:
        return 0


def stopped(folder, how):
    """Begin a race, stop it once something is in its record, and return the ended process."""
    (folder / "slow.py").write_text(SLOW)
    command = [sys.executable, "-m", "ravine", "race", "slow.py", "--optimizers", "sgd", "--lrs", "0.01", "--steps", "100000"]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            end = time.monotonic() + PATIENCE_S
            while evaluations(folder / "slow.ravine") < 3:
                assert process.poll() is None, process.stderr.read()
                assert time.monotonic() < end, "the race never began"
                time.sleep(0.1)
            process.send_signal(how)
            out, err = process.communicate(timeout=PATIENCE_S)
        finally:
            process.kill()
    return process.returncode, out, err


def test_an_interrupted_race_says_so_and_its_record_is_intact(tmp_path):
    returned, out, err = stopped(tmp_path, signal.SIGINT)
    assert returned == 130, err
    assert out == ""
    last = "ravine: interrupted; the record slow.ravine holds what was done, and the same command with --resume goes on."
    assert err.splitlines()[-1] == last
    assert "Traceback" not in err
    assert sorted(path.name for path in tmp_path.iterdir() if path.name != "__pycache__") == [
        "slow.py",
        "slow.ravine",
        "slow.ravine.snapshots",
    ]
    assert len(list((tmp_path / "slow.ravine.snapshots").iterdir())) == 1, "the lane under way was saved at the last moment"
    with open_record(tmp_path / "slow.ravine") as record:
        assert record.meta["status"] == "interrupted"
        assert len(record.evaluations().step) >= 3
        assert record.ranking() == []


def test_a_killed_race_leaves_a_record_that_opens(tmp_path):
    returned, _, _ = stopped(tmp_path, signal.SIGKILL)
    assert returned == -signal.SIGKILL
    with open_record(tmp_path / "slow.ravine") as record:
        assert record.meta["status"] == "running"
        assert len(record.evaluations().step) >= 3
