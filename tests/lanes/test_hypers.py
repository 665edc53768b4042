"""Lanes that share a tile keep their own hypers, seeds and optimisers."""

import itertools
from dataclasses import replace

import pytest
import torch

from lane_models import BATCH, LOOP, RACE_SEED, ROWS, STACKED, TOLERANCE, Run, gap, lanes, task
from lane_models import shared_fleet as fleet
from ravine import optim
from ravine.base._seeds import derive
from ravine.fleet import Choice
from ravine.schedules import Linear, OneCycle

BY_HYPERS = {
    "lr": [("sgd", {"lr": lr}) for lr in (0.01, 0.1, 0.5)],
    "momentum": [("momentum", {"lr": 0.05, "momentum": value}) for value in (0.5, 0.9, 0.99)],
    "betas": [("adam", {"lr": 0.01, "beta1": b1, "beta2": b2}) for b1, b2 in ((0.9, 0.999), (0.0, 0.9), (0.5, 0.99))],
    "decay": [("adamw", {"lr": 0.02, "weight_decay": value}) for value in (0.0, 0.1, 1.0)],
    "accumulator": [("adagrad", {"lr": 0.05, "initial": value}) for value in (0.0, 0.1, 1.0)],
}


@pytest.mark.parametrize("entries", BY_HYPERS.values(), ids=BY_HYPERS)
def test_lanes_with_their_own_hypers_equal_separate_runs(entries):
    engine, members = fleet("mlp"), lanes(*entries)
    together = Run(engine, members, STACKED)
    assert len(together.tiles[0][0].groups) == 1
    ends = []
    for lane in members:
        alone = Run(engine, [lane], STACKED)
        assert gap(together.everything(lane.number), alone.everything(lane.number)) < TOLERANCE[torch.float64]
        ends.append(alone.losses[lane.number][-1])
    assert len(set(ends)) == len(ends), "the hyper had no effect"


def test_several_seeds_in_one_tile_equal_a_tile_for_each():
    engine = fleet("transformer")
    members = lanes(*((optimizer, {"lr": 0.02}, seed) for optimizer in ("adam", "sgd") for seed in (1, 2, 3)))
    together = Run(engine, members, STACKED)
    assert len({id(tile) for tile, _ in together.tiles.values()}) == 1
    for seed in (1, 2, 3):
        own = [lane for lane in members if lane.seed == seed]
        apart = Run(engine, own, STACKED)
        for lane in own:
            assert together.losses[lane.number] == pytest.approx(apart.losses[lane.number], rel=1e-6)
            assert gap(together.everything(lane.number), apart.everything(lane.number)) < TOLERANCE[torch.float64]
    assert len({tuple(losses) for losses in together.losses.values()}) == len(members)


def test_lanes_that_draw_random_numbers_never_share_a_tile_across_seeds():
    members = lanes(*(("sgd", {"lr": 0.1}, seed) for seed in (1, 2, 1, 2)))
    run = Run(fleet("cnn"), members, STACKED, 3, at=(3,))
    assert [event.lanes for event in run.events if type(event).__name__ == "Started"] == [(0, 2), (1, 3)]


def test_mixed_optimizers_in_one_tile_equal_separate_tiles():
    engine = fleet("gru")
    members = lanes(
        ("adam", {"lr": 0.01}),
        ("sgd", {"lr": 0.1}),
        ("lion", {"lr": 1e-3}),
        ("adam", {"lr": 0.03, "amsgrad": True}),
        ("adam", {"lr": 0.02}),
    )
    together, apart = Run(engine, members, STACKED), Run(engine, members, Choice("stacked", 1, "by hand"))
    assert [group.rule.name for group in together.tiles[0][0].groups] == ["adam", "adam", "lion", "sgd"]
    assert len({id(tile) for tile, _ in apart.tiles.values()}) == len(members)
    for lane in members:
        assert gap(together.everything(lane.number), apart.everything(lane.number)) < TOLERANCE[torch.float64]


def test_one_batch_of_everything_needs_no_order():
    engine = fleet("linear", batch_size=None)
    run = Run(engine, lanes(("sgd", {"lr": 0.1}, 1), ("sgd", {"lr": 0.1}, 2)), STACKED, 5, at=(5,))
    assert run.tiles[0][0].shares_batch
    assert all(later < earlier for losses in run.losses.values() for earlier, later in itertools.pairwise(losses))


@pytest.mark.parametrize("choice", [STACKED, LOOP], ids=["stacked", "loop"])
def test_a_scheduled_hyper_equals_the_optimizer_under_the_same_schedule(choice):
    one = OneCycle(horizon=20)
    (lane,) = lanes(("adamw", {"lr": 0.02, "weight_decay": 0.5}))
    also = {"beta1": one.momentum(0.5, 0.9), "weight_decay": Linear()}
    run = Run(fleet("mlp"), [replace(lane, schedule=one, also=also)], choice, 20, at=(20,))
    plain = Run(fleet("mlp"), [replace(lane, schedule=one)], choice, 20, at=(20,))

    problem = task("mlp", torch.float64)
    model = problem.build(derive(RACE_SEED, lane.seed, "init")).train()
    optimizer = optim.AdamW(model.parameters(), lr=0.02, weight_decay=0.5)
    scheduler = optim.LRScheduler(optimizer, {"lr": one, "betas[0]": also["beta1"], "weight_decay": Linear()}, horizon=20)
    order, batches = torch.Generator().manual_seed(derive(RACE_SEED, lane.seed, "order")), []
    losses = []
    for _ in range(20):
        if not batches:
            batches = list(torch.randperm(ROWS, generator=order)[: ROWS // BATCH * BATCH].split(BATCH))
        rows = batches.pop(0)
        optimizer.zero_grad()
        loss = problem.loss(model(problem.data.train[0][rows]), problem.data.train[1][rows])
        loss.backward()
        optimizer.step()
        scheduler.step()
        losses.append(float(loss.detach()))
    assert run.losses[lane.number] == pytest.approx(losses, rel=1e-6)
    assert run.losses[lane.number] != pytest.approx(plain.losses[lane.number], rel=1e-4)
