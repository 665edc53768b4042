"""A tile of one lane; that it equals a plain loop is held in tests/lanes/test_stand_alone.py."""

import numpy as np
import pytest
import torch
from torch import nn

from lane_models import TOLERANCE, fleet, gap, lanes, task
from ravine.fleet import Fleet
from ravine.fleet.native import compiler
from ravine.tasks import Task


def tied():
    net = nn.Sequential(nn.Linear(6, 6, bias=False), nn.Tanh(), nn.Linear(6, 6, bias=False), nn.Linear(6, 3))
    net[2].weight = net[0].weight
    return net.double()


def test_parameters_laid_end_to_end_still_move_the_module():
    tile = fleet("mlp")._tile(lanes(("sgd", {"lr": 0.1})), "loop", 5)
    before = tile.parameters(0)
    split = task("mlp").data.validation
    first = tile.metrics(split, 100)
    tile.run(5)
    assert all(not torch.equal(before[name], value) for name, value in tile.parameters(0).items())
    assert tile.metrics(split, 100)["loss"] != first["loss"]


@pytest.mark.parametrize("rate", [0.01, 1e30])
@pytest.mark.parametrize("name", ["mlp", "cnn"])
def test_a_step_decided_on_the_device_has_the_bits_of_one_decided_here(name, rate):
    looking, selecting = (fleet(name, torch.float32)._tile(lanes(("momentum", {"lr": rate})), "loop", 40) for _ in range(2))
    selecting._looks = False
    for count in (1, 20, 5):
        (losses, finite), (others, flags) = looking.run(count), selecting.run(count)
        assert np.array_equal(finite, flags)
        assert np.array_equal(losses[finite], others[finite])
    assert looking._is_alive == selecting._is_alive == (rate < 1)
    for key, tensor in looking.save().items():
        assert key.endswith(".age") or torch.equal(tensor, selecting.save()[key]), key


def test_evaluation_in_pieces_is_evaluation_at_once():
    tile = fleet("cnn")._tile(lanes(("sgd", {"lr": 0.1})), "loop", 5)
    tile.run(2)
    split = task("cnn").data.validation
    whole, pieces = tile.metrics(split, 100), tile.metrics(split, 3)
    for name, value in whole.items():
        assert pieces[name] == pytest.approx(value, rel=1e-7)
    assert tile._module.training, "and training goes on in training mode"


@pytest.mark.parametrize("mode", ["loop", "stacked"])
def test_tied_weights_stay_tied(mode):
    data = task("mlp").data
    engine = Fleet(Task("tied", tied, data.train, data.validation, nn.functional.cross_entropy, batch_size=4))
    tile = engine._tile(lanes(("adam", {"lr": 0.05})), mode, 8)
    assert len(tile.parameters(0)) == 3
    losses = tile.run(8)[0]
    assert np.allclose(losses, engine._tile(lanes(("adam", {"lr": 0.05})), "loop", 8).run(8)[0], rtol=1e-6)


def test_parameters_of_two_dtypes_form_two_blocks():
    class Mixed(nn.Module):
        def __init__(self):
            super().__init__()
            self.narrow, self.wide = nn.Linear(6, 4), nn.Linear(4, 3).double()

        def forward(self, x):
            return self.wide(self.narrow(x.float()).double())

    data = task("mlp").data
    engine = Fleet(Task("mixed", Mixed, data.train, data.validation, nn.functional.cross_entropy, batch_size=4))
    runs = [engine._tile(lanes(("adam", {"lr": 0.05})), mode, 8) for mode in ("loop", "stacked")]
    losses = [tile.run(8)[0] for tile in runs]
    assert np.allclose(*losses, rtol=1e-5)
    for tile in runs:
        assert {value.dtype for value in tile.parameters(0).values()} == {torch.float32, torch.float64}


def test_a_frozen_lane_takes_no_steps():
    tile = fleet("mlp")._tile(lanes(("sgd", {"lr": 0.1})), "loop", 5)
    tile.freeze(0)
    losses, finite = tile.run(3)
    assert np.isnan(losses).all()
    assert not finite.any()
    assert tile.done == 3


@pytest.mark.parametrize("mode", ["loop", "stacked"])
def test_a_finite_loss_beyond_float32_goes_on_and_is_recorded_as_the_largest_number(mode):
    data = task("mlp").data
    build = lambda: nn.Linear(6, 3).double()  # noqa: E731 - a factory
    for factor, survives in ((1e60, True), (np.inf, False)):
        engine = Fleet(
            Task("huge", build, data.train, data.validation, step=lambda m, b, f=factor: m(b[0]).square().mean() * f, batch_size=4)
        )
        losses, finite = engine._tile(lanes(("sgd", {"lr": 1e-62})), mode, 5).run(2)
        assert losses[0, 0] == (np.finfo(np.float32).max if survives else np.inf)
        assert finite.all() == survives


fused = pytest.mark.skipif(compiler() is None, reason="no C++ compiler")


@fused
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", ["mlp", "cnn"])
@pytest.mark.parametrize("optimizer", ["sgd", "adam", "lion"])
def test_a_native_update_trains_as_the_rules_text_does(name, optimizer, dtype):
    engine = fleet(name, dtype)
    plain, native = (engine._tile(lanes((optimizer, {"lr": 0.01})), mode, 20) for mode in ("loop", "fused"))
    assert native._native(native._blocks[0]) is not None
    losses = plain.run(20)[0]
    assert losses[0] != losses[-1]
    assert np.allclose(losses, native.run(20)[0], rtol=TOLERANCE[dtype])
    assert gap(list(native.parameters(0).values()), list(plain.parameters(0).values())) < TOLERANCE[dtype]


@fused
@pytest.mark.parametrize("steps", [3, 4])
def test_a_native_update_keeps_its_bits_over_a_break(steps):
    engine = fleet("cnn", torch.float32)
    whole, first, second = (engine._tile(lanes(("adam", {"lr": 0.01})), "fused", 12) for _ in range(3))
    losses = whole.run(12)[0]
    before = first.run(steps)[0]
    second.restore({name: tensor.clone() for name, tensor in first.save().items()})
    assert np.array_equal(np.concatenate([before, second.run(12 - steps)[0]]), losses)
    assert all(torch.equal(value, second.parameters(0)[name]) for name, value in whole.parameters(0).items())


@fused
def test_a_native_update_that_is_not_finite_is_not_taken_over():
    engine = fleet("mlp", torch.float32)
    plain, native = (engine._tile(lanes(("sgd", {"lr": 1e38})), mode, 10) for mode in ("loop", "fused"))
    (_, finite), (_, flags) = plain.run(10), native.run(10)
    assert not finite[-1].any()
    assert np.array_equal(finite, flags)
    assert all(bool(torch.isfinite(value).all()) for value in native.parameters(0).values())


@fused
def test_parameters_without_a_gradient_leave_the_native_update_too():
    class Late(nn.Module):
        """A second layer that joins after four batches; its own count is a buffer."""

        def __init__(self):
            super().__init__()
            self.first, self.second = nn.Linear(6, 3), nn.Linear(6, 3)
            self.register_buffer("calls", torch.zeros((), dtype=torch.int64))

        def forward(self, x):
            self.calls += 1
            return self.first(x) + (self.second(x) if int(self.calls) > 4 else 0)

    data = task("mlp").data
    engine = Fleet(Task("late", lambda: Late().double(), data.train, data.validation, nn.functional.cross_entropy, batch_size=4))
    plain, native = (engine._tile(lanes(("adam", {"lr": 0.05})), mode, 8) for mode in ("loop", "fused"))
    assert np.allclose(plain.run(8)[0], native.run(8)[0], rtol=1e-6)
    assert len(native._blocks) == 2
    assert [block.age for block in native._blocks] == [block.age for block in plain._blocks]


@fused
def test_a_rule_without_native_code_runs_its_text_in_a_fused_tile():
    engine = fleet("linear", torch.bfloat16)
    plain, native = (engine._tile(lanes(("adam", {"lr": 0.05})), mode, 6) for mode in ("loop", "fused"))
    assert np.array_equal(plain.run(6)[0], native.run(6)[0])
