"""Stacked state."""

import torch
from torch import nn

from lane_models import lanes
from ravine.fleet.lanes import group_lanes
from ravine.fleet.stacking import compute_dtype, new_slots, split_state, spread, stack_models


def model(seed):
    torch.manual_seed(seed)
    net = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3), nn.Linear(3, 1))
    net[2].bias.requires_grad_(False)
    return net


def test_frozen_parameters_count_as_buffers():
    trainable, fixed = split_state(model(0))
    assert set(trainable) == {"0.weight", "0.bias", "1.weight", "1.bias", "2.weight"}
    assert set(fixed) == {"2.bias", "1.running_mean", "1.running_var", "1.num_batches_tracked"}
    assert not any(tensor.requires_grad for tensor in (trainable | fixed).values())


def test_every_lane_gets_a_copy_of_its_seeds_model():
    members = lanes(("adam", {}, 1), ("adam", {}, 2), ("sgd", {}, 1))
    models = {seed: model(seed) for seed in (1, 2)}
    state = stack_models(members, group_lanes(members), models)
    for position, lane in enumerate(members):
        assert torch.equal(state.parameters["0.weight"][position], models[lane.seed][0].weight)
    state.parameters["0.weight"][0] += 1.0
    assert not torch.equal(state.parameters["0.weight"][0], models[1][0].weight), "a copy, not a view"
    assert [set(slots) for slots in state.slots] == [{"m", "v"}, set()]
    assert state.slots[0]["m"]["0.weight"].shape == (2, 3, 2)


def test_slots_start_at_the_lanes_own_hyper():
    (group,) = group_lanes(lanes(("adagrad", {"initial": 0.5}), ("adagrad", {"initial": 2.0})))
    slots = new_slots(group, {"w": torch.zeros(2, 3), "s": torch.zeros(2, dtype=torch.bfloat16)}, {"w": "vector", "s": "vector"})
    (symbol,) = slots
    assert slots[symbol]["w"].tolist() == [[0.5] * 3, [2.0] * 3]
    assert slots[symbol]["s"].tolist() == [0.5, 2.0]
    assert slots[symbol]["s"].dtype == torch.float32


def test_updates_are_computed_at_least_in_float32():
    found = {dtype: compute_dtype(torch.zeros(1, dtype=dtype)) for dtype in (torch.float16, torch.bfloat16, torch.float32, torch.float64)}
    assert list(found.values()) == [torch.float32] * 3 + [torch.float64]


def test_spread_adds_trailing_dimensions():
    assert spread(torch.arange(3.0), 3).shape == (3, 1, 1)
    assert spread(torch.arange(3.0), 1).shape == (3,)
