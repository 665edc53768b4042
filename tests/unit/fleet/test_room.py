"""Free memory, and what it holds."""

import pytest
import torch

from lane_models import STACKED, fleet, lanes, task
from ravine.base.errors import TaskError
from ravine.fleet import Fleet, room
from ravine.fleet.memory import FIRST_USE_BYTES, SLACK, Footprint
from ravine.fleet.room import SHARE, check_room, free_bytes, in_words, lanes_that_fit, workers_that_fit

FOOTPRINT = Footprint(parameters=2**20, buffers=0, slot_unit=2**20, activations=2**20, examples=4, batch=2**10, alone=2**24, stacked=2**25)


def test_this_machine_has_some_memory():
    assert 2**26 < free_bytes(torch.device("cpu")) < 2**50


def test_a_control_group_limits_what_is_free(tmp_path):
    assert room._left_in_group(tmp_path) == room._UNLIMITED
    old = tmp_path / "memory"
    old.mkdir()
    for name, text in (
        ("memory.limit_in_bytes", "900"),
        ("memory.usage_in_bytes", "500"),
        ("memory.stat", "cache 7\ntotal_inactive_file 100\n"),
    ):
        (old / name).write_text(text)
    assert room._left_in_group(tmp_path) == 500
    for name, text in (("memory.max", "400"), ("memory.current", "390"), ("memory.stat", "anon 3\ninactive_file 20\n")):
        (tmp_path / name).write_text(text)
    assert room._left_in_group(tmp_path) == 30
    (tmp_path / "memory.max").write_text("max\n")
    assert room._left_in_group(tmp_path) == 500


def test_available_memory_is_read_in_kibibytes(tmp_path):
    (tmp_path / "meminfo").write_text("MemTotal: 9 kB\nMemAvailable:    3 kB\n")
    assert room._available(tmp_path / "meminfo") == 3 * 1024
    assert room._available(tmp_path / "none") == room._UNLIMITED


def test_more_lanes_fit_into_more_room():
    one = FOOTPRINT.peak(2, stacked=True) + FOOTPRINT.batch
    enough = (10 * one * SLACK + FIRST_USE_BYTES) / SHARE
    members = lanes(("sgd", {}), ("adam", {}))
    assert lanes_that_fit(FOOTPRINT, members, int(enough * 1.001)) == 10
    assert lanes_that_fit(FOOTPRINT, members, int(enough * 0.999)) == 9
    assert lanes_that_fit(FOOTPRINT, members, 0) == 1


def test_too_little_memory_for_one_lane_is_said_before_the_race():
    members = lanes(("adam", {}))
    with pytest.raises(TaskError, match=r"one lane of task 'x' needs about 1\d\d MiB .*3 MiB of it .* 4 examples\), and 1 MiB is free"):
        check_room(FOOTPRINT, members, 2**20, "x")
    check_room(FOOTPRINT, members, 2**30, "x")
    with pytest.raises(TaskError, match="smaller batch or a smaller model"):
        Fleet(task("mlp"), room_bytes=2**20).calibrate(members, 10)


def test_tiles_are_cut_to_the_room_and_the_choice_says_so(monkeypatch):
    members = lanes(*[("adam", {"lr": 0.01})] * 12)
    engine = fleet("mlp")
    assert engine.tile_size(members) > 12
    one = engine.support.footprint.peak(2, stacked=True) + engine.support.footprint.batch
    engine.room_bytes = int((4.5 * one * SLACK + FIRST_USE_BYTES) / SHARE) + 1
    assert engine.tile_size(members) == 4
    monkeypatch.setattr("ravine.fleet.fleet.calibrate", lambda candidates: type(STACKED)("stacked", candidates.tiles["stacked"], "fastest"))
    choice = engine.calibrate(members, 10)
    assert choice.tile == 4
    assert choice.reason.startswith("fastest; tiles of 4 lanes, so that 8")
    assert choice.reason.endswith("MiB suffice")


def test_workers_are_as_many_as_memory_holds():
    assert workers_that_fit(2**30, 2**30) == 1
    assert workers_that_fit(2**28, 4 * 2**30) == 6


def test_bytes_in_words():
    assert [in_words(number) for number in (512, 3 * 2**20, 5 * 2**29)] == ["0.5 KiB", "3 MiB", "2.5 GiB"]


def test_memory_that_ends_while_the_model_is_probed_is_said_in_one_sentence(monkeypatch):
    def starved(*_, **__):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes")

    monkeypatch.setattr("ravine.fleet.fleet.probe", starved)
    with pytest.raises(TaskError, match=r"memory does not suffice for one batch of 4 examples of task 'linear'"):
        _ = fleet("linear").support
