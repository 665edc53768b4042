import os
import sqlite3
from contextlib import closing

import numpy as np
import pytest

from ravine.base.errors import RecordError, RecordVersionError
from ravine.records import LaneRow, create
from ravine.records.schema import APPLICATION_ID, BLOCK_STEPS, PAGE_BYTES, SCHEMA, check_version, clear_errors, initialise


def test_a_full_race_stays_under_200_megabytes(tmp_path):
    """Lanes are alike, so 96 of the 4,096 lanes x 10,000 steps with 50 evaluations of 2 metrics tell the size of all."""
    path, lanes = tmp_path / "a.ravine", range(4000, 4096)  # numbers as long as the largest
    rng = np.random.default_rng(0)
    with create(path) as writer:
        empty = os.path.getsize(path)
        writer.add_lanes(
            [
                LaneRow(lane=n, stage="tune", optimizer="adamw", lr=1 / 3, schedule="cosine", seed=0, hypers={"betas": [0.9, 0.999]})
                for n in lanes
            ]
        )
        for step in range(0, 10_000, 200):
            writer.add_losses(lanes, step, rng.random((200, len(lanes)), dtype=np.float32))
            writer.add_evaluation(lanes, step, "validation", {"loss": rng.random(len(lanes)), "accuracy": rng.random(len(lanes))})
            writer.flush()
        writer.finish_lanes(lanes, steps_done=10_000, seconds=1.0)
    size = (os.path.getsize(path) - empty) * 4096 / len(lanes) + empty
    assert size < 200e6


def test_a_full_block_fills_one_page_and_no_more(tmp_path):
    """Payload beyond page size - 35 bytes spills to a second page (SQLite file format, 1.6), so the row must stay below."""
    header_and_keys = 6 + 3 + 4 + 2
    assert 4 * BLOCK_STEPS + header_and_keys <= PAGE_BYTES - 35
    path = tmp_path / "a.ravine"
    initialise(path)
    with closing(sqlite3.connect(path)) as connection:
        before = connection.execute("PRAGMA page_count").fetchone()[0]
        rows = [(n, 9_000, BLOCK_STEPS, bytes(4 * BLOCK_STEPS)) for n in range(100_000, 100_500)]
        connection.executemany("INSERT INTO losses VALUES (?, ?, ?, ?)", rows)
        pages = connection.execute("PRAGMA page_count").fetchone()[0] - before
        assert connection.execute("PRAGMA page_size").fetchone() == (PAGE_BYTES,)
    assert 500 <= pages <= 510


def test_the_layout_of_the_losses_is_documented_in_the_file(tmp_path):
    initialise(tmp_path / "a.ravine")
    with closing(sqlite3.connect(tmp_path / "a.ravine")) as connection:
        (text,) = connection.execute("SELECT sql FROM sqlite_master WHERE name = 'losses'").fetchone()
        assert "little-endian" in text
        assert connection.execute("SELECT value FROM meta WHERE key = 'schema'").fetchone() == ("1",)
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def changed(path, *statements):
    initialise(path)
    with closing(sqlite3.connect(path)) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()
        check_version(connection, path)


def test_its_own_schema_passes(tmp_path):
    changed(tmp_path / "a.ravine")


def test_a_newer_schema_is_refused_with_both_numbers(tmp_path):
    with pytest.raises(RecordVersionError, match="schema 2, and this ravine reads schemas up to 1; update ravine") as caught:
        changed(tmp_path / "a.ravine", f"UPDATE meta SET value = '{SCHEMA + 1}' WHERE key = 'schema'")
    assert (caught.value.found, caught.value.supported) == (SCHEMA + 1, SCHEMA)


@pytest.mark.parametrize("statement", ["DELETE FROM meta", "UPDATE meta SET value = 'x'", "UPDATE meta SET value = '0'"])
def test_a_record_without_a_number_is_damaged(tmp_path, statement):
    with pytest.raises(RecordError, match="states no schema number"):
        changed(tmp_path / "a.ravine", statement)


@pytest.mark.parametrize("statement", ["PRAGMA application_id = 7", "DROP TABLE meta"])
def test_another_sqlite_file_is_foreign(tmp_path, statement):
    statements = ["DROP VIEW evaluation_rows", statement]
    with pytest.raises(RecordError, match="not a ravine record"):
        changed(tmp_path / "a.ravine", *statements)


def test_the_application_id_reads_ravn():
    assert APPLICATION_ID.to_bytes(4, "big") == b"ravn"


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (sqlite3.OperationalError("database is locked"), "another ravine"),
        (sqlite3.OperationalError("disk is full"), "cannot be written: disk is full"),
        (sqlite3.DatabaseError("file is not a database"), "not a ravine record"),
        (sqlite3.DatabaseError("database disk image is malformed"), "is damaged"),
        (PermissionError(13, "Permission denied"), "cannot be written: Permission denied"),
    ],
)
def test_every_failure_becomes_one_sentence(tmp_path, error, words):
    with pytest.raises(RecordError, match=words) as caught, clear_errors(tmp_path / "a.ravine", "written"):
        raise error
    assert "\n" not in str(caught.value)
    assert str(caught.value).endswith(".")
