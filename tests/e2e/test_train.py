"""A training as a process: killed, terminated, interrupted, and gone on with to the same bits."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "training_kills.py"
PATIENCE_S = 240.0

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
        time.sleep(0.002)
        return self.layer(x)

pair = (torch.ones(20, 1), torch.ones(20, 1))
task = ravine.Task("slow", Slow, pair, pair, nn.functional.mse_loss, batch_size=5)
"""


@pytest.mark.parametrize("kills", [5, pytest.param(50, marks=pytest.mark.slow)])
def test_a_killed_training_ends_with_the_same_bits(kills, tmp_path):
    ended = subprocess.run([sys.executable, SCRIPT, str(kills), tmp_path], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    found = json.loads(ended.stdout)
    assert found["codes"] == [-signal.SIGKILL] * kills + [0, 0], ended.stderr
    assert found["digests"][0] == found["digests"][1]
    assert found["drafts"] == []
    assert 0 < found["reached"][-1] < found["steps"], "the kills fell into the training"


def begun(folder, *options):
    (folder / "slow.py").write_text(SLOW)
    command = [
        sys.executable,
        "-m",
        "ravine",
        "train",
        "slow.py",
        "--steps",
        "100000",
        "--evaluate-every",
        "20",
        "--no-check",
        "--save-every",
        "0",
    ]
    process = subprocess.Popen([*command, *options], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    end = time.monotonic() + PATIENCE_S
    while not list(folder.glob("slow-trained/checkpoint-*")):
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < end, "the training never began"
        time.sleep(0.1)
    return process


@pytest.mark.parametrize(
    ("number", "status", "word"), [(signal.SIGTERM, 0, "terminated at step "), (signal.SIGINT, 130, "ravine: interrupted; ")]
)
def test_a_signal_saves_and_says_how_to_go_on(number, status, word, tmp_path):
    process = begun(tmp_path)
    try:
        process.send_signal(number)
        out, err = process.communicate(timeout=PATIENCE_S)
    finally:
        process.kill()
    assert process.returncode == status, err
    assert out == ""
    last = err.splitlines()[-1]
    assert last.startswith(word)
    assert last.rstrip(".").endswith("and the same command with --resume goes on")
    assert "slow-trained" in last
    assert "Traceback" not in err
