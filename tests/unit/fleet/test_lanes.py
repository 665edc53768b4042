"""Groups of lanes, their scalars, and the cut into tiles."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lane_models import lanes
from ravine.base.errors import InputError, UnknownNameError
from ravine.fleet.lanes import group_lanes, tile_lanes
from ravine.schedules import Between, Linear


def test_neighbours_with_one_rule_and_flags_form_a_group():
    members = lanes(("adam", {"lr": 0.1}), ("adam", {"lr": 0.2}), ("adam", {"amsgrad": True}), ("sgd", {}))
    groups = group_lanes(members)
    assert [(group.rule.name, group.start, group.stop, group.size) for group in groups] == [
        ("adam", 0, 2, 2),
        ("adam", 2, 3, 1),
        ("sgd", 3, 4, 1),
    ]
    assert groups[0].hypers["lr"].tolist() == [0.1, 0.2]
    assert groups[0].hypers["lr"].dtype == np.float64


@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adam", "adamw", "adagrad", "lion", "rmsprop"])
def test_scalars_have_the_bits_of_the_rule_called_for_one_lane_and_step(optimizer):
    members = lanes((optimizer, {"lr": 0.1}), (optimizer, {"lr": 0.03}), schedule="cosine")
    (group,) = group_lanes(members)
    rows = group.scalars(5, 4, horizon=20)
    for offset in range(4):
        for position, lane in enumerate(members):
            hypers = SimpleNamespace(**lane.hypers | {"lr": lane.hypers["lr"] * lane.schedule(5 + offset, 20)})
            for name, value in lane.rule.scalars(hypers, 5 + offset + 1).items():
                assert rows[name].shape == (4, 2)
                assert rows[name].dtype == np.float64
                assert rows[name][offset, position] == value, name


def test_every_lane_follows_its_own_schedule():
    members = [*lanes(("sgd", {"lr": 1.0}), schedule="constant"), *lanes(("sgd", {"lr": 1.0}), schedule="linear")]
    rows = group_lanes(members)[0].scalars(0, 4, horizon=4)["lr"]
    assert rows.T.tolist() == [[1.0] * 4, [1.0, 0.75, 0.5, 0.25]]


@given(
    seeds=st.lists(st.integers(0, 3), min_size=1, max_size=20),
    size=st.integers(1, 8),
    by_seed=st.booleans(),
)
def test_tiles_hold_every_lane_once_and_cut_rules_evenly(seeds, size, by_seed):
    members = lanes(*((("sgd", "adam", "lion")[index % 3], {}, seed) for index, seed in enumerate(seeds)))
    tiles = tile_lanes(members, size, by_seed=by_seed)
    assert sorted(lane.number for tile in tiles for lane in tile) == list(range(len(seeds)))
    assert max(map(len, tiles)) <= size
    for tile in tiles:
        assert len({lane.rule.key for lane in tile}) == len(group_lanes(tile)), "lanes of a rule stand together"
        assert not by_seed or len({lane.seed for lane in tile}) == 1
    for key in {lane.rule.key for lane in members}:
        for seed in set(seeds) if by_seed else [None]:
            run = [lane for lane in members if lane.rule.key == key and seed in (None, lane.seed)]
            parts = [n for tile in tiles if (n := sum(lane in run for lane in tile))]
            assert len(parts) == -(-len(run) // size), "a rule's lanes are cut no more than they must be"
            assert not parts or max(parts) - min(parts) <= 1


def test_tiles_do_not_depend_on_the_order_given():
    members = lanes(*((optimizer, {}, seed) for optimizer in ("sgd", "adam") for seed in range(4)))
    assert tile_lanes(members, 3, by_seed=True) == tile_lanes(members[::-1], 3, by_seed=True)


def test_equal_runs_share_tiles_and_shapes():
    members = lanes(*((optimizer, {}) for optimizer in ("sgd", "momentum", "adam", "adamw", "lion", "rmsprop") for _ in range(12)))
    assert [len(tile) for tile in tile_lanes(members, 64, by_seed=False)] == [36, 36]
    assert [len(tile) for tile in tile_lanes(members, 5, by_seed=False)] == [4] * 18


def test_other_hypers_follow_their_own_schedules():
    plain, multiplied, set_ = lanes(*[("adamw", {"lr": 0.1, "weight_decay": 0.2, "beta1": 0.8})] * 3)
    multiplied = replace(multiplied, also={"weight_decay": Linear()})
    set_ = replace(set_, also={"beta1": Between(Linear(), at_zero=0.5, at_one=0.9)})
    (group,) = group_lanes([plain, multiplied, set_])
    found = group.hypers_at(np.arange(2, 4), 4)
    assert found.weight_decay.tolist() == [[0.2, 0.1, 0.2], [0.2, 0.05, 0.2]]
    assert found.beta1 == pytest.approx(np.array([[0.8, 0.8, 0.7], [0.8, 0.8, 0.6]]))
    rows = group.scalars(2, 2, horizon=4)
    for position, lane in enumerate((plain, multiplied, set_)):
        alone = group_lanes([lane])[0].scalars(2, 2, horizon=4)
        assert all((rows[name][:, position] == alone[name][:, 0]).all() for name in rows)


def test_a_hyper_that_no_schedule_reaches_is_refused():
    (lane,) = lanes(("sgd", {"lr": 0.1}))
    with pytest.raises(UnknownNameError, match="no other hyper is called 'momentun'; did you mean 'momentum'"):
        replace(lane, also={"momentun": Linear()})
    with pytest.raises(UnknownNameError, match="no other hyper is called 'lr'"):
        replace(lane, also={"lr": Linear()})
    with pytest.raises(InputError, match="momentum of 'sgd' has a schedule and begins at 0, which leaves it out of the rule"):
        replace(lane, also={"momentum": Between(Linear(), at_zero=0.5, at_one=0.9)})
