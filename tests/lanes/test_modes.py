"""One module at a time, stacked, and compiled: the same training to rounding."""

import math

import pytest
import torch

from lane_models import COMPILED, HELD, LOOP, MIXED, STACKED, STEPS, TOLERANCE, Run, gap, lanes
from lane_models import shared_fleet as fleet

DTYPES = [torch.float32, torch.float64]


def assert_same(left, right, tolerance, lost=()):
    """Equal losses, evaluations, parameters, buffers and slots, lanes in `lost` left out."""
    for number in left.losses.keys() - set(lost):
        losses = left.losses[number]
        assert len(losses) == len(right.losses[number]) == STEPS
        assert losses == pytest.approx(right.losses[number], rel=max(tolerance, 1e-6))
        assert gap(left.everything(number), right.everything(number)) < tolerance
        assert left.values[number] == pytest.approx(right.values[number], rel=tolerance)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("name", HELD)
def test_stacked_lanes_equal_the_loop(name, dtype):
    engine = fleet(name, dtype)
    assert engine.support.stackable, engine.support.reason
    members = lanes(*MIXED)
    stacked = Run(engine, members, STACKED)
    assert_same(stacked, Run(engine, members, LOOP), TOLERANCE[dtype])
    # A run that never moves would agree with anything.
    assert all(losses[0] != losses[-1] for losses in stacked.losses.values())
    assert len({losses[-1] for losses in stacked.losses.values()}) == len(members)


@pytest.mark.parametrize("name", HELD)
def test_what_is_reported_does_not_depend_on_the_mode(name, monkeypatch):
    # A busy machine would cut the losses into more blocks.
    monkeypatch.setattr("ravine.fleet.tile_run.BLOCK_S", 1e9)
    engine, members = fleet(name), lanes(*MIXED)
    for choice in (STACKED, LOOP):
        run = Run(engine, members, choice)
        kinds = [type(event).__name__ for event in run.events]
        blocks = ["Started", "Evaluated", "LossBlock", "Evaluated", "LossBlock", "Evaluated", "Finished"]
        assert kinds == blocks * (1 if choice is STACKED else len(members))
        for number in range(len(members)):
            assert [step for step, metric in run.values[number] if metric == "loss"] == [0, 7, 20]
            assert all(math.isfinite(value) for value in run.values[number].values())


# Two rules and two layers: every further one costs the compiler seconds.
FEW = (("sgd", {"lr": 0.1}), ("sgd", {"lr": 0.02}), ("adam", {"lr": 1e-2}), ("sgd", {"lr": 1e308}))


@pytest.fixture(scope="module")
def compiled_twice():
    """A small fleet, and two runs of it: the second finds its step compiled."""
    engine = fleet("linear", torch.float32)
    return engine, Run(engine, lanes(*FEW), COMPILED), engine.compile_seconds, Run(engine, lanes(*FEW), COMPILED)


def assert_compiled(compiled, stacked, tolerance):
    assert_same(compiled, stacked, tolerance, lost=(3,))
    ends = [[event for event in run.events if type(event).__name__ == "Diverged"] for run in (compiled, stacked)]
    assert [(event.lane, event.step) for event in ends[0]] == [(event.lane, event.step) for event in ends[1]] != []
    assert gap(compiled.everything(3), stacked.everything(3)) < tolerance


@pytest.mark.compile
def test_compiled_lanes_equal_stacked_ones(compiled_twice):
    engine, compiled, *_ = compiled_twice
    assert_compiled(compiled, Run(engine, lanes(*FEW), STACKED), TOLERANCE[torch.float32])


@pytest.mark.compile
def test_tiles_of_one_shape_share_a_compiled_step(compiled_twice):
    engine, first, seconds, second = compiled_twice
    assert engine.compile_seconds == seconds > 0
    for number in range(len(FEW)):
        assert all(torch.equal(a, b) for a, b in zip(first.everything(number), second.everything(number), strict=True))


@pytest.mark.slow
@pytest.mark.compile
@pytest.mark.parametrize("name", ["cnn", "gru"])
def test_compiled_lanes_of_larger_models_equal_stacked_ones(name):
    engine = fleet(name, torch.float64)
    assert_compiled(Run(engine, lanes(*FEW), COMPILED), Run(engine, lanes(*FEW), STACKED), TOLERANCE[torch.float64])
