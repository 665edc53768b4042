"""What calibration is offered for lanes at hand."""

import pytest
import torch

from lane_models import fleet, lanes, task
from ravine.fleet import Evaluations, candidates
from ravine.fleet.calibration import MOST_NATIVE_LANES, TRACE_SECONDS
from ravine.fleet.candidates import Trials
from ravine.fleet.native import Unsupported, compiler
from ravine.fleet.tile_run import quiet_threads

needs_compiler = pytest.mark.skipif(compiler() is None, reason="no C++ compiler")


def offered(engine, members, steps=20, evaluations=None):
    return Trials(engine, members, steps, evaluations, lambda part, mode: engine._tile(part, mode, steps)).candidates()


MEMBERS = (("sgd", {"lr": 1e30}), ("sgd", {"lr": 0.1}), ("adam", {}))


def test_sizes_shapes_and_blocks_are_those_of_the_run():
    engine = fleet("linear", torch.float32)
    evaluations = Evaluations({"validation": frozenset({0, 5, 10, 20})}, {"validation": engine.task.data.validation})
    found = offered(engine, lanes(*MEMBERS), 20, evaluations)
    assert (found.lanes, found.steps, found.block) == (3, 20, 5)
    assert found.tiles["loop"] == found.tiles["fused"] == 1
    assert found.tiles["native"] <= MOST_NATIVE_LANES < found.tiles["stacked"]
    assert found.groups == (2,)


def test_throw_away_lanes_stand_still_and_are_as_many_as_a_tile():
    engine = fleet("linear", torch.float32)
    found = offered(engine, lanes(*MEMBERS))
    for mode, number in (("loop", 1), ("stacked", 3)):
        with quiet_threads():
            tile, building, set_up = found.make(mode)
            before = tile.parameters(0)
            assert tile.run(3)[1].all(), "a lane that would diverge does not"
        assert len(tile.lanes) == number
        assert all(torch.equal(value, before[name]) for name, value in tile.parameters(0).items())
        assert building < 1e-3
        assert set_up > 0.0


@needs_compiler
def test_native_code_is_priced_built_and_then_known():
    engine = fleet("linear", torch.float32)
    found = offered(engine, lanes(*MEMBERS))
    assert found.trace_s == TRACE_SECONDS
    assert found.prepare("native") >= 0.0
    with quiet_threads():
        tile, *_ = found.make("native")
        assert tile.run(2)[1].all()
    assert found.prepare("native") == 0.0
    assert offered(engine, lanes(*MEMBERS)).trace_s == 0.0
    assert offered(engine, lanes(*MEMBERS, ("lion", {}))).trace_s == TRACE_SECONDS, "another rule is not known yet"


@needs_compiler
def test_a_native_update_is_priced_alone():
    engine = fleet("mlp", torch.float32)
    found = offered(engine, lanes(*MEMBERS))
    found.prepare("fused")
    with quiet_threads():
        tile, *_ = found.make("fused")
        assert tile.run(2)[1].all()
    assert len(tile.lanes) == 1
    half = fleet("linear", torch.bfloat16)
    with pytest.raises(Unsupported, match="bfloat16"):
        offered(half, lanes(*MEMBERS)).prepare("fused")


def test_without_a_compiler_torch_is_what_is_left(monkeypatch):
    monkeypatch.setattr(candidates, "compiler", lambda: None)
    monkeypatch.setattr(candidates.shutil, "which", lambda name: None)
    why = offered(fleet("linear", torch.float32), lanes(*MEMBERS)).why_not
    assert dict(why) == dict.fromkeys(("native", "fused", "compiled"), "no C++ compiler was found")


@needs_compiler
@pytest.mark.parametrize(("mode", "expected"), [("native", 0.1), ("loop", 0.9)])
def test_building_the_code_of_an_evaluation_is_no_part_of_one(mode, expected, monkeypatch):
    """However long the first one takes."""
    engine = fleet("linear", torch.float32)
    evaluations = Evaluations({"validation": frozenset({20})}, {"validation": engine.task.data.validation})
    now, each = [0.0], iter([0.9, 0.1, 0.1, 0.1])
    monkeypatch.setattr(candidates.time, "thread_time", lambda: now[0])
    found = offered(engine, lanes(*MEMBERS), evaluations=evaluations)
    with quiet_threads():
        tile, *_ = found.make(mode)
    monkeypatch.setattr(engine, "evaluate", lambda tile, split: now.__setitem__(0, now[0] + next(each)))
    assert found.evaluate(tile) == pytest.approx(expected, abs=0.01)


def test_evaluations_cost_as_often_as_they_come(monkeypatch):
    ticks = iter(range(10**6))
    monkeypatch.setattr(candidates.time, "thread_time", lambda: float(next(ticks)))
    engine = fleet("linear", torch.float32)
    split = {"validation": task("linear", torch.float32).data.validation}
    costs = []
    for grid in (frozenset({5, 10}), frozenset({2, 4, 6, 8})):
        found = offered(engine, lanes(*MEMBERS), 10, Evaluations({"validation": grid}, split))
        with quiet_threads():
            tile = engine._tile(lanes(*MEMBERS), "stacked", 10)
            costs.append(round(found.evaluate(tile)))
    assert costs == [2, 4], "one tick of the clock for each"
