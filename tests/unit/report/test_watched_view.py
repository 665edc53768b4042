import json

import numpy as np
import pytest

from ravine.records import LaneRow, create, open_record
from ravine.records.findings import Diagnosis, Finding
from ravine.report.watched_view import watched_view


@pytest.fixture(scope="module")
def view(tmp_path_factory):
    """Of a training of 30 steps that still runs, with one finding."""
    path = tmp_path_factory.mktemp("watched") / "run.ravine"
    task = {"name": "Net"}
    finding = Finding("error", "loading", "frozen", "2 of 4", "0", "by definition", "fc1", "give them to the optimizer")
    with create(path) as writer:
        writer.add_lanes([LaneRow(lane=0, stage="watch", optimizer="SGD", lr=0.1, schedule="", seed=0)])
        writer.start_lanes([0], "watch")
        writer.add_losses([0], 0, np.linspace(2, 1, 30, dtype=np.float32)[:, None])
        for step in (10, 20):
            writer.add_evaluation([0], step, "validation", {"loss": np.array([3.0 - step / 10])})
            writer.add_evaluation([0], step, "gradient norm", {"fc1.weight": np.array([1.0])})
        writer.set_meta("kind", "watch")
        writer.set_meta("task", task)
        writer.set_meta("status", "running")
        summary = Diagnosis(task, (finding,), ()).summary()
        writer.set_meta("diagnosis", {"findings": summary["findings"], "rungs": summary["rungs"]})
    with open_record(path) as record:
        yield watched_view(record)


def test_it_says_how_the_training_went_and_what_was_found(view):
    json.dumps(view, allow_nan=False)
    assert view["kind"] == "watch"
    assert view["banner"] == "Partial: this training is still running, or was killed."
    assert view["notes"][0] == "Net was trained by SGD for 30 steps, and is still running."
    assert view["tables"]["findings"]["rows"] == [["error", "frozen", "loading", "fc1", "2 of 4", "0", "give them to the optimizer"]]
    assert "rungs" not in view["tables"]
    assert view["steps"] == 30
    assert view["lanes"]["losses"] == [30]


def test_what_was_measured_once_a_look_is_a_curve(view):
    assert [(one["split"], one["metric"], one["steps"]) for one in view["measures"]] == [("validation", "loss", [10, 20])]
