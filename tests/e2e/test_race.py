"""One tiny race of a user's own file, from the command line to the record, the JSON and the figure."""

import json
import math
import subprocess
import sys

import pytest

from ravine.records import open_record

MINE = """
import torch
from torch import nn
import ravine

x = torch.linspace(-1, 1, 60)[:, None]
y = torch.sin(3 * x)

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(1, 8), nn.Tanh(), nn.Linear(8, 1))

    def forward(self, x):
        return self.layers(x)

task = ravine.Task("mine", Net, (x[::2], y[::2]), (x[1::2], y[1::2]), nn.functional.mse_loss, batch_size=10)
"""

# PRODUCT.md, "ravine show FILE --json (schema 1)".
TOP = {"schema", "task", "protocol", "ranking", "recommendation", "lanes", "diverged", "culled", "findings", "wall_s"}
PROTOCOL = {"seeds", "steps", "lr_grids", "budget_gradients", "target", "split", "versions"}
RANKED = {
    *("rank", "optimizer", "tied_with", "lr", "lr_window_decades", "at_grid_edge", "diverges_at_lr", "steps_to_target", "final"),
    *("bytes_per_parameter", "gradients_per_step", "seconds_per_step", "schedule", "hypers"),
}
STEPS_TO_TARGET = {"median", "low", "high", "reached", "seeds"}
FINAL = {"metric", "mean", "low", "high"}
RECOMMENDATION = {"optimizer", "lr", "schedule", "hypers", "tied_with", "sentence"}


@pytest.fixture(scope="module")
def raced(tmp_path_factory):
    folder = tmp_path_factory.mktemp("race")
    (folder / "mine.py").write_text(MINE)
    options = ["--optimizers", "sgd,adam", "--steps", "20", "--seeds", "2", "--report", "--json"]
    command = [sys.executable, "-m", "ravine", "race", "mine.py", *options]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return folder, done


def refuse(constant):
    raise AssertionError(f"{constant} is no JSON")


def test_json_has_the_documented_keys_and_no_number_that_is_not_finite(raced):
    _, done = raced
    found = json.loads(done.stdout, parse_constant=refuse)
    assert set(found) == TOP
    assert set(found["protocol"]) >= PROTOCOL
    assert [set(entrant) for entrant in found["ranking"]] == [RANKED, RANKED]
    assert all(set(entrant["steps_to_target"]) == STEPS_TO_TARGET and set(entrant["final"]) == FINAL for entrant in found["ranking"])
    assert set(found["recommendation"]) == RECOMMENDATION
    assert found["schema"] == 1
    assert found["task"]["name"] == "mine"


def test_the_record_holds_every_lane(raced):
    folder, done = raced
    found = json.loads(done.stdout)
    with open_record(folder / "mine.ravine") as record:
        lanes = record.lanes()
        assert record.meta["status"] == "done"
        assert len(lanes) == found["lanes"]
        assert [entrant.optimizer for entrant in record.ranking()] == [entrant["optimizer"] for entrant in found["ranking"]]
        finished = next(lane for lane in lanes if lane.stage == "final" and lane.status == "done")
        losses = record.losses(finished.lane)
    assert len(losses) == 20
    assert all(math.isfinite(loss) for loss in losses)


def test_figure_and_report_exist(raced):
    folder, done = raced
    assert (folder / "mine.png").read_bytes().startswith(b"\x89PNG")
    assert (folder / "mine.html").read_text(encoding="utf-8").rstrip().endswith("</html>")
    assert done.stderr.rstrip().splitlines()[-3:] == ["record  mine.ravine", "figure  mine.png", "report  mine.html"]
    assert sorted(path.name for path in folder.iterdir() if path.name != "__pycache__") == [
        "mine.html",
        "mine.png",
        "mine.py",
        "mine.ravine",
    ]
