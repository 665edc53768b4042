"""Checkpoints: whole or not there, refused where a bit differs, and nothing executed."""

import errno
import os
import subprocess
import sys

import pytest
import torch
from torch import nn

from ravine.base.errors import InputError, RecordError
from ravine.trainer import checkpoint
from ravine.trainer.checkpoint import Checkpoints, fill, last_header, load_weights, opened, read, write

TENSORS = {"a": torch.arange(6.0).view(2, 3), "b": torch.tensor(3), "empty": torch.empty(0), "half": torch.ones(3, dtype=torch.bfloat16)}


def saved(folder, *steps):
    with opened(folder) as checkpoints:
        return [checkpoints.save(step, {"kind": "test"}, TENSORS) for step in steps]


def test_header_and_tensors_come_back(tmp_path):
    [path] = saved(tmp_path, 7)
    found = read(path)
    assert found.header["kind"] == "test"
    assert found.header["step"] == 7
    assert found.tensors.keys() == TENSORS.keys()
    assert all(torch.equal(found.tensors[name], tensor) and found.tensors[name].dtype == tensor.dtype for name, tensor in TENSORS.items())


def test_tensors_that_share_memory_are_written_apart(tmp_path):
    base = torch.arange(4.0)
    write(tmp_path / "x.safetensors", {}, {"all": base, "part": base[:2], "turned": base.view(2, 2).t()})
    found = read(tmp_path / "x.safetensors").tensors
    assert found["part"].tolist() == [0.0, 1.0]
    assert found["turned"].tolist() == [[0.0, 2.0], [1.0, 3.0]]


def test_the_two_latest_are_kept_and_drafts_of_the_dead_removed(tmp_path):
    (tmp_path / ".draft-dead").write_text("")
    (tmp_path / ".tmpabc").write_text("")
    (tmp_path / "mine.txt").write_text("")
    saved(tmp_path, 1, 20, 300)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "checkpoint-000000020.safetensors",
        "checkpoint-000000300.safetensors",
        "mine.txt",
    ]


@pytest.mark.parametrize("keep", [0, 7, 100, -1], ids=lambda keep: f"keep{keep}")
def test_a_truncated_one_is_refused_and_the_one_before_it_used(tmp_path, keep):
    first, last = saved(tmp_path, 1, 2)
    last.write_bytes(last.read_bytes()[:keep])
    with opened(tmp_path) as checkpoints:
        found, refused = checkpoints.latest()
    assert found.path == first
    [sentence] = refused
    assert sentence.startswith(f"{last} cannot be read (")
    assert sentence.endswith("): it was cut short or is no checkpoint. The one before it is used.")


@pytest.mark.parametrize("place", [-1, -20, 150])
def test_a_changed_bit_is_found(tmp_path, place):
    [path] = saved(tmp_path, 1)
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(RecordError, match=r"is damaged: its contents have another checksum|cannot be read"):
        read(path)


def test_where_none_can_be_read_it_is_said(tmp_path):
    [path] = saved(tmp_path, 1)
    path.write_bytes(b"")
    with (
        opened(tmp_path) as checkpoints,
        pytest.raises(RecordError, match=r"no checkpoint can be read\. .*000000001\.safetensors cannot be read"),
    ):
        checkpoints.latest()


def test_pickled_code_is_never_run(tmp_path):
    class Trap:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "sprung"),)

    path = tmp_path / "checkpoint-000000001.safetensors"
    torch.save(Trap(), path)
    with pytest.raises(RecordError, match="cannot be read"):
        read(path)
    assert not (tmp_path / "sprung").exists()


def test_another_programs_file_is_refused(tmp_path):
    from safetensors.torch import save_file

    save_file({"a": torch.ones(1)}, tmp_path / "x.safetensors")
    with pytest.raises(RecordError, match="is not a checkpoint of ravine: another program wrote it"):
        read(tmp_path / "x.safetensors")


def test_a_newer_format_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint, "FORMAT", 2)
    write(tmp_path / "x.safetensors", {}, TENSORS)
    monkeypatch.undo()
    with pytest.raises(RecordError, match=r"has format 2, and this ravine reads 1\. Use the ravine that wrote it"):
        read(tmp_path / "x.safetensors")


def test_a_full_disk_leaves_the_last_good_one(tmp_path, monkeypatch):
    [path] = saved(tmp_path, 1)

    def full(tensors, draft, metadata):
        draft.write_bytes(b"half of it")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(checkpoint, "save_file", full)
    with opened(tmp_path) as checkpoints, pytest.raises(OSError, match="No space left"):
        checkpoints.save(2, {}, TENSORS)
    assert [found.name for found in tmp_path.iterdir()] == [path.name]
    assert read(path).header["step"] == 1


def test_a_file_has_its_name_only_once_it_is_on_the_disk(tmp_path, monkeypatch):
    order = []
    real = checkpoint.sync
    monkeypatch.setattr(
        checkpoint, "sync", lambda path: (order.append((path.name[:6], sorted(p.name[:6] for p in tmp_path.iterdir()))), real(path))
    )
    saved(tmp_path, 1)
    assert order == [(".draft", [".draft"]), (tmp_path.name[:6], ["checkp"])]


def test_two_processes_do_not_train_in_one_folder(tmp_path):
    code = f"from pathlib import Path; from ravine.trainer.checkpoint import Checkpoints; Checkpoints(Path({str(tmp_path)!r}))"
    with opened(tmp_path):
        ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "is in use: another process trains there. Give another folder, or wait." in ended.stderr
    with opened(tmp_path):
        pass


def test_a_folder_that_cannot_be_made_is_said(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"file cannot be written: it is a file, and a training is a folder; give another"):
        Checkpoints(tmp_path / "file")


def test_weights_of_another_model_are_refused_by_the_first_that_differs(tmp_path):
    write(tmp_path / "w.safetensors", {}, nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 2)).state_dict())
    model = nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 5))
    expected = r"1\.weight is float32 of shape \(2, 2\) there and float32 of shape \(5, 2\) here\. Train the model that was saved"
    with pytest.raises(InputError, match=expected):
        load_weights(model, tmp_path / "w.safetensors")
    with pytest.raises(InputError, match=r"1\.bias is float32 of shape \(2,\) there and missing here"):
        load_weights(nn.Sequential(nn.Linear(3, 2)), tmp_path / "w.safetensors")
    with pytest.raises(InputError, match=r"0\.weight is float32 of shape \(2, 3\) there and bfloat16 of shape \(2, 3\) here"):
        fill(nn.Sequential(nn.Linear(3, 2)).bfloat16(), read(tmp_path / "w.safetensors").tensors, where="w")


def test_a_folder_knows_what_it_is_of_and_since_when(tmp_path, monkeypatch):
    assert last_header(tmp_path / "none") == last_header(tmp_path) == {}
    with opened(tmp_path) as checkpoints:
        for step, now in ((1, 10.0), (2, 20.0), (3, 30.0)):
            monkeypatch.setattr(checkpoint.time, "time", lambda now=now: now)
            checkpoints.save(step, {"task": "line"}, TENSORS, is_sharded=step == 2)
    assert (last_header(tmp_path)["task"], last_header(tmp_path)["saved_s"]) == ("line", 30.0)
    # The one before it counts where the last one cannot be read, of either kind.
    (tmp_path / "checkpoint-000000003.safetensors").write_bytes(b"cut")
    assert last_header(tmp_path)["saved_s"] == 20.0
    (tmp_path / "checkpoint-000000002" / "checkpoint.json").unlink()
    assert last_header(tmp_path) == {}


def test_a_folder_that_was_made_for_nothing_is_gone_again(tmp_path):
    (tmp_path / "mine").mkdir()
    for name in ("mine", "new"):
        with opened(tmp_path / name):
            assert (tmp_path / name).is_dir()
    with opened(tmp_path / "used") as checkpoints:
        checkpoints.save(1, {}, TENSORS)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine", "used"]


def test_discarding_leaves_other_files(tmp_path):
    saved(tmp_path, 1, 2)
    (tmp_path / "mine.txt").write_text("")
    with opened(tmp_path) as checkpoints:
        checkpoints.discard()
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
