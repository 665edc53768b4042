"""Every export, read back through the format's own reader and compared with the record."""

import csv
import json

import numpy as np
import pytest

import ravine
import records_fixture
from ravine.base.errors import InputError, MissingExtraError, UnknownNameError
from ravine.records import open_record
from ravine.report import FORMATS, export, lane_rows, ranking_rows


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    path = tmp_path_factory.mktemp("export") / "race.ravine"
    records_fixture.write(path, optimizers=("sgd", "wild"), seeds=2)
    return path


@pytest.fixture
def record(path):
    with open_record(path) as record:
        yield record


def read_csv(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_csv_reads_back_to_the_same_bits(record, tmp_path):
    folder = export(record, "csv", tmp_path / "out")
    assert sorted(file.name for file in folder.iterdir()) == ["evaluations.csv", "lanes.csv", "losses.csv", "ranking.csv"]
    lanes = read_csv(folder / "lanes.csv")
    assert [float(row["lr"]) for row in lanes] == [lane.lr for lane in record.lanes()]
    assert [row["reason"] for row in lanes] == [lane.reason or "" for lane in record.lanes()]
    losses = read_csv(folder / "losses.csv")
    for lane in record.lanes():
        own = [row for row in losses if int(row["lane"]) == lane.lane]
        assert [int(row["step"]) for row in own] == list(range(lane.steps_done))
        np.testing.assert_array_equal(np.array([row["loss"] for row in own], dtype=np.float32), record.losses(lane.lane))
    rows, found = read_csv(folder / "evaluations.csv"), record.evaluations()
    np.testing.assert_array_equal([float(row["value"]) for row in rows], found.value)
    assert [(int(row["step"]), row["split"], row["metric"]) for row in rows] == list(
        zip(found.step.tolist(), found.split.tolist(), found.metric.tolist(), strict=True)
    )
    ranking = read_csv(folder / "ranking.csv")
    assert [(row["optimizer"], float(row["lr"])) for row in ranking] == [(one.optimizer, one.lr) for one in record.ranking()]


def test_a_result_exports_its_record(path, record, tmp_path):
    folder = ravine.Result(path).export("csv", tmp_path / "out")
    assert folder == tmp_path / "out"
    assert len(read_csv(folder / "lanes.csv")) == len(record.lanes())


def test_parquet_reads_back_to_the_same_bits(record, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet", reason="needs pyarrow")
    folder = export(record, "parquet", tmp_path / "out")
    assert parquet.read_table(folder / "lanes.parquet").to_pylist() == lane_rows(record)
    assert parquet.read_table(folder / "ranking.parquet").to_pylist() == ranking_rows(record)
    losses = parquet.read_table(folder / "losses.parquet")
    assert str(losses.schema.field("loss").type) == "float"
    kept = [record.losses(lane.lane) for lane in record.lanes()]
    np.testing.assert_array_equal(losses["loss"].to_numpy(), np.concatenate(kept))
    np.testing.assert_array_equal(losses["step"].to_numpy(), np.concatenate([np.arange(len(one)) for one in kept]))
    evaluations, found = parquet.read_table(folder / "evaluations.parquet"), record.evaluations()
    for name in found.__dataclass_fields__:
        np.testing.assert_array_equal(evaluations[name].to_numpy(zero_copy_only=False), getattr(found, name))


def test_an_unranked_record_is_exported_as_far_as_it_is(tmp_path):
    from ravine.records import LaneRow, create

    with create(tmp_path / "young.ravine") as writer:
        writer.add_lanes([LaneRow(lane=0, stage="tune", optimizer="sgd", lr=0.1, schedule="constant", seed=0)])
    with open_record(tmp_path / "young.ravine") as record:
        for to in ("csv", *(["parquet"] if has("pyarrow") else []), *(["tensorboard"] if has("tensorboard") else [])):
            folder = export(record, to, tmp_path / to)
            assert any(folder.iterdir())
        assert read_csv(tmp_path / "csv" / "ranking.csv") == []
        assert len(read_csv(tmp_path / "csv" / "lanes.csv")) == 1


def has(module):
    import importlib.util

    return importlib.util.find_spec(module) is not None


def test_an_unknown_format_names_the_nearest(record, tmp_path):
    with pytest.raises(UnknownNameError, match="parquet"):
        export(record, "parquett", tmp_path / "out")


def test_what_exists_is_never_replaced(record, tmp_path):
    (tmp_path / "out").mkdir()
    with pytest.raises(InputError, match="exists"):
        export(record, "csv", tmp_path / "out")
    with pytest.raises(InputError, match="does not exist; create it"):
        export(record, "csv", tmp_path / "none" / "out")


def test_a_failure_leaves_nothing_behind(record, tmp_path, monkeypatch):
    def fails(record, folder):
        (folder / "half").write_text("x")
        raise OSError(28, "No space left on device")

    monkeypatch.setitem(FORMATS, "csv", fails)
    with pytest.raises(InputError, match="No space left"):
        export(record, "csv", tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("to", "module"), [("parquet", "pyarrow"), ("tensorboard", "tensorboard"), ("mlflow", "mlflow"), ("wandb", "wandb")]
)
def test_a_missing_library_names_its_extra(record, tmp_path, monkeypatch, to, module):
    import importlib

    original = importlib.import_module

    def without(name, *rest):
        if name.split(".")[0] == module:
            raise ImportError(name)
        return original(name, *rest)

    monkeypatch.setattr(importlib, "import_module", without)
    with pytest.raises(MissingExtraError, match=rf"ravine\[{to}\]"):
        export(record, to, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_every_extra_is_declared():
    import tomllib
    from pathlib import Path

    declared = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert set(FORMATS) - {"csv"} <= declared.keys()
    assert json.dumps(declared["trackers"]).count(",") == len(FORMATS) - 2
