import dataclasses
import os
import sqlite3
import tempfile
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np
import pytest

import records_fixture
from ravine.base.errors import RecordError, RecordVersionError
from ravine.records import LaneRow, create, open_record, resume


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    path = tmp_path_factory.mktemp("record") / "race.ravine"
    records_fixture.write(path, optimizers=("adam", "wild"), seeds=2)
    return path


def test_reading_leaves_the_file_and_the_folder_as_they_were(path):
    before = path.read_bytes()
    with open_record(path) as record:
        record.ranking()
    assert path.read_bytes() == before
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


def test_a_record_cannot_be_changed_through_its_reader(path):
    with open_record(path) as record, pytest.raises(sqlite3.OperationalError, match="readonly"):
        record._connection.execute("DELETE FROM lanes")


def test_lanes_are_filtered_by_stage_and_optimizer(path):
    with open_record(path) as record:
        assert len(record.lanes()) == 2 * (len(records_fixture.RATES) + 4)
        assert {lane.stage for lane in record.lanes(stage="final")} == {"final"}
        wild = record.lanes(stage="final", optimizer="wild")
        assert [(lane.status, lane.diverged_at, lane.steps_done) for lane in wild] == [("diverged", 5, 5)] * 4
        counts = record.lane_counts()
        assert sum(counts.values()) == len(record.lanes())
        assert counts["diverged"] == len([lane for lane in record.lanes() if lane.status == "diverged"])


def test_evaluations_are_filtered_by_everything(path):
    with open_record(path) as record:
        every = record.evaluations()
        assert set(every.split) == {"test", "validation"}
        assert set(every.metric) == {"loss", "accuracy"}
        some = record.evaluations(stage="tune", metric="loss", split="validation")
        assert len(some) == 2 * len(records_fixture.RATES) * len(records_fixture.STEPS)
        assert np.all(np.diff(some.lane) >= 0)
        assert len(record.evaluations(split="nowhere")) == 0
        assert record.evaluations(split="nowhere").value.dtype == np.float64


def test_curves_put_lanes_on_their_common_grid(path):
    with open_record(path) as record:
        lanes = record.lanes(stage="final")
        steps, values = record.curves(lanes, "test", "loss")
        assert steps.tolist() == list(records_fixture.STEPS)
        assert values.shape == (len(lanes), len(steps))
        for lane, row in zip(lanes, values, strict=True):
            own_steps, own = record.curve(lane.lane, "test", "loss")
            np.testing.assert_array_equal(row, own)
            np.testing.assert_array_equal(steps, own_steps)
            np.testing.assert_allclose(own, records_fixture.curve(lane.optimizer, lane.lr, lane.seed))


def test_curves_of_mixed_stages_leave_holes_where_a_lane_has_no_evaluation(path):
    with open_record(path) as record:
        lanes = [record.lanes(stage="tune", optimizer="adam")[0], record.lanes(stage="final", optimizer="adam")[0]]
        steps, values = record.curves(lanes, "validation", "loss")
        assert np.isfinite(values[0]).all()
        assert np.flatnonzero(np.isfinite(values[1])).tolist() == [len(steps) - 1]


def test_the_ranking_comes_back_as_it_was_given(tmp_path):
    path = tmp_path / "a.ravine"
    ranking = records_fixture.write(path, optimizers=("adam", "wild"), seeds=2)
    with open_record(path) as record:
        assert [entrant.as_json() for entrant in record.ranking()] == [entrant.as_json() for entrant in ranking.entrants]


def test_a_ranking_from_before_entrants_had_schedules_is_read_and_replaced(tmp_path):
    path = tmp_path / "a.ravine"
    entrants = records_fixture.write(path, optimizers=("adam", "wild"), seeds=2).entrants
    with closing(sqlite3.connect(path)) as connection:
        for column in ("schedule", "hypers"):
            connection.execute(f"ALTER TABLE ranking DROP COLUMN {column}")
    with open_record(path) as record:
        assert [(entrant.optimizer, entrant.schedule, entrant.hypers) for entrant in record.ranking()] == [
            (entrant.optimizer, "", {}) for entrant in entrants
        ]
    changed = [dataclasses.replace(entrant, schedule="wsd", hypers={"beta1": 0.8}) for entrant in entrants]
    with resume(path) as writer:
        writer.set_ranking(changed)
    with open_record(path) as record:
        assert [entrant.as_json() for entrant in record.ranking()] == [entrant.as_json() for entrant in changed]


def test_the_ends_of_evaluations_are_the_first_and_last_finite_values(path):
    with open_record(path) as record:
        found = record.ends(stage="tune", split="validation", metric="loss")
        for lane in record.lanes(stage="tune"):
            values = record.curve(lane.lane, "validation", "loss")[1]
            known = values[np.isfinite(values)]
            assert found[lane.lane] == (known[0], known[-1])
        assert len(found) == len(record.lanes(stage="tune"))
        assert any(lane.status == "diverged" for lane in record.lanes(stage="tune"))
        assert record.ends(stage="tune", split="nowhere", metric="loss") == {}


def test_losses_of_several_lanes_are_those_of_each(path):
    with open_record(path) as record:
        wanted = [lane.lane for lane in record.lanes()][3:9]
        found = {lane: (first, losses) for lane, first, losses in record.losses_of(wanted)}
        assert list(found) == wanted
        for lane, (first, losses) in found.items():
            assert first == 0
            assert np.array_equal(losses, record.losses(lane))
        assert list(record.losses_of([])) == []


def test_losses_of_a_range_read_no_more_than_its_blocks(tmp_path, monkeypatch):
    monkeypatch.setattr("ravine.records.reader.MOST_ASKED", 2)
    rows = [LaneRow(lane=number, stage="tune", optimizer="adam", lr=0.1, schedule="constant", seed=0, hypers={}) for number in range(3)]
    values = np.arange(2500, dtype=np.float32)
    with create(tmp_path / "a.ravine") as writer:
        writer.add_lanes(rows)
        writer.add_losses([0, 1, 2], 0, np.stack([values, values, values], axis=1))
    with open_record(tmp_path / "a.ravine") as record:
        found = list(record.losses_of([2, 0, 1], start=1500, stop=1600))
        assert [(lane, first, len(losses)) for lane, first, losses in found] == [(0, 1000, 1000), (2, 1000, 1000), (1, 1000, 1000)]
        assert np.array_equal(found[0][2], values[1000:2000])
        assert [len(losses) for _, _, losses in record.losses_of([1], start=2000)] == [500]
        assert list(record.losses_of([1], start=2500)) == []


def test_the_version_changes_with_every_flush_of_a_writer(path, tmp_path):
    with create(tmp_path / "a.ravine") as writer, open_record(tmp_path / "a.ravine") as record:
        first = record.version
        assert record.version == first
        writer.set_meta("status", "running")
        assert record.version == first, "nothing was flushed"
        writer.flush()
        assert record.version != first


def test_a_lane_without_losses_has_an_empty_curve(path):
    with open_record(path) as record:
        assert record.losses(10_000).shape == (0,)
        assert record.losses(0).dtype == np.float32


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: None, "does not exist"),
        (lambda path: path.mkdir(), "is a folder"),
        (lambda path: path.write_bytes(b"no database, but long enough to have a header of its own" * 20), "is not a ravine record"),
        (lambda path: path.write_bytes(b""), "is empty, and so not a ravine record"),
        (lambda path: sqlite3.connect(path).execute("CREATE TABLE a (b)").connection.close(), "is an SQLite file but not a ravine record"),
    ],
)
def test_what_is_no_record_is_refused_in_one_sentence(tmp_path, make, words):
    path = tmp_path / "a.ravine"
    make(path)
    with pytest.raises(RecordError, match=words) as caught:
        open_record(path)
    assert "\n" not in str(caught.value)


def test_a_newer_record_is_refused(tmp_path):
    path = tmp_path / "a.ravine"
    create(path).close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE meta SET value = '7' WHERE key = 'schema'")
        connection.commit()
    with pytest.raises(RecordVersionError, match="schema 7"):
        open_record(path)
    with pytest.raises(RecordVersionError, match="schema 7"):
        resume(path)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_a_truncated_record_is_damaged(path, tmp_path, share):
    content = path.read_bytes()
    broken = tmp_path / "a.ravine"
    broken.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(RecordError, match="is damaged"), open_record(broken) as record:
        record.evaluations()


@pytest.mark.parametrize(
    ("statement", "read"),
    [
        ("UPDATE losses SET count = 3", lambda record: record.losses(0)),
        ("UPDATE losses SET data = x'00'", lambda record: record.losses(0)),
        ("UPDATE lanes SET hypers = '{'", lambda record: record.lanes()),
        ("DELETE FROM losses WHERE first_step = 1000", lambda record: record.losses(0)),
    ],
)
def test_rows_that_contradict_themselves_are_damaged(tmp_path, statement, read):
    path = tmp_path / "a.ravine"
    with create(path) as writer:
        writer.add_lanes([LaneRow(lane=0, stage="tune", optimizer="sgd", lr=0.1, schedule="constant", seed=0)])
        writer.add_losses([0], 0, np.zeros((2500, 1), np.float32))
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(statement)
        connection.commit()
    with open_record(path) as record, pytest.raises(RecordError, match="is damaged"):
        read(record)


@contextmanager
def read_only_folder():
    """A folder that this process may not write: as root, by giving up root for the while."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        yield folder
        os.seteuid(os.getuid())
        folder.chmod(0o755)


def lock(folder):
    folder.chmod(0o555)
    if os.getuid() == 0:
        os.seteuid(65534)


@pytest.mark.parametrize("is_killed", [False, True])
def test_a_record_in_a_read_only_folder_opens_with_its_log(is_killed):
    with read_only_folder() as folder:
        source = folder / "a.ravine"
        writer = create(source)
        writer.set_meta("notes", ["seen"])
        writer.flush()
        if not is_killed:
            writer.close()
        with read_only_folder() as locked:
            for file in folder.iterdir():
                if not file.name.endswith("-shm"):
                    (locked / file.name).write_bytes(file.read_bytes())
            lock(locked)
            with open_record(locked / "a.ravine") as record:
                assert record.meta["notes"] == ["seen"]
            assert not list(locked.glob("*-shm"))
        writer.close()


def test_a_copy_is_whole_while_the_record_is_written(tmp_path):
    with create(tmp_path / "race.ravine") as writer:
        writer.set_meta("status", "running")
        writer.flush()
        with open_record(tmp_path / "race.ravine") as record:
            record.copy(tmp_path / "copy.ravine")
            with pytest.raises(RecordError, match=r"copy\.ravine exists; give the copy another name"):
                record.copy(tmp_path / "copy.ravine")
            with pytest.raises(RecordError, match=r"no.copy\.ravine cannot be written"):
                record.copy(tmp_path / "no" / "copy.ravine")
    with open_record(tmp_path / "copy.ravine") as copy:
        assert copy.meta["status"] == "running"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy.ravine", "race.ravine"]
