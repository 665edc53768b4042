"""A folder of shards: whole or not at all, refused if one bit differs, and read without running anything."""

import pickle

import pytest
import torch

from ravine.base.errors import RecordError
from ravine.trainer import sharded_checkpoint
from ravine.trainer.checkpoint import Checkpoints
from ravine.trainer.distributed import ALONE
from ravine.trainer.sharded_checkpoint import INDEX, into, read_header, read_tensors, remove, write

TENSORS = {
    "weight": torch.arange(6.0).view(2, 3),
    "step": torch.tensor(4.0, dtype=torch.float64),
    "none": torch.zeros(0),
    "flags": torch.tensor([True, False]),
}


@pytest.fixture
def path(tmp_path):
    found = tmp_path / "checkpoint-000000004"
    write(found, {"format": 1, "step": 4}, TENSORS, ALONE)
    return found


def test_what_was_written_is_read(path):
    assert sorted(file.name for file in path.iterdir()) == [INDEX, "shard-00001-model-00001-of-00001.safetensors"]
    assert read_header(path)["step"] == 4
    found = read_tensors(path, None)
    assert found.keys() == TENSORS.keys()
    for name, tensor in TENSORS.items():
        assert found[name].dtype == tensor.dtype
        assert torch.equal(found[name], tensor)
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_reading_unpickles_nothing(path, monkeypatch):
    monkeypatch.setattr(pickle, "load", lambda *_, **__: pytest.fail("unpickled"))
    monkeypatch.setattr(pickle, "Unpickler", None)
    assert torch.equal(read_tensors(path, None)["weight"], TENSORS["weight"])
    assert not [file for file in path.iterdir() if file.read_bytes()[:1] == b"\x80"]


@pytest.mark.parametrize("change", ["bit", "cut", "gone", "header", "no index", "no json"])
def test_damage_is_refused(path, change):
    shard, index = next(path.glob("*.safetensors")), path / INDEX
    if change == "bit":
        content = bytearray(shard.read_bytes())
        content[-1] ^= 1
        shard.write_bytes(content)
    elif change == "cut":
        shard.write_bytes(shard.read_bytes()[:-4])
    elif change == "gone":
        shard.unlink()
    elif change == "header":
        index.write_text(index.read_text().replace('\\"step\\": 4', '\\"step\\": 5'))
    elif change == "no index":
        index.unlink()
    else:
        index.write_text("{")
    with pytest.raises(RecordError, match=r"is damaged: .* has another checksum than when|cannot be read \(.*cut short"):
        read_header(path)


def test_a_damaged_one_is_passed_by_and_replaced(path):
    with (path / INDEX).open("a") as index:
        index.write("x")
    checkpoints = Checkpoints(path.parent)
    write(path.parent / "checkpoint-000000003", {"format": 1, "step": 3}, TENSORS, ALONE)
    found, refused = checkpoints.latest()
    assert found.header["step"] == 3
    assert len(refused) == 1
    assert refused[0].endswith("The one before it is used.")
    checkpoints.save(4, {}, TENSORS, is_sharded=True)
    assert checkpoints.latest()[0].header["step"] == 4
    checkpoints.close()


def test_the_two_latest_of_both_kinds_stay(tmp_path):
    checkpoints = Checkpoints(tmp_path)
    for step, is_sharded in [(1, True), (2, False), (3, True), (4, False)]:
        checkpoints.save(step, {}, TENSORS, is_sharded=is_sharded)
    assert [path.name for path in checkpoints.paths()] == ["checkpoint-000000004.safetensors", "checkpoint-000000003"]
    checkpoints.discard()
    assert list(tmp_path.iterdir()) == []
    checkpoints.close()


def test_a_failure_leaves_what_was_there(path, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(sharded_checkpoint, "_finish", full)
    with pytest.raises(OSError, match="No space left"):
        write(path.parent / "checkpoint-000000005", {"format": 1}, TENSORS, ALONE)
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    assert read_header(path)["step"] == 4


def test_drafts_of_a_killed_process_are_removed(path):
    draft = path.parent / ".draft-dead"
    path.rename(draft)
    Checkpoints(draft.parent).close()
    assert list(draft.parent.iterdir()) == []


def test_another_format_is_refused(tmp_path):
    write(tmp_path / "checkpoint-000000001", {"format": 9}, TENSORS, ALONE)
    checkpoints = Checkpoints(tmp_path)
    with pytest.raises(RecordError, match="has format 9, and this ravine reads 1"):
        checkpoints.latest()
    checkpoints.close()


def test_removal(path):
    remove(path)
    assert list(path.parent.iterdir()) == []
    remove(path)


def test_whole_tensors_stay_as_they_are():
    tensor = torch.ones(2)
    assert into(sharded_checkpoint.whole, "x", tensor) is tensor
