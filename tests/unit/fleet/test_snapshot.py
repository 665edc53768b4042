"""Snapshots: whole or ignored, valid only once committed, and never dear."""

import json
import math
import pickle
import struct
import time

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from ravine.fleet import Remark, Saved, Snapshots, snapshot

STATE = {
    "a": torch.tensor([1.0, math.nan, math.inf]),
    "b": torch.tensor([[True, False]]),
    "c": torch.arange(4, dtype=torch.bfloat16),
    "d": torch.tensor(3),
    "empty": torch.empty(0, 4),
}


@pytest.fixture
def snapshots(tmp_path):
    return Snapshots(tmp_path / "s", "race")


def written(snapshots, lanes=(3, 1), step=7, state=STATE):
    saved = snapshots.write(lanes, step, {"mode": "loop"}, lambda: state)
    assert isinstance(saved, Saved)
    return saved


def test_what_was_saved_is_found_again_by_the_bit(snapshots):
    saved = written(snapshots)
    assert (saved.lanes, saved.step) == ((3, 1), 7)
    assert snapshots.commit(saved)
    found = snapshots.find([3, 1])
    assert (found.header["step"], found.header["mode"], found.header["lanes"]) == (7, "loop", [3, 1])
    for name, tensor in STATE.items():
        assert found.tensors[name].dtype == tensor.dtype
        assert found.tensors[name].shape == tensor.shape
        assert (
            found.tensors[name]
            .flatten()
            .view(torch.uint8 if tensor.ndim else tensor.dtype)
            .equal(tensor.flatten().view(torch.uint8 if tensor.ndim else tensor.dtype))
        )


def test_a_draft_counts_only_once_it_is_committed(snapshots):
    saved = written(snapshots)
    assert snapshots.find([3, 1]) is None
    snapshots.commit(saved)
    later = written(snapshots, step=9)
    assert snapshots.find([3, 1]).header["step"] == 7
    snapshots.commit(later)
    assert snapshots.find([3, 1]).header["step"] == 9


def test_tensors_that_share_memory_are_kept_whole(snapshots):
    base = torch.arange(6.0)
    snapshots.commit(written(snapshots, state={"x": base, "y": base[2:4], "z": base.view(2, 3).T, "w": base[:1].expand(5)}))
    found = snapshots.find([3, 1]).tensors
    assert found["y"].tolist() == [2.0, 3.0]
    assert found["z"].tolist() == [[0.0, 3.0], [1.0, 4.0], [2.0, 5.0]]
    assert found["w"].tolist() == [0.0] * 5


@pytest.mark.parametrize("lanes", [[3], [1, 3], [3, 2], [4, 1]])
def test_other_lanes_find_nothing(snapshots, lanes):
    snapshots.commit(written(snapshots))
    assert snapshots.find(lanes) is None


def test_another_race_another_format_and_another_version_find_nothing(snapshots, monkeypatch):
    snapshots.commit(written(snapshots))
    assert Snapshots(snapshots.folder, "other").find([3, 1]) is None
    for name, value in (("FORMAT", 2), ("__version__", "99")):
        with monkeypatch.context() as patch:
            patch.setattr(snapshot, name, value)
            assert snapshots.find([3, 1]) is None
    assert snapshots.find([3, 1]) is not None


def damage(path, how):
    data = path.read_bytes()
    if how == "truncated":
        path.write_bytes(data[: len(data) // 2])
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "foreign":
        path.write_bytes(b"not a snapshot at all" * 9)
    elif how == "huge header":
        path.write_bytes(struct.pack("<Q", 2**60) + data[8:])
    elif how == "pickle":
        path.write_bytes(pickle.dumps({"a": 1}))
    elif how == "no header of ours":
        save_file({"a": torch.zeros(1)}, path)
    elif how == "no JSON":
        save_file({"a": torch.zeros(1)}, path, metadata={"ravine": "{"})
    elif how == "another JSON":
        save_file({"a": torch.zeros(1)}, path, metadata={"ravine": json.dumps([1])})
    elif how == "one bit":
        path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    elif how == "a tensor less":
        with safe_open(path, framework="pt") as file:
            save_file({"a": file.get_tensor("a")}, path, metadata=file.metadata())


HARM = [
    "truncated",
    "empty",
    "foreign",
    "huge header",
    "pickle",
    "no header of ours",
    "no JSON",
    "another JSON",
    "one bit",
    "a tensor less",
]


@pytest.mark.parametrize("how", HARM)
def test_a_damaged_or_foreign_file_is_ignored(snapshots, how):
    snapshots.commit(written(snapshots))
    (path,) = snapshots.folder.iterdir()
    damage(path, how)
    assert snapshots.find([3, 1]) is None


def test_a_folder_that_cannot_be_written_is_said_once_and_ends_nothing(tmp_path):
    (tmp_path / "s").write_text("a file stands where the folder should be")
    snapshots = Snapshots(tmp_path / "s", "race", 0.0)
    assert snapshots.is_due
    remark = snapshots.write([0], 1, {}, lambda: STATE)
    assert isinstance(remark, Remark)
    assert f"no snapshot can be written to {tmp_path / 's'} (File exists): the" in remark.text
    assert "the race goes on" in remark.text
    assert not snapshots.is_due, "so that it is said once"


def test_what_a_killed_writer_left_behind_is_removed(snapshots):
    """`kill -9` in the middle of `save_file` leaves a file of its own making."""
    assert snapshots.commit(snapshots.write([0], 3, {}, dict))
    (snapshots.folder / ".tmpWj1sid").write_bytes(b"half")
    snapshots.keep([[0]])
    assert [path.name for path in snapshots.folder.iterdir()] == ["lanes-0-1.safetensors"]
    snapshots.clear()
    assert not snapshots.folder.exists()


def test_a_full_disk_leaves_no_draft(snapshots, monkeypatch):
    def full(state, path, metadata):
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(snapshot, "save_file", full)
    assert "No space left" in snapshots.write([0], 1, {}, lambda: STATE).text
    assert list(snapshots.folder.iterdir()) == []


def test_only_the_snapshots_of_tiles_to_go_on_are_kept(snapshots):
    for lanes in ((3, 1), (3,), (5, 6)):
        snapshots.commit(written(snapshots, lanes))
    written(snapshots, (5, 6), step=8)
    snapshots.keep([(3, 1), (7,)])
    assert [path.name for path in snapshots.folder.iterdir()] == ["lanes-3-2.safetensors"]
    assert snapshots.find([3, 1]) is not None


def test_a_draft_that_is_gone_cannot_be_committed(snapshots):
    saved = written(snapshots)
    snapshots.clear()
    assert not snapshots.commit(saved)


def test_slow_snapshots_become_rare(tmp_path, monkeypatch):
    now = [100.0]
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])
    snapshots = Snapshots(tmp_path / "s", "race", 10.0)

    def slow():
        now[0] += 3.0
        return STATE

    assert not snapshots.is_due
    now[0] += 10.0
    assert snapshots.is_due
    snapshots.write([0], 1, {}, slow)
    now[0] += 3.0 / snapshot.COST_SHARE - 1.0
    assert not snapshots.is_due
    now[0] += 1.0
    assert snapshots.is_due


def test_never_and_always(tmp_path):
    assert not Snapshots(tmp_path, "race", math.inf).is_due
    assert Snapshots(tmp_path, "race", 0.0).is_due


def test_a_tile_that_has_ended_leaves_nothing(snapshots):
    snapshots.commit(written(snapshots))
    snapshots.commit(written(snapshots, lanes=(5,)))
    snapshots.discard([3, 1])
    snapshots.discard([8])
    assert snapshots.find([3, 1]) is None
    assert snapshots.find([5]) is not None
    written(snapshots, lanes=(6,))
    snapshots.clear()
    assert not snapshots.folder.exists()


def test_only_files_of_ours_are_removed(snapshots):
    snapshots.commit(written(snapshots))
    (snapshots.folder / "notes.txt").write_text("mine")
    snapshots.clear()
    assert [path.name for path in snapshots.folder.iterdir()] == ["notes.txt"]


def test_a_copy_in_another_process_has_a_clock_and_a_question_of_its_own(tmp_path):
    snapshots = Snapshots(tmp_path, "race", 5.0)
    snapshots.is_ending = lambda: True
    copy = pickle.loads(pickle.dumps(snapshots))
    assert (copy.folder, copy.race, copy.every_s) == (tmp_path, "race", 5.0)
    assert not copy.is_ending()
