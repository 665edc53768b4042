"""A tile that memory does not hold is halved, and nothing is told twice."""

import numpy as np
import pytest
import torch

from lane_models import STACKED, STEPS, Run, fleet, lanes
from ravine.base.errors import TaskError
from ravine.fleet import Remark, shrinking
from ravine.fleet.shrinking import is_out_of_memory
from ravine.fleet.stacked_tile import StackedTile

FAILURES = [
    MemoryError(),
    torch.OutOfMemoryError("CUDA out of memory"),
    RuntimeError("[enforce fail at alloc_cpu.cpp:121] . DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
    RuntimeError("DefaultCPUAllocator: not enough memory"),
]


def starve(monkeypatch, most, error=FAILURES[2], after=0):
    """Tiles of more than `most` lanes fail, at their first step or a later one."""
    original = StackedTile.run

    def run(self, num_steps):
        if len(self.lanes) > most and self.done >= after:
            raise type(error)(*error.args)
        return original(self, num_steps)

    monkeypatch.setattr(StackedTile, "run", run)


def entries(number):
    return lanes(*[("adam", {"lr": 0.002 * (k + 1)}) for k in range(number)])


@pytest.mark.parametrize("error", FAILURES, ids=lambda error: str(error)[:20] or "MemoryError")
def test_what_says_that_memory_did_not_suffice(error):
    assert is_out_of_memory(error)
    wrapped = TaskError("the model raised")
    wrapped.__cause__ = error
    assert is_out_of_memory(wrapped)


def test_other_errors_are_no_lack_of_memory():
    assert not is_out_of_memory(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
    assert not is_out_of_memory(None)


@pytest.mark.parametrize("after", [0, 7], ids=["at the first step", "at a later one"])
def test_the_run_goes_on_with_half_as_many_lanes_and_the_same_bits(monkeypatch, after):
    members = entries(16)
    plain = Run(fleet("transformer", torch.float32), members, STACKED)
    starve(monkeypatch, 8, after=after)
    found = Run(fleet("transformer", torch.float32), members, STACKED)
    (remark,) = [event for event in found.events if isinstance(event, Remark)]
    assert remark.text == "memory did not suffice for 16 lanes at a time; they go on 8 at a time"
    for number in range(16):
        assert len(found.losses[number]) == STEPS
        assert np.array_equal(found.losses[number], plain.losses[number])
        assert found.values[number] == pytest.approx(plain.values[number], rel=1e-6)
        assert all(torch.equal(a, b) for a, b in zip(found.everything(number), plain.everything(number), strict=True))
    told = [(event.first_step, event.lanes) for event in found.events if type(event).__name__ == "LossBlock"]
    assert len(told) == len(set(told))


def test_tiles_that_follow_are_small_from_the_start(monkeypatch):
    starve(monkeypatch, 3)
    engine = fleet("linear")
    found = Run(engine, entries(12), type(STACKED)("stacked", 6, "by hand"))
    assert [event.text for event in found.events if isinstance(event, Remark)] == [
        "memory did not suffice for 6 lanes at a time; they go on 3 at a time"
    ]
    assert sorted(found.losses) == list(range(12))


def test_memory_of_the_tile_that_failed_is_free_before_the_next_begins(monkeypatch):
    starve(monkeypatch, 4)
    alive = []
    original = StackedTile.__init__

    def remember(self, members, models, training):
        import weakref

        alive.append((len(members), sum(ref() is not None for _, _, ref in alive), weakref.ref(self)))
        original(self, members, models, training)

    monkeypatch.setattr(StackedTile, "__init__", remember)
    engine = fleet("linear")
    members = entries(8)
    for _ in engine.run(members, 5, type("None", (), {"at": {}, "splits": {}, "marks": lambda self, steps: [steps]})(), STACKED):
        pass
    assert [(number, held) for number, held, _ in alive][:2] == [(8, 0), (4, 0)]


def test_one_lane_too_many_is_an_error(monkeypatch):
    starve(monkeypatch, 0)
    with pytest.raises(TaskError, match="memory did not suffice for lane 0 alone: use a smaller batch or a smaller model"):
        Run(fleet("linear"), entries(2), STACKED)


def test_other_errors_end_the_run(monkeypatch):
    starve(monkeypatch, 1, error=ValueError("something else"))
    with pytest.raises(ValueError, match="something else"):
        Run(fleet("linear"), entries(4), STACKED)
    assert shrinking.Shrinking()._most is None
