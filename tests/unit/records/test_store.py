import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
from contextlib import closing

import numpy as np
import pytest

from ravine.base.errors import InputError, RecordError
from ravine.records import LaneRow, create, open_record, resume


def lane_row(number, **changes):
    fields = {"stage": "tune", "optimizer": "adam", "lr": 1e-3, "schedule": "constant", "seed": 0, "hypers": {"eps": 1e-8}}
    return LaneRow(lane=number, **(fields | changes))


def files(folder):
    return sorted(entry.name for entry in folder.iterdir())


def test_everything_written_comes_back_and_one_file_remains(tmp_path):
    path = tmp_path / "a.ravine"
    losses = np.random.default_rng(0).random((2500, 2), dtype=np.float32)
    losses[7, 0], losses[8, 0] = np.nan, np.inf
    with create(path) as writer:
        writer.set_meta("task", {"name": "t"})
        writer.add_lanes([lane_row(0), lane_row(1, stage="final", seed=3)])
        writer.start_lanes([0, 1], "loop")
        for start in range(0, 2500, 300):
            writer.add_losses([0, 1], start, losses[start : start + 300])
        writer.add_evaluation([0, 1], 0, "validation", {"loss": np.array([1.0, np.inf])})
        writer.mark_diverged(1, 2400, "the loss is not finite")
        writer.finish_lanes([0, 1], steps_done=2500, seconds=1.5)
    assert files(tmp_path) == ["a.ravine"]
    with open_record(path) as record:
        assert record.meta == {"schema": 1, "task": {"name": "t"}}
        first, second = record.lanes()
        assert (first.status, first.mode, first.steps_done, first.seconds, first.hypers) == ("done", "loop", 2500, 1.5, {"eps": 1e-8})
        assert (second.status, second.diverged_at, second.reason, second.seed) == ("diverged", 2400, "the loss is not finite", 3)
        for lane in (0, 1):
            np.testing.assert_array_equal(record.losses(lane), losses[:, lane])
        assert record.curve(0, "validation", "loss")[1].tolist() == [1.0]
        assert np.isnan(record.curve(1, "validation", "loss")[1]).all()


def test_sqlite_and_pandas_alone_read_the_rows(tmp_path):
    pandas = pytest.importorskip("pandas")
    with create(tmp_path / "a.ravine") as writer:
        writer.add_lanes([lane_row(5)])
        writer.add_evaluation([5], 10, "test", {"accuracy": [0.5], "loss": [np.nan]})
        writer.add_losses([5], 0, np.arange(3, dtype=np.float32)[:, None])
    with closing(sqlite3.connect(tmp_path / "a.ravine")) as connection:
        rows = pandas.read_sql("SELECT * FROM evaluation_rows ORDER BY metric", connection)
        assert rows[["lane", "optimizer", "step", "split", "metric"]].values.tolist() == [
            [5, "adam", 10, "test", "accuracy"],
            [5, "adam", 10, "test", "loss"],
        ]
        assert rows["value"].isna().tolist() == [False, True]
        first, count, data = connection.execute("SELECT first_step, count, data FROM losses").fetchone()
        assert (first, count, np.frombuffer(data, "<f4").tolist()) == (0, 3, [0.0, 1.0, 2.0])


def test_an_existing_record_needs_force_and_is_then_replaced_whole(tmp_path):
    path = tmp_path / "a.ravine"
    with create(path) as writer:
        writer.set_meta("notes", ["old"])
    before = path.read_bytes()
    with pytest.raises(RecordError, match="exists; give --resume to go on with its race, --force to replace it"):
        create(path)
    assert path.read_bytes() == before
    with create(path, force=True) as writer:
        writer.set_meta("created", "now")
    with open_record(path) as record:
        assert record.meta == {"schema": 1, "created": "now"}
    assert files(tmp_path) == ["a.ravine"]


def test_a_log_left_by_a_deleted_record_is_not_replayed_into_the_new_one(tmp_path):
    path = tmp_path / "a.ravine"
    writer = create(path)
    writer.set_meta("notes", ["old"])
    writer.flush()
    log = (tmp_path / "a.ravine-wal").read_bytes()
    writer.close()
    path.unlink()
    (tmp_path / "a.ravine-wal").write_bytes(log)
    create(path).close()
    with open_record(path) as record:
        assert record.meta == {"schema": 1}


def test_a_closed_record_is_whole_in_its_one_file_even_while_it_is_read(tmp_path):
    path, copy = tmp_path / "a.ravine", tmp_path / "copy.ravine"
    writer = create(path)
    with open_record(path) as record:
        assert record.meta == {"schema": 1}
        writer.set_meta("notes", ["late"])
        writer.close()
        copy.write_bytes(path.read_bytes())
    with open_record(copy) as record:
        assert record.meta["notes"] == ["late"]


@pytest.mark.parametrize("content", [b"", b"my thesis", b"SQLite format 3\0 but not really"])
@pytest.mark.parametrize("force", [False, True])
def test_a_foreign_file_is_never_replaced(tmp_path, content, force):
    path = tmp_path / "a.ravine"
    path.write_bytes(content)
    with pytest.raises(RecordError, match="is not a record of this ravine, so it is never replaced"):
        create(path, force=force)
    assert path.read_bytes() == content
    assert files(tmp_path) == ["a.ravine"]


def test_another_database_is_foreign_too(tmp_path):
    path = tmp_path / "a.ravine"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE meta (key, value)")
        connection.execute("INSERT INTO meta VALUES ('schema', '1')")
        connection.commit()
    before = path.read_bytes()
    with pytest.raises(RecordError, match="never replaced"):
        create(path, force=True)
    assert path.read_bytes() == before


def test_a_folder_and_a_missing_folder_are_refused(tmp_path):
    with pytest.raises(RecordError, match="is a folder; give the name of a file in it"):
        create(tmp_path)
    with pytest.raises(RecordError, match="does not exist; create it"):
        create(tmp_path / "nowhere" / "a.ravine")
    assert files(tmp_path) == []


def test_an_unwritable_folder_is_one_sentence_and_leaves_nothing(tmp_path, monkeypatch):
    def refuse(*arguments, **options):
        raise sqlite3.OperationalError("unable to open database file")

    monkeypatch.setattr("ravine.records.schema.sqlite3.connect", refuse)
    with pytest.raises(RecordError, match=r"a\.ravine cannot be written: unable to open database file; check the folder"):
        create(tmp_path / "a.ravine")
    assert files(tmp_path) == []


def test_one_writer_at_a_time_and_readers_see_the_last_flush(tmp_path):
    path = tmp_path / "a.ravine"
    with create(path) as writer:
        writer.set_meta("notes", ["one"])
        writer.flush()
        writer.set_meta("notes", ["two"])
        for attempt in (lambda: resume(path), lambda: create(path, force=True)):
            with pytest.raises(RecordError, match="is being written by another ravine"):
                attempt()
        with open_record(path) as record:
            assert record.meta["notes"] == ["one"]
            writer.flush()
            assert record.meta["notes"] == ["two"]


def test_a_killed_writer_leaves_everything_up_to_its_last_flush(tmp_path):
    path = tmp_path / "a.ravine"
    program = f"""
        import os, signal, numpy as np
        from ravine.records import LaneRow, create
        writer = create({str(path)!r})
        writer.add_lanes([LaneRow(lane=0, stage="tune", optimizer="sgd", lr=.1, schedule="constant", seed=0)])
        writer.add_losses([0], 0, np.arange(1500, dtype=np.float32)[:, None])
        writer.flush()
        writer.add_losses([0], 1500, np.zeros((100, 1), np.float32))
        os.kill(os.getpid(), signal.SIGKILL)
    """
    ended = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], check=False, env={**os.environ, "OMP_NUM_THREADS": "1"})
    assert ended.returncode == -signal.SIGKILL
    with open_record(path) as record:
        np.testing.assert_array_equal(record.losses(0), np.arange(1500, dtype=np.float32))
    with resume(path) as writer:
        writer.reset_lanes([0])
        writer.add_lanes([lane_row(0)])
        writer.add_losses([0], 0, np.ones((3, 1), np.float32))
    with open_record(path) as record:
        assert record.losses(0).tolist() == [1.0] * 3


def test_resume_needs_a_record(tmp_path):
    with pytest.raises(RecordError, match="nothing to resume"):
        resume(tmp_path / "a.ravine")


def test_resume_keeps_the_numbers_of_splits_and_metrics(tmp_path):
    path = tmp_path / "a.ravine"
    with create(path) as writer:
        writer.add_lanes([lane_row(0)])
        writer.add_evaluation([0], 0, "validation", {"loss": [1.0], "accuracy": [0.1]})
    with resume(path) as writer:
        writer.add_evaluation([0], 5, "test", {"accuracy": [0.2]})
        writer.add_evaluation([0], 5, "validation", {"accuracy": [0.3]})
    with open_record(path) as record:
        assert record.curve(0, "validation", "accuracy")[1].tolist() == [0.1, 0.3]
        assert record.curve(0, "test", "accuracy")[1].tolist() == [0.2]


def test_reset_deletes_all_that_a_lane_wrote_and_nothing_else(tmp_path):
    path = tmp_path / "a.ravine"
    with create(path) as writer:
        writer.add_lanes([lane_row(0), lane_row(1)])
        writer.add_losses([0, 1], 0, np.zeros((1200, 2), np.float32))
        writer.add_evaluation([0, 1], 0, "test", {"loss": [1.0, 2.0]})
        writer.reset_lanes([0])
    with open_record(path) as record:
        assert [lane.lane for lane in record.lanes()] == [1]
        assert (len(record.losses(0)), len(record.losses(1))) == (0, 1200)
        assert len(record.evaluations()) == 1


def test_a_lane_number_may_be_used_once(tmp_path):
    with create(tmp_path / "a.ravine") as writer:
        writer.add_lanes([lane_row(0)])
        with pytest.raises(InputError, match=r"lanes \[0, 2\] are there already"):
            writer.add_lanes([lane_row(0), lane_row(1), lane_row(2), lane_row(2)])


def test_an_evaluation_given_again_replaces_the_first(tmp_path):
    with create(tmp_path / "a.ravine") as writer:
        writer.add_lanes([lane_row(0)])
        writer.add_evaluation([0], 0, "test", {"loss": [1.0]})
        writer.add_evaluation([0], 0, "test", {"loss": [2.0]})
        writer.flush()
        with open_record(tmp_path / "a.ravine") as record:
            assert record.curve(0, "test", "loss")[1].tolist() == [2.0]


@pytest.mark.parametrize("value", [{"x": float("nan")}, {"x": object()}])
def test_meta_takes_strict_json_only(tmp_path, value):
    with create(tmp_path / "a.ravine") as writer, pytest.raises(InputError, match="cannot be written as JSON"):
        writer.set_meta("protocol", value)


def test_the_schema_number_is_not_for_others_to_set(tmp_path):
    with create(tmp_path / "a.ravine") as writer, pytest.raises(InputError, match="belongs to the file"):
        writer.set_meta("schema", 9)


def test_an_evaluation_needs_one_value_a_lane(tmp_path):
    with create(tmp_path / "a.ravine") as writer, pytest.raises(InputError, match="one value for each of 2 lanes"):
        writer.add_evaluation([0, 1], 0, "test", {"loss": [1.0]})


def test_closing_twice_and_after_an_error_is_harmless(tmp_path):
    path = tmp_path / "a.ravine"

    def race():
        with create(path) as writer:
            writer.set_meta("notes", ["kept"])
            writer.close()
            raise KeyError

    with pytest.raises(KeyError):
        race()
    with open_record(path) as record:
        assert "notes" in record.meta


def test_an_interrupt_between_two_transactions_can_still_close(tmp_path):
    path = tmp_path / "a.ravine"
    writer = create(path)
    writer.set_meta("notes", ["kept"])
    writer._connection.execute("COMMIT")
    writer.close()
    with open_record(path) as record:
        assert record.meta["notes"] == ["kept"]


def written(path, steps, *, diverged=None):
    """A record with lanes 0 and 1 under way after `steps` steps."""
    with create(path) as writer:
        writer.add_lanes([lane_row(0), lane_row(1)])
        writer.start_lanes([0, 1], "loop")
        if diverged is not None:
            writer.mark_diverged(1, diverged, "so")
        losses = np.arange(steps, dtype=np.float32)
        writer.add_losses([0], 0, losses[:, None])
        writer.add_losses([1], 0, losses[: steps if diverged is None else diverged, None])
        for step in range(0, steps + 1, 5):
            writer.add_evaluation([0, 1], step, "test", {"loss": np.array([step, step])})


@pytest.mark.parametrize("step", [0, 5, 999, 1000, 1001, 2000, 2345])
def test_rewound_lanes_go_on_from_a_step(tmp_path, step):
    path = tmp_path / "a.ravine"
    written(path, 2345)
    with resume(path) as writer:
        writer.rewind_lanes([0], step)
        writer.add_losses([0], step, np.full((2500 - step, 1), -1, dtype=np.float32))
        writer.finish_lanes([0], steps_done=2500, seconds=1.0)
    with open_record(path) as record:
        assert record.losses(0).tolist() == [*range(step), *[-1] * (2500 - step)]
        assert record.losses(1).tolist() == list(range(2345)), "the other lane is as it was"
        assert record.curve(0, "test", "loss")[0].tolist() == [at for at in range(0, 2346, 5) if at <= step]
        assert record.steps_recorded() == {0: 2500, 1: 2345}


def test_rewinding_takes_back_a_later_divergence_only(tmp_path):
    path = tmp_path / "a.ravine"
    for step, found in ((6, ("running", None, None)), (7, ("diverged", 7, "so")), (9, ("diverged", 7, "so"))):
        path.unlink(missing_ok=True)
        written(path, 12, diverged=7)
        with resume(path) as writer:
            writer.rewind_lanes([0, 1], step)
            writer.start_lanes([0, 1], "loop")
        with open_record(path) as record:
            lane = record.lanes()[1]
            assert (lane.status, lane.diverged_at, lane.reason) == found
            assert len(record.losses(1)) == min(step, 7)


def test_lanes_are_rewound_from_blocks_of_any_length(tmp_path):
    path = tmp_path / "a.ravine"
    written(path, 30)
    for step in (20, 25):
        with resume(path) as writer:
            writer.rewind_lanes([0], 20)
            writer.add_losses([0], 20, np.arange(20, step + 7, dtype=np.float32)[:, None])
    with open_record(path) as record:
        assert record.losses(0).tolist() == list(range(32))


def test_acquitted_lanes_are_done(tmp_path):
    path = tmp_path / "a.ravine"
    written(path, 12, diverged=7)
    with resume(path) as writer:
        writer.acquit_lanes([1])
    with open_record(path) as record:
        assert (record.lanes()[1].status, record.lanes()[1].diverged_at, record.lanes()[1].reason) == ("done", None, None)


def test_a_file_system_that_refuses_even_to_remove_is_one_sentence(tmp_path, monkeypatch):
    def refuse(self, missing_ok=False):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr("pathlib.Path.unlink", refuse)
    with pytest.raises(RecordError, match="cannot be written: Read-only file system; check the folder"):
        create(tmp_path / "a.ravine")


def test_lanes_that_end_together_may_have_taken_different_numbers_of_steps(tmp_path):
    with create(tmp_path / "a.ravine") as writer:
        writer.add_lanes([LaneRow(lane=n, stage="tune", optimizer="sgd", lr=0.1, schedule="constant", seed=0) for n in (4, 2)])
        writer.finish_lanes([4, 2], steps_done=[7, 9], seconds=1.0)
    with open_record(tmp_path / "a.ravine") as record:
        assert {lane.lane: lane.steps_done for lane in record.lanes()} == {4: 7, 2: 9}


def test_a_culled_lane_stays_culled_and_is_rewound_to_before_its_rung_only(tmp_path):
    path = tmp_path / "a.ravine"
    for step, found in ((4, ("running", 0, None)), (5, ("culled", 5, "third")), (9, ("culled", 5, "third"))):
        path.unlink(missing_ok=True)
        written(path, 12, diverged=5)
        with resume(path) as writer:
            writer.acquit_lanes([1])
            writer.mark_culled([1], 5, ["third"])
        with resume(path) as writer:
            writer.rewind_lanes([0, 1], step)
            writer.start_lanes([0, 1], "loop")
        with open_record(path) as record:
            lane = record.lanes()[1]
            assert (lane.status, lane.steps_done, lane.reason) == found
            assert lane.culled_at == (5 if lane.status == "culled" else None)
            assert len(record.losses(1)) == min(step, 5)
    with resume(path) as writer:
        writer.finish_lanes([0, 1], steps_done=[12, 5], seconds=[2.0, 0.5])
    with open_record(path) as record:
        assert [(lane.status, lane.seconds) for lane in record.lanes()] == [("done", 2.0), ("culled", 0.5)]
        assert record.lane_counts() == {"done": 1, "culled": 1}
