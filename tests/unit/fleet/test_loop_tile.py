"""A tile of one lane; that it equals a plain loop is held in tests/lanes/test_stand_alone.py."""

import numpy as np
import pytest
import torch
from torch import nn

from lane_models import fleet, lanes, task
from ravine.fleet import Fleet
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
