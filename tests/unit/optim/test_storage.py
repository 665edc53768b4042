import pytest
import torch

from ravine.base.errors import InputError
from ravine.optim import _storage
from ravine.optim._storage import Storage
from ravine.rules import Slot

BF16 = torch.bfloat16


def test_a_dtype_is_kept_by_its_name():
    assert Storage.of({"state_dtype": BF16}).state_dtype == "bfloat16"
    assert _storage.spelt({"state_dtype": BF16, "lr": 1.0}) == {"state_dtype": "bfloat16", "lr": 1.0}
    assert Storage.of({}) == Storage()


@pytest.mark.parametrize("group", [{"state_dtype": torch.float16}, {"state_dtype": 8}, {"seed": True}, {"seed": 0.5}])
def test_what_does_not_exist_is_refused(group):
    with pytest.raises(InputError, match="for group 3"):
        _storage.check(group, where="group 3")


def test_formats_follow_slot_and_size():
    large, small = torch.zeros(64, 64), torch.zeros(8)
    first, second = Slot("m", "m"), Slot("v", "v", unsigned=True)
    eight, half = Storage("8bit"), Storage("bfloat16")
    assert [eight.format_of(slot, large) for slot in (first, second)] == [torch.int8, torch.uint8]
    assert eight.format_of(first, small) == torch.float32
    assert half.format_of(first, small) == BF16
    for storage in (eight, half, Storage()):
        assert storage.format_of(Slot("z", "z", copies=True), large) == torch.float32
        assert storage.format_of(Slot("r", "r", shape=lambda shape: shape[:1]), large) == torch.float32
    assert Storage().format_of(first, large.double()) == torch.float64


def test_opening_widens_and_closing_narrows():
    param = torch.ones(64, 64, dtype=BF16)
    codes, scale = _storage.keep(torch.full((64, 64), 0.5), torch.int8)
    kept = {"m": codes, "m_scale": scale, "v": torch.ones(64, 64, dtype=BF16), "compensation": torch.full((64, 64), 2**-10, dtype=BF16)}
    p, slots = _storage.opened(param, kept)
    assert p.unique().tolist() == [1 + 2**-10]
    assert {symbol: value.dtype for symbol, value in slots.items()} == {"m": torch.float32, "v": torch.float32}
    after = _storage.closed(param, p + 2**-11, slots, kept)
    assert param.unique().tolist() == [1.0]
    assert after["compensation"].unique().tolist() == [2**-10 + 2**-11]
    assert {name: after[name].dtype for name in kept} == {name: value.dtype for name, value in kept.items()}


def test_a_master_is_the_weight():
    param = torch.zeros(3, dtype=BF16)
    kept = {"master": torch.full((3,), 1 + 2**-12)}
    p, _ = _storage.opened(param, kept)
    assert p is kept["master"]
    after = _storage.closed(param, p + 2**-12, {}, kept)
    assert after["master"].tolist() == [1 + 2**-11] * 3
    assert param.tolist() == [1.0] * 3


def test_wide_weights_are_opened_as_they_are():
    param = torch.ones(3)
    p, _ = _storage.opened(param, {"m": torch.zeros(3)})
    assert p is param
    assert _storage.closed(param, param, {"m": torch.ones(3)}, {"m": torch.zeros(3)})["m"].tolist() == [1.0] * 3


def test_plain_is_what_a_driver_takes_as_it_is():
    wide = torch.zeros(3)
    assert _storage.is_plain([{"m": wide}])
    key = torch.zeros((), dtype=torch.int32)
    for own in ({"m": wide.to(BF16)}, {"m": wide, "m_scale": wide}, {"master": wide}, {"m": wide, "_key": key}):
        assert not _storage.is_plain([own])


def test_whole_tensors_are_their_own_part():
    whole = torch.zeros(3)
    assert _storage.local(whole) is whole
    assert _storage.distributed(whole, whole) is whole
    assert _storage.offset(whole) == 0
    assert not _storage.is_sharded(whole)
