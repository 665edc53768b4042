"""Runs of trackers: what `test_trackers` and `test_training_log` do not show."""

import pytest

from ravine.base.errors import MissingExtraError
from ravine.report import runs


def test_mlflow_takes_any_number_of_points_and_finds_its_experiment_again(tmp_path, monkeypatch):
    pytest.importorskip("mlflow", reason="needs mlflow")
    monkeypatch.setattr(runs, "MOST_METRICS", 3)
    for _ in range(2):
        run = runs.MLflowStore(tmp_path, "tiny").run("one", {}, {})
        for step in range(7):
            run.log(step, {"loss": float(step)})
        run.finish()
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    store = runs.MLflowStore(tmp_path, "tiny")
    found = store.client.search_runs([store.experiment])
    assert len(found) == 2
    history = store.client.get_metric_history(found[0].info.run_id, "loss")
    assert sorted((metric.step, metric.value) for metric in history) == [(step, float(step)) for step in range(7)]


def test_mlflow_gets_names_that_it_takes(tmp_path, monkeypatch):
    pytest.importorskip("mlflow", reason="needs mlflow")
    run = runs.MLflowStore(tmp_path, "tiny").run("one+two", {"a=b": 1}, {})
    run.log(0, {"test/top@5 (%)": 0.5, "adamw+cosine/rank": 1.0, "verl\u00e4sslich": 1.0})
    run.finish()
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    store = runs.MLflowStore(tmp_path, "tiny")
    [found] = store.client.search_runs([store.experiment])
    assert found.data.metrics == {"test/top-5 ---": 0.5, "adamw-cosine/rank": 1.0, "verl\u00e4sslich": 1.0}
    assert found.data.params == {"a-b": "1"}


def test_what_is_not_installed_is_named():
    with pytest.raises(MissingExtraError, match=r"no_such_module is needed for runs for MLflow .* pip install 'ravine\[mlflow\]'"):
        runs.require_all("mlflow", "no_such_module")
