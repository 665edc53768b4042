import json
import os
import subprocess
import sys
from contextlib import closing

import pytest

import records_fixture
from ravine.base.errors import RecordError
from ravine.records import _ownership, create, open_record, resume


@pytest.fixture
def neighbour():
    """A process that waits."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        yield process
        process.kill()


def name_in(path):
    with open_record(path) as record:
        return record.meta.get(_ownership.KEY)


def leave_name(path, **changes):
    """As a process that was killed leaves a record, or one that gave up the lock for a moment."""
    with closing(create(path)) as writer:
        writer.flush()
        writer._connection.execute("UPDATE meta SET value = ? WHERE key = 'writer'", (json.dumps(_ownership.own_name() | changes),))
        writer._is_named = False


def test_a_writer_stands_in_its_record_until_it_closes_it(tmp_path):
    path = tmp_path / "race.ravine"
    with create(path) as writer:
        assert name_in(path) is None, "nothing is written before the first flush"
        writer.flush()
        assert name_in(path)["pid"] == os.getpid()
    assert name_in(path) is None


def test_a_record_of_another_living_process_is_left_alone(tmp_path, neighbour):
    path = tmp_path / "race.ravine"
    leave_name(path, pid=neighbour.pid, started=_ownership._started(neighbour.pid))
    for attempt in (lambda: resume(path), lambda: create(path, force=True)):
        with pytest.raises(RecordError, match=r"race\.ravine is being written by another ravine"):
            attempt()
    assert name_in(path)["pid"] == neighbour.pid


@pytest.mark.skipif(not os.path.exists("/proc/self/stat"), reason="the system does not say when a process began")
def test_a_later_process_of_the_same_number_is_another_one(tmp_path, neighbour):
    path = tmp_path / "race.ravine"
    leave_name(path, pid=neighbour.pid, started="1")
    resume(path).close()


@pytest.mark.parametrize("changes", [{"pid": 2**22 + 1}, {"pid": None}, {"host": "elsewhere", "pid": 1}, {"pid": -1}])
def test_the_name_of_a_dead_process_or_of_none_is_not_heeded(tmp_path, changes):
    path = tmp_path / "race.ravine"
    leave_name(path, **changes)
    with resume(path) as writer:
        writer.flush()
        assert name_in(path)["pid"] == os.getpid()


def test_to_look_at_a_record_changes_nothing_in_it(tmp_path):
    path = tmp_path / "race.ravine"
    records_fixture.write(path, optimizers=("sgd",), seeds=2)
    before = path.read_bytes()
    resume(path).close()
    assert path.read_bytes() == before
