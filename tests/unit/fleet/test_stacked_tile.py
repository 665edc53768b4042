"""Stacked lanes; that they equal the loop is held in tests/lanes/."""

import pytest
import torch

from lane_models import fleet, lanes, task


def test_parameters_of_a_lane_are_copies():
    tile = fleet("mlp")._tile(lanes(("sgd", {}), ("adam", {})), "stacked", 5)
    tile.parameters(0)["model.temperature"].fill_(9.0)
    assert tile.state.parameters["model.temperature"].tolist() == [1.0, 1.0]


def test_evaluation_changes_no_state():
    tile = fleet("cnn")._tile(lanes(("sgd", {"lr": 0.1}), ("adam", {})), "stacked", 5)
    tile.run(2)
    before = {name: stack.clone() for name, stack in (tile.state.parameters | tile.state.buffers).items()}
    whole, pieces = tile.metrics(task("cnn").data.validation, 100), tile.metrics(task("cnn").data.validation, 3)
    assert all(torch.equal(before[name], stack) for name, stack in (tile.state.parameters | tile.state.buffers).items())
    for name, value in whole.items():
        assert value.shape == (2,)
        assert pieces[name] == pytest.approx(value, rel=1e-7)


def test_losses_and_finiteness_have_a_column_for_each_lane():
    losses, finite = fleet("mlp", torch.float32)._tile(lanes(("sgd", {"lr": 1e38}), ("adam", {})), "stacked", 5).run(4)
    assert losses.shape == finite.shape == (4, 2)
    assert str(losses.dtype) == "float32"
    assert finite[:, 1].all()
    assert not finite[-1, 0]


@pytest.mark.parametrize("seeds", [(0, 0), (1, 2)])
def test_an_example_batch_has_the_shape_of_a_real_one_and_costs_none(seeds):
    tile = fleet("linear")._tile(lanes(*(("sgd", {}, seed) for seed in seeds)), "stacked", 5)
    example = tile._peek()
    assert example[0].shape == next(iter(tile._batches(1)))[0].shape
    assert tile.run(1)[0].shape == (1, 2)
