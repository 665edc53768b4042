"""The functional step that is traced; compiled results are held in tests/lanes/test_modes.py."""

import pytest
import torch
from torch.utils import _pytree as pytree

from lane_models import fleet, lanes
from ravine.fleet.tracing import compile_step, unpack


def test_scalars_are_unpacked_by_name_and_group():
    packed = [torch.arange(6.0).view(2, 3), torch.arange(2.0).view(1, 2)]
    found = unpack([("lr", "beta"), ("lr",)], packed)
    assert {name: value.tolist() for name, value in found[0].items()} == {"lr": [0.0, 1.0, 2.0], "beta": [3.0, 4.0, 5.0]}
    assert found[1]["lr"].tolist() == [0.0, 1.0]


def test_the_functional_step_changes_nothing_in_place():
    tile = fleet("cnn")._tile(lanes(("adam", {"lr": 0.1}), ("sgd", {"lr": 0.1})), "stacked", 5)
    before = [leaf.clone() for leaf in pytree.tree_leaves((tile.state.parameters, tile.state.buffers, tile.state.slots))]
    old = tile.state
    with torch.no_grad():
        new, losses, alive = tile._live.functional(old, [block[0] for block in tile._scalars(tile._live, 1)], tile._alive_L, tile._peek())
    after = pytree.tree_leaves((old.parameters, old.buffers, old.slots))
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))
    assert not torch.equal(new.parameters["model.layers.6.weight"], old.parameters["model.layers.6.weight"])
    assert not torch.equal(new.buffers["model.layers.1.running_mean"], old.buffers["model.layers.1.running_mean"])
    assert (losses.shape, alive.tolist()) == ((2,), [True, True])


@pytest.mark.compile
def test_compiling_takes_no_step():
    tile = fleet("linear")._tile(lanes(("sgd", {"lr": 0.1})), "stacked", 5)
    before = tile.parameters(0)
    step, seconds = compile_step(
        tile._live.functional, tile.groups, tile.state, ([block[0] for block in tile._scalars(tile._live, 1)], tile._alive_L, tile._peek())
    )
    assert all(torch.equal(before[name], value) for name, value in tile.parameters(0).items())
    assert seconds > 0
    losses, alive = step(tile.state, [block[0] for block in tile._scalars(tile._live, 1)], tile._alive_L, tile._peek())
    assert all(not torch.equal(before[name], value) for name, value in tile.parameters(0).items())
    assert (losses.shape, alive.tolist()) == ((1,), [True])
