"""What is left of a run, and how it goes on."""

from lane_models import lanes
from ravine.fleet import Past
from ravine.fleet.past import NOTHING_PAST

TILES = [lanes(("sgd", {}), ("adam", {})), lanes(("sgd", {}), ("sgd", {}), ("adam", {}))[2:]]


def left(past):
    return [[lane.number for lane in tile] for tile in past.left(TILES)]


def test_everything_is_left_where_nothing_was_done():
    assert left(NOTHING_PAST) == [[0, 1], [2]]


def test_lanes_that_have_ended_are_left_out_and_no_tile_is_empty():
    assert left(Past(finished=frozenset({2}))) == [[0, 1]]
    assert left(Past(finished=frozenset({0}))) == [[1], [2]]
    assert left(Past(finished=frozenset({0, 1, 2}))) == []


def test_a_tile_goes_on_as_it_began():
    past = Past(modes={0: "stacked"})
    assert past.mode(TILES[0], "loop") == "stacked"
    assert past.mode(TILES[1], "loop") == "loop"
