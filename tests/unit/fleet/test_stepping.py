"""The freeze of lanes; the update itself is held bit for bit in tests/lanes/test_update.py."""

import math

import pytest
import torch

from lane_models import lanes
from ravine.fleet.lanes import group_lanes
from ravine.fleet.stacking import Replicas
from ravine.fleet.stepping import finite_lanes, in_float32, keep_frozen, propose


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_one_element_that_is_no_number_marks_its_lane_only(value):
    parameters = {"w": torch.zeros(3, 4, 5), "scalar": torch.zeros(3), "none": torch.zeros(3, 0)}
    assert finite_lanes(torch.zeros(3), parameters).tolist() == [True] * 3
    parameters["w"][1, 2, 3] = value
    assert finite_lanes(torch.zeros(3), parameters).tolist() == [True, False, True]
    parameters["scalar"][2] = value
    assert finite_lanes(torch.tensor([value, 0.0, 0.0]), parameters).tolist() == [False] * 3


def test_infinities_of_both_signs_do_not_cancel():
    parameters = {"w": torch.tensor([[math.inf, -math.inf], [1.0, -1.0]])}
    assert finite_lanes(torch.zeros(2), parameters).tolist() == [False, True]


def test_many_finite_weights_in_half_precision_are_finite():
    """Their sum is beyond 65504, the largest float16."""
    assert finite_lanes(torch.zeros(1), {"w": torch.ones(1, 70_000, dtype=torch.float16)}).tolist() == [True]


def test_kept_lanes_are_exact_whatever_the_others_hold():
    groups = group_lanes(lanes(("adam", {}), ("adam", {}), ("sgd", {})))
    old = Replicas({"w": torch.randn(3, 2)}, {"n": torch.tensor([1, 2, 3])}, [{"m": {"w": torch.randn(2, 2)}}, {}])
    new = Replicas({"w": torch.full((3, 2), math.nan)}, {"n": torch.tensor([7, 8, 9])}, [{"m": {"w": torch.full((2, 2), math.inf)}}, {}])
    kept = keep_frozen(torch.tensor([False, True, False]), groups, new, old)
    assert torch.equal(kept.parameters["w"][[0, 2]], old.parameters["w"][[0, 2]])
    assert kept.parameters["w"][1].isnan().all()
    assert kept.buffers["n"].tolist() == [1, 8, 3]
    assert torch.equal(kept.slots[0]["m"]["w"][0], old.slots[0]["m"]["w"][0])
    assert kept.slots[0]["m"]["w"][1].isinf().all()


def test_a_proposal_changes_nothing_in_place():
    (group,) = group_lanes(lanes(("momentum", {"lr": 0.1}), ("momentum", {"lr": 0.2})))
    state = Replicas({"w": torch.ones(2, 3)}, {}, [{"m": {"w": torch.zeros(2, 3)}}])
    scalars = {name: torch.from_numpy(values[0].copy()).float() for name, values in group.scalars(0, 1, 5).items()}
    new = propose([group], state, {"w": torch.ones(2, 3)}, [scalars], kinds={"w": "vector"})
    assert torch.equal(state.parameters["w"], torch.ones(2, 3))
    assert not state.slots[0]["m"]["w"].any()
    assert new.parameters["w"][:, 0].tolist() == pytest.approx([0.9, 0.8])


def test_finiteness_is_judged_in_the_losses_own_dtype():
    loss_L = torch.tensor([1e60, -1e60, math.inf, math.nan, 2.0], dtype=torch.float64)
    assert finite_lanes(loss_L, {"w": torch.zeros(5, 2)}).tolist() == [True, True, False, False, True]
    assert finite_lanes(loss_L[:1] * 0, {"w": torch.full((1, 2), 1e60, dtype=torch.float64)}).tolist() == [True]
    largest = torch.finfo(torch.float32).max
    assert in_float32(loss_L)[[0, 1, 2, 4]].tolist() == [largest, -largest, math.inf, 2.0]
    assert in_float32(loss_L)[3].isnan()
    assert in_float32(torch.tensor(3.0, dtype=torch.bfloat16)).dtype == torch.float32
