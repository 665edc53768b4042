"""Two records side by side: what differs, when seeds are paired, and what the differences are."""

import json
import sqlite3

import numpy as np
import pytest

import records_fixture
from ravine.records import open_record, paired_difference, unpaired_difference
from ravine.report import compare_summary, compare_text


def written(path, *, protocol=None, task=None, fingerprint="f" * 64, change=None, **options):
    """A record whose protocol and task are changed after it was written."""
    records_fixture.write(path, **({"optimizers": ("sgd", "adam")} | options))
    connection = sqlite3.connect(path)
    for key, update in (("protocol", {"race_seed": 0, "batch_size": 64, **(protocol or {})}), ("task", task or {})):
        held = json.loads(connection.execute("SELECT value FROM meta WHERE key = ?", [key]).fetchone()[0])
        connection.execute("UPDATE meta SET value = ? WHERE key = ?", [json.dumps(held | update), key])
    if fingerprint is not None:
        connection.execute("INSERT INTO meta VALUES ('plan', ?)", [json.dumps({"fingerprint": fingerprint})])
    if change is not None:
        connection.execute(change)
    connection.commit()
    connection.close()
    return open_record(path)


WORSE = "UPDATE evaluations SET value = value * (1.1 + 0.001 * lane) WHERE split = (SELECT split FROM splits WHERE name = 'test')"


@pytest.fixture
def first(tmp_path):
    with written(tmp_path / "a.ravine") as record:
        yield record


def finals(record, name):
    entrant = next(one for one in record.ranking() if one.optimizer == name)
    lanes = [lane for lane in record.lanes(stage="final", optimizer=name) if lane.lr == entrant.lr]
    return record.curves(lanes, "test", "loss")[1][:, -1]


def test_the_same_race_twice_differs_in_nothing(first, tmp_path):
    with written(tmp_path / "b.ravine") as second:
        found = compare_summary(first, second)
        assert "Task and protocol are the same." in compare_text(first, second)
    assert (found["differences"], found["paired"], found["only_in"]) == ([], True, [[], []])
    assert [row["final_difference"]["mean"] for row in found["optimizers"]] == [0.0, 0.0]
    assert all(row["final_difference"]["adjusted_p"] == 1 for row in found["optimizers"])


def test_paired_runs_are_compared_seed_by_seed(first, tmp_path):
    with written(tmp_path / "b.ravine", change=WORSE) as second:
        found = compare_summary(first, second)
        wanted = paired_difference(finals(second, "adam") - finals(first, "adam"))
    row = next(row for row in found["optimizers"] if row["optimizer"] == "adam")
    assert found["paired"]
    assert row["final_difference"]["mean"] == pytest.approx(wanted.mean)
    assert (row["final_difference"]["low"], row["final_difference"]["method"]) == (pytest.approx(wanted.low), "t")
    assert row["final_difference"]["mean"] > 0
    assert row["final_difference"]["adjusted_p"] >= row["final_difference"]["p"]
    assert row["log_time_difference"]["mean"] >= 0


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"protocol": {"race_seed": 1}}, "race seeds differ: 0 and 1"),
        ({"protocol": {"batch_size": 128}}, "batch sizes differ: 64 and 128"),
        ({"fingerprint": "0" * 64}, "data, model or loss differ"),
        ({"fingerprint": None}, "does not say what data"),
        ({"seeds": 1}, "fewer than two fresh seeds"),
    ],
)
def test_what_breaks_the_pairs_is_said_and_the_difference_is_welchs(first, tmp_path, options, reason):
    with written(tmp_path / "b.ravine", change=WORSE, **options) as second:
        found, text = compare_summary(first, second), compare_text(first, second)
        wanted = unpaired_difference(finals(first, "adam"), finals(second, "adam"))
    assert not found["paired"]
    assert reason in found["unpaired_because"]
    assert "Not paired" in text
    row = next(row for row in found["optimizers"] if row["optimizer"] == "adam")
    assert (row["final_difference"]["mean"], row["final_difference"]["p"]) == (pytest.approx(wanted.mean), pytest.approx(wanted.p))
    assert row["final_difference"]["method"] == wanted.method


def test_differences_of_task_and_protocol_are_named(first, tmp_path):
    changes = {"protocol": {"steps": 800, "race_seed": 1, "engine": {"mode": "loop"}}, "task": {"train": 5}, "fingerprint": "0" * 64}
    with written(tmp_path / "b.ravine", **changes) as second:
        found = compare_summary(first, second)["differences"]
        text = compare_text(first, second)
    named = {item["what"]: (item["first"], item["second"]) for item in found}
    assert named["protocol.steps"] == (400, 800)
    assert named["task.train"] == (None, 5)
    assert "fingerprint of data, model and loss" in named
    assert not any("engine" in name for name in named)
    assert "protocol.steps" in text


def test_other_metrics_are_not_subtracted(first, tmp_path):
    with written(tmp_path / "b.ravine", task={"loss": "mse_loss"}) as second:
        found, text = compare_summary(first, second), compare_text(first, second)
    assert not found["comparable"]
    assert [row["final_difference"] for row in found["optimizers"]] == [None, None]
    assert "different metrics, losses or splits" in text


def test_who_stands_in_one_record_only_is_named(first, tmp_path):
    with written(tmp_path / "b.ravine", optimizers=("adam", "adamw")) as second:
        found, text = compare_summary(first, second), compare_text(first, second)
    assert found["only_in"] == [["sgd"], ["adamw"]]
    assert "Only in A: sgd." in text
    paths = (str(first.path), str(second.path))
    assert all(len(line) <= 100 for line in text.splitlines() if not any(path in line for path in paths))
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_a_target_reached_after_the_shorter_race_was_not_reached_in_it(first, tmp_path):
    """Everything of B is half as high again, so it is slower; of two races of which one ended at 32, neither got there."""
    slower = WORSE.replace("1.1", "1.5")
    gaps = []
    for steps in (400, 32):
        with written(tmp_path / f"b{steps}.ravine", protocol={"steps": steps}, change=slower) as second:
            row = next(row for row in compare_summary(first, second)["optimizers"] if row["optimizer"] == "sgd")
        gaps.append(row["log_time_difference"]["mean"])
    assert gaps[0] > 0.05
    assert gaps[1] == pytest.approx(0.0, abs=1e-9)


def test_lanes_that_diverged_everywhere_have_no_difference_to_show(tmp_path):
    with (
        written(tmp_path / "a.ravine", optimizers=("adam", "wild")) as one,
        written(tmp_path / "b.ravine", optimizers=("adam", "wild")) as other,
    ):
        row = next(row for row in compare_summary(one, other)["optimizers"] if row["optimizer"] == "wild")
    assert np.isclose(row["final_difference"]["mean"], 0.0)
    assert row["final"] == [{"metric": "loss", "mean": None, "low": None, "high": None}] * 2


def test_records_without_a_common_optimiser(first, tmp_path):
    with written(tmp_path / "b.ravine", optimizers=("adamw",)) as second:
        assert "No optimiser is ranked in both records" in compare_text(first, second)
