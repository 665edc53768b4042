import errno

import torch

from ravine.fleet.durable import apart, digest, reason, sync


def test_views_and_shared_tensors_get_memory_of_their_own():
    whole = torch.arange(6.0)
    held = apart({"whole": whole, "again": whole, "part": whole[:2], "grown": torch.ones(2, requires_grad=True)})
    assert {name: tensor.tolist() for name, tensor in held.items()}["part"] == [0.0, 1.0]
    assert len({tensor.data_ptr() for tensor in held.values()}) == 4
    assert not any(tensor.requires_grad for tensor in held.values())


def test_a_digest_sees_every_bit_name_and_header():
    tensors = {"a": torch.zeros(3), "b": torch.ones(2, 2)}
    others = [{**tensors, "a": torch.tensor([0.0, -0.0, 0.0])}, {"a": tensors["a"], "c": tensors["b"]}, {**tensors, "b": torch.ones(4)}]
    assert len({digest("", each) for each in (tensors, *others)} | {digest("x", tensors)}) == 5
    assert digest("", tensors) == digest("", dict(reversed(tensors.items())))


def test_a_reason_is_half_a_sentence():
    assert reason(OSError(errno.ENOSPC, "No space left on device")) == "No space left on device"
    assert reason(ValueError("it broke.\nmore")) == "it broke"
    assert reason(ValueError()) == "ValueError"


def test_files_and_folders_can_be_waited_for(tmp_path):
    (tmp_path / "a").write_text("a", encoding="utf-8")
    sync(tmp_path / "a")
    sync(tmp_path)
