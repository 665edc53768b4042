"""A lane that breaks touches no other lane, by not one bit, and keeps its own last finite state."""

import math

import numpy as np
import pytest
import torch

from lane_models import LOOP, STACKED, TOLERANCE, Run, buffers, gap, lanes, slots
from lane_models import shared_fleet as fleet

DTYPES = [torch.float32, torch.float64]
HEALTHY = (("adam", {"lr": 0.01}), ("adam", {"lr": 0.02}), ("sgd", {"lr": 0.1}), ("momentum", {"lr": 0.02}))


def with_poison(position, poison):
    return lanes(*HEALTHY[:position], poison, *HEALTHY[position + 1 :])


def state(tile, position):
    return [*tile.parameters(position).values(), *buffers(tile, position), *slots(tile, position)]


def same(left, right):
    return all(torch.equal(a, b) for a, b in zip(left, right, strict=True))


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("name", ["mlp", "cnn", "transformer"])
def test_an_absurd_rate_changes_no_other_lane_by_one_bit(name, dtype):
    engine = fleet(name, dtype)
    clean, poisoned = Run(engine, lanes(*HEALTHY), STACKED), Run(engine, with_poison(2, ("sgd", {"lr": 1e30})), STACKED)
    (end,) = [event for event in poisoned.events if type(event).__name__ == "Diverged"]
    assert (end.lane, end.step <= 20) == (2, True)
    assert math.isnan(poisoned.values[2][20, "loss"])
    for number in (0, 1, 3):
        assert poisoned.losses[number] == clean.losses[number]
        assert poisoned.values[number] == clean.values[number]
        assert same(poisoned.everything(number), clean.everything(number))


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_weights_that_are_not_numbers_change_no_other_lane_by_one_bit(value):
    clean, poisoned = (fleet("cnn", torch.float32)._tile(lanes(*HEALTHY), "stacked", 10) for _ in range(2))
    for stack in poisoned.state.parameters.values():
        stack[1] = value
    (losses, _), (others, finite) = clean.run(10), poisoned.run(10)
    keep = [0, 2, 3]
    assert np.array_equal(losses[:, keep], others[:, keep])
    assert finite[:, keep].all()
    assert not finite[:, 1].any()
    assert all(same(state(clean, position), state(poisoned, position)) for position in keep)


@pytest.mark.parametrize("mode", ["stacked", "loop"])
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_a_diverged_lane_keeps_its_last_finite_state(mode, dtype):
    """An L2 term beyond stability grows weights without bound: parameters, slots and running statistics stay as before the overflow."""
    lost = lanes(*[("momentum", {"lr": 1.0, "l2": 20.0}), ("momentum", {"lr": 0.01})][: 2 if mode == "stacked" else 1])
    tile = fleet("cnn", dtype)._tile(lost, mode, 400)
    before, finite = state(tile, 0), True
    for _ in range(400):
        before = state(tile, 0)
        finite = bool(tile.run(1)[1][0, 0])
        if not finite:
            break
    assert not finite, "the lane was meant to overflow"
    assert tile.done > 5, "and not at once"
    assert same(state(tile, 0), before)
    assert all(torch.isfinite(part).all() for part in tile.parameters(0).values())
    others = state(tile, 1) if mode == "stacked" else []
    tile.freeze(0)
    tile.run(5)
    assert same(state(tile, 0), before)
    assert mode == "loop" or not same(state(tile, 1), others)


@pytest.mark.parametrize("mode", ["stacked", "loop"])
def test_a_frozen_lane_stays_as_it_is(mode):
    tile = fleet("cnn")._tile(lanes(*HEALTHY[: 2 if mode == "stacked" else 1]), mode, 20)
    tile.run(3)
    before = state(tile, 0)
    tile.freeze(0)
    finite = tile.run(4)[1]
    assert not finite[:, 0].any()
    assert same(state(tile, 0), before)


def test_stacked_and_loop_diverge_at_the_same_step_for_the_same_reason():
    """Adam's step is bounded, so its rates overflow late; the others at once."""
    engine, members = (
        fleet("mlp", torch.float32),
        lanes(("sgd", {"lr": 1e30}), ("momentum", {"lr": 1e12}), ("adam", {"lr": 1e30}), ("adam", {"lr": 1e-3})),
    )
    ends = [
        {e.lane: (e.step, e.reason) for e in Run(engine, members, choice).events if type(e).__name__ == "Diverged"}
        for choice in (STACKED, LOOP)
    ]
    assert ends[0] == ends[1]
    assert set(ends[0]) >= {0, 2}
    assert 3 not in ends[0]


def test_losses_after_the_end_are_not_numbers_and_before_it_are():
    run = Run(fleet("mlp", torch.float32), lanes(("adam", {"lr": 1e-3}), ("sgd", {"lr": 1e30})), STACKED)
    kinds = [type(event).__name__ for event in run.events]
    assert kinds.index("Diverged") < kinds.index("LossBlock"), "the end is told before the losses that lead to it"
    (end,) = [event for event in run.events if type(event).__name__ == "Diverged"]
    assert all(math.isnan(loss) for loss in run.losses[1][end.step :])
    assert not math.isnan(run.losses[1][0])
    assert not any(math.isnan(loss) for loss in run.losses[0])


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("name", ["mlp", "cnn"])
def test_permuted_lanes_give_permuted_results(name, dtype):
    """To rounding only: matrix products round by a column's position in the block."""
    engine = fleet(name, dtype)
    first = engine._tile(members := lanes(*HEALTHY), "stacked", 20)
    order = [1, 0, 2, 3]
    second = engine._tile([members[index] for index in order], "stacked", 20)
    losses, permuted = first.run(20)[0], second.run(20)[0]
    assert permuted == pytest.approx(losses[:, order], rel=1e-5)
    for position, source in enumerate(order):
        assert gap(state(second, position), state(first, source)) < TOLERANCE[dtype]
