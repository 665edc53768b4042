"""Trackers' stores, read through each tracker's own reader."""

import os

import numpy as np
import pytest

import records_fixture
from ravine.records import FinalLane, LaneRow, RankingSettings, create, open_record, rank
from ravine.report import export
from ravine.report.trackers import TRAINING, run_name
from wandb_reader import read_wandb


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """Two lanes, one of which diverged, and their ranking."""
    path = tmp_path_factory.mktemp("trackers") / "race.ravine"
    with create(path) as writer:
        rows = [
            LaneRow(lane=n, stage="final", optimizer=name, lr=0.1, schedule="cosine", seed=1, hypers={"beta1": 0.9})
            for n, name in enumerate(("sgd", "adam+cosine"))
        ]
        writer.add_lanes(rows)
        writer.start_lanes([0, 1], "loop")
        values = {0: [2.0, 1.0, 0.5], 1: [2.0, np.nan, np.nan]}
        for index, step in enumerate((0, 2, 4)):
            writer.add_evaluation([0, 1], step, "test", {"loss": [values[0][index], values[1][index]]})
        writer.add_losses([0, 1], 0, np.array([[2.0, 2.0], [1.5, np.inf], [1.1, np.nan], [0.7, np.nan]], dtype=np.float32))
        writer.mark_diverged(1, 2, "the loss is not finite")
        writer.finish_lanes([0, 1], steps_done=4, seconds=0.5)
        final = [FinalLane(rows[n].optimizer, 0.1, 1, n == 1, np.array(values[n]), values[n][-1]) for n in (0, 1)]
        writer.set_meta("task", {"name": "tiny", "rank_by": "loss", "higher_is_better": False})
        writer.set_meta("created", "2025-01-01T00:00:00+00:00")
        writer.set_meta("status", "done")
        writer.set_ranking(rank([], final, RankingSettings(eval_steps=(0, 2, 4))).entrants)
    return path


@pytest.fixture
def record(path):
    with open_record(path) as record:
        yield record


def expected(record, lane):
    """Series of one lane: name -> [(step, value)]."""
    series = {TRAINING: list(enumerate(record.losses(lane.lane).tolist()))}
    steps, values = record.curve(lane.lane, "test", "loss")
    return series | {"test/loss": list(zip(steps.tolist(), values.tolist(), strict=True))}


def same(found, wanted, rel=0.0):
    assert [step for step, _ in found] == [step for step, _ in wanted]
    np.testing.assert_allclose([value for _, value in found], [value for _, value in wanted], rtol=rel)


def test_tensorboard(record, tmp_path):
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator", reason="needs tensorboard")
    folder = export(record, "tensorboard", tmp_path / "out")
    assert len(list(folder.iterdir())) == len(record.lanes()) + 1
    for lane in record.lanes():
        events = accumulator.EventAccumulator(str(folder / run_name(lane)), size_guidance={"scalars": 0})
        events.Reload()
        wanted = expected(record, lane)
        assert set(events.Tags()["scalars"]) == set(wanted)
        for name, series in wanted.items():
            same([(event.step, event.value) for event in events.Scalars(name)], series, rel=1e-7)
    ranking = accumulator.EventAccumulator(str(folder / "ranking"))
    ranking.Reload()
    text = ranking.Tensors("ranking/text_summary")[0].tensor_proto.string_val[0].decode()
    assert text.startswith("rank | optimizer")
    assert "1 | sgd" in text


def test_mlflow(record, tmp_path, monkeypatch):
    tracking = pytest.importorskip("mlflow.tracking", reason="needs mlflow")
    folder = export(record, "mlflow", tmp_path / "out")
    assert "MLFLOW_ALLOW_FILE_STORE" not in os.environ
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    client = tracking.MlflowClient(tracking_uri=folder.as_uri())
    experiment = client.get_experiment_by_name("tiny").experiment_id
    runs = {run.info.run_name: run for run in client.search_runs([experiment])}
    assert set(runs) == {*(run_name(lane) for lane in record.lanes()), "ranking"}
    for lane in record.lanes():
        run = runs[run_name(lane)]
        assert (run.info.status, run.data.params["lr"], run.data.params["hypers_beta1"]) == ("FINISHED", "0.1", "0.9")
        assert run.data.params["status"] == lane.status
        for name, series in expected(record, lane).items():
            found = sorted((metric.step, metric.value) for metric in client.get_metric_history(run.info.run_id, name))
            same(found, series)
    assert runs["ranking"].data.metrics["sgd/rank"] == 1
    assert runs["ranking"].data.metrics["sgd/final_mean"] == 0.5
    assert runs["ranking"].data.metrics["adam-cosine/rank"] == 2, "MLflow refuses a plus"


def test_wandb(record, tmp_path):
    pytest.importorskip("wandb", reason="needs wandb")
    folder = export(record, "wandb", tmp_path / "out")
    files = sorted(folder.glob("offline-run-*/*.wandb"))
    assert len(files) == len(record.lanes()) + 1
    runs = dict(map(read_wandb, files))
    for lane in record.lanes():
        config, history = runs[run_name(lane)]
        assert (config["lr"], config["optimizer"], config["hypers_beta1"]) == (lane.lr, lane.optimizer, 0.9)
        for name, series in expected(record, lane).items():
            same([(step, row[name]) for step, row in history if name in row], series)
    assert "ranking" in runs


def test_lanes_of_one_rate_and_seed_have_names_of_their_own(tmp_path):
    records_fixture.write(tmp_path / "race.ravine", optimizers=("sgd",), seeds=2)
    with open_record(tmp_path / "race.ravine") as record:
        names = [run_name(lane) for lane in record.lanes()]
    assert len(set(names)) == len(names)
    assert names == sorted(names)


def test_a_record_without_a_date_or_a_ranking_is_exported(tmp_path):
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator", reason="needs tensorboard")
    with create(tmp_path / "young.ravine") as writer:
        writer.add_lanes([LaneRow(lane=0, stage="tune", optimizer="sgd", lr=0.1, schedule="constant", seed=0)])
        writer.start_lanes([0], "loop")
        writer.add_losses([0], 0, np.array([[1.0]], dtype=np.float32))
        writer.finish_lanes([0], steps_done=1, seconds=0.1)
    with open_record(tmp_path / "young.ravine") as record:
        folder = export(record, "tensorboard", tmp_path / "out")
        (run,) = folder.iterdir()
        events = accumulator.EventAccumulator(str(run))
    events.Reload()
    assert [(event.step, event.value, event.wall_time) for event in events.Scalars(TRAINING)] == [(0, 1.0, 0.0)]
