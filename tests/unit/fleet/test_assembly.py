"""State moved out of a stack and back; that the rest keep their bits is held in tests/lanes/test_compaction.py."""

import pytest
import torch
from torch.utils import _pytree as pytree

from lane_models import fleet, lanes
from ravine.fleet.assembly import join, same_bits, same_state, take
from ravine.fleet.lanes import group_lanes

ENTRIES = [("adam", {"lr": 0.01 * k}) for k in range(1, 4)] + [("momentum", {})] * 2 + [("sgd", {})]


@pytest.fixture
def tile():
    tile = fleet("cnn", torch.float32)._tile(lanes(*ENTRIES), "stacked", 9)
    tile.run(3)
    return tile


@pytest.mark.parametrize("kept", [[0, 1, 2, 3, 4, 5], [1], [0, 3, 5], [5], [1, 2]])
def test_parts_of_a_tile_joined_are_the_tile(tile, kept):
    rest = [position for position in range(6) if position not in kept]
    parts = [(part, take(tile.groups, tile.state, part)) for part in (kept, rest) if part]
    assert same_state(join(tile.lanes, parts), tile.state)
    assert same_state(join(tile.lanes, parts[::-1]), tile.state)


def test_a_part_has_its_own_groups_and_its_own_memory(tile):
    part = take(tile.groups, tile.state, [0, 2, 5])
    assert len(part.slots) == len(group_lanes([tile.lanes[position] for position in (0, 2, 5)])) == 2
    before = tile.state.parameters["model.layers.0.weight"].clone()
    part.parameters["model.layers.0.weight"].zero_()
    assert torch.equal(tile.state.parameters["model.layers.0.weight"], before)


def test_bits_are_told_apart_where_numbers_are_not():
    nan, zero = torch.tensor([float("nan")]), torch.tensor([0.0])
    assert same_bits(nan, nan.clone())
    assert not same_bits(zero, -zero)
    assert not same_bits(zero, zero.double())
    assert not same_bits(zero, torch.zeros(2))
    assert same_bits(torch.empty(0), torch.empty(0))
    assert same_bits(torch.tensor(True), torch.tensor(True))


def test_states_of_other_contents_differ(tile):
    state = tile.state
    other = pytree.tree_map(torch.clone, (state.parameters, state.buffers, state.slots))
    copy = type(state)(*other)
    assert same_state(copy, state)
    copy.slots[0]["m"]["model.layers.0.weight"][0] += 1
    assert not same_state(copy, state)


def test_a_frozen_lane_of_an_assembly_is_found_by_its_position(tile):
    assembly = tile._live
    assembly.freeze(3)
    assembly.freeze(77)
    assert assembly.alive_L.tolist() == [True, True, True, False, True, True]
