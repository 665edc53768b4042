"""The description of a lane's steps: which memory a step reads and writes."""

import numpy as np
import pytest
import torch

from lane_models import fleet, lanes
from ravine.fleet.native import compiler, leaves

pytestmark = pytest.mark.skipif(compiler() is None, reason="no C++ compiler was found")


def test_leaves_of_a_tree_are_contiguous():
    tree = {"x": torch.arange(6).view(2, 3).t(), "y": (torch.ones(2),)}
    assert all(leaf.is_contiguous() for leaf in leaves(tree))
    assert [leaf.tolist() for leaf in leaves(tree)] == [[[0, 3], [1, 4], [2, 5]], [1.0, 1.0]]


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_a_lanes_state_lies_in_its_own_memory_after_odd_and_even_numbers_of_steps(steps):
    tile = fleet("mlp")._tile(lanes(("momentum", {"lr": 0.1}), ("momentum", {"lr": 0.1})), "native", 5)
    before = tile._memory.parameters.clone()
    tile.run(steps)
    assert not torch.equal(tile._memory.parameters, before)
    assert torch.equal(tile._memory.parameters[0], tile._memory.parameters[1])
    assert np.all([slot.abs().sum() > 0 for slot in tile._memory.slots])
