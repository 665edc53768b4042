"""Recorded steps with a recorder that calls instead of recording: everything but CUDA itself, which is in tests/gpu/."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from lane_models import HELD, Run, fleet, lanes
from ravine.fleet import Choice, Remark
from ravine.fleet.assembly import same_state
from ravine.fleet.graphs import BLOCK_STEPS, WARM_UPS, Recorder

SEEDS = {"mlp": 1, "cnn": 0, "transformer": 1, "gru": 0}
"""Seed of the second lane; the CNN draws random numbers, so that its lanes share one."""


def called(body, device):
    """Stands for `cuda_graph`: the body is run where it would be replayed."""
    for _ in range(WARM_UPS + 1):
        body()
    return body


def tiles(name, *members, record=called):
    """Two tiles of the same lanes, the second with recorded steps."""
    plain, recorded = (fleet(name, torch.float32)._tile(lanes(*members), "stacked", 300) for _ in range(2))
    recorded._recorder = Recorder(recorded._training, record)
    return plain, recorded


def same_blocks(left, right):
    return all(np.array_equal(a, b, equal_nan=True) for a, b in zip(left, right, strict=True))


@pytest.mark.parametrize("name", HELD)
def test_recorded_steps_have_the_bits_of_plain_ones(name):
    """Over a block's end, with a lane that diverges and one that is frozen."""
    members = ("adam", {"lr": 0.01}), ("adam", {"lr": 0.02}, SEEDS[name]), ("sgd", {"lr": 1e30}), ("momentum", {"lr": 0.02})
    plain, recorded = tiles(name, *members)
    for count in (1, 7, BLOCK_STEPS + 3):
        assert same_blocks(plain.run(count), recorded.run(count))
    assert plain._alive_L.tolist() == recorded._alive_L.tolist()
    # The GRU saturates and goes on with parameters of any size.
    assert name == "gru" or not recorded._alive_L[2]
    for tile in (plain, recorded):
        tile.freeze(0)
    losses, finite = recorded.run(5)
    assert same_blocks(plain.run(5), (losses, finite))
    assert not finite[:, 0].any()
    assert finite[:, 3].all()
    assert recorded._recorder.reason == ""
    assert same_state(plain.state, recorded.state)


def test_a_full_batch_has_no_indices():
    two = [fleet("linear", torch.float32, batch_size=None)._tile(lanes(("adam", {}), ("sgd", {}, 1)), "stacked", 9) for _ in range(2)]
    two[1]._recorder = Recorder(two[1]._training, called)
    assert same_blocks(two[0].run(5), two[1].run(5))


def test_warming_up_changes_no_state():
    plain, recorded = tiles("cnn", ("adam", {"lr": 0.1}), ("momentum", {"lr": 0.1}))
    scalars, rows = recorded._scalars(recorded._live, 2), recorded._rows(2)
    assert recorded._recorder.step(recorded._live, scalars, rows) is not None
    assert same_state(plain.state, recorded.state)


def test_a_step_is_recorded_once_and_again_when_the_state_moves():
    recordings = []

    def counted(body, device):
        recordings.append(body)
        return called(body, device)

    plain, recorded = tiles("mlp", ("adam", {}), ("sgd", {}), record=counted)
    for _ in range(3):
        recorded.run(4)
    assert len(recordings) == 1
    state = recorded.state
    state.parameters = {name: stack.clone() for name, stack in state.parameters.items()}
    recorded.state = state
    plain.run(12)
    assert same_blocks(plain.run(4), recorded.run(4))
    assert len(recordings) == 2


def test_what_cannot_be_recorded_runs_step_by_step_and_says_why():
    def fails(body, device):
        body()
        raise RuntimeError("operation not permitted when stream is capturing\nmore")

    plain, recorded = tiles("mlp", ("adam", {}), ("sgd", {}, 1), record=fails)
    assert same_blocks(plain.run(5), recorded.run(5))
    assert same_blocks(plain.run(5), recorded.run(5))
    assert recorded._recorder.reason == "RuntimeError: operation not permitted when stream is capturing"


def test_a_run_says_once_why_its_steps_are_not_recorded(monkeypatch):
    def fails(body, device):
        raise RuntimeError("no")

    engine = fleet("linear", torch.float32)
    original = engine._tile

    def with_recorder(*arguments):
        tile = original(*arguments)
        tile._recorder = Recorder(tile._training, fails)
        return tile

    monkeypatch.setattr(engine, "_tile", with_recorder)
    run = Run(engine, lanes(("adam", {}), ("sgd", {})), Choice("stacked", 1, "by hand"))
    remarks = [event.text for event in run.events if isinstance(event, Remark)]
    assert remarks == ["steps are launched kernel by kernel, which is slower than a CUDA graph: RuntimeError: no"]


def test_a_snapshot_of_recorded_steps_goes_on_as_if_never_taken():
    plain, recorded = tiles("cnn", ("adam", {"lr": 0.01}), ("momentum", {"lr": 0.01}))
    plain.run(6)
    recorded.run(6)
    fresh = tiles("cnn", ("adam", {"lr": 0.01}), ("momentum", {"lr": 0.01}))[1]
    fresh.restore({name: tensor.clone() for name, tensor in recorded.save().items()})
    assert same_blocks(plain.run(5), fresh.run(5))
    assert same_state(plain.state, fresh.state)


def test_a_forward_that_looks_at_the_batch_is_never_recorded():
    training = fleet("mlp")._tile(lanes(("sgd", {})), "stacked", 3)._training
    recorder = Recorder(replace(training, support=replace(training.support, is_mixable=False)), called)
    assert recorder.reason == "its forward looks at values of the batch"


@pytest.mark.compile
def test_a_compiled_step_can_be_recorded():
    members = ("sgd", {"lr": 0.1}), ("sgd", {"lr": 1e30})
    engine = fleet("linear", torch.float32)
    plain, recorded = (engine._tile(lanes(*members), "compiled", 20) for _ in range(2))
    recorded._recorder = Recorder(recorded._training, called)
    assert same_blocks(plain.run(9), recorded.run(9))
    assert same_state(plain.state, recorded.state)
