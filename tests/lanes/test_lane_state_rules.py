"""Rules with a state of the whole lane, an average or the curvature: loop = stack = a plain loop around the drop-in class, in float64."""

import numpy as np
import pytest
import torch

from lane_models import BATCH, LOOP, RACE_SEED, STACKED, lanes
from lane_models import shared_fleet as fleet
from ravine import optim
from ravine.base._seeds import derive
from ravine.fleet.curvature import SampledLoss, _noise, signs
from ravine.fleet.data import BatchOrder, gather, size

STEPS, HALF = 14, 8
TOLERANCE = 1e-10
RULES = {
    "prodigy": ((0.5, 1.0), {"d0": 1e-3}),
    "dadapt_adam": ((0.5, 1.0), {"d0": 1e-3}),
    "schedule_free_sgd": ((0.1, 0.5), {"warmup_steps": 5.0}),
    "schedule_free_adamw": ((0.003, 0.01), {}),
    "sophia_g": ((0.003, 0.01), {"rho": 1.0}),
    "sophia_h": ((0.003, 0.01), {"rho": 1.0}),
}
every_rule = pytest.mark.parametrize("name", RULES)


def members(name, seed=1):
    rates, settings = RULES[name]
    return lanes(*((name, {**settings, "lr": rate}, seed) for rate in rates))


def tile(engine, those, mode):
    (own,) = engine.tiles(those, STACKED if mode == "stacked" else LOOP)
    return engine._tile(own, mode, STEPS)


def parameters_of(engine, those, mode, *, at=None):
    """Parameters of every lane after all steps, through a snapshot in the middle where `at` says so."""
    result = []
    for part in [those] if mode == "stacked" else [[lane] for lane in those]:
        running = tile(engine, part, mode)
        running.run(at or STEPS)
        if at:
            saved = {name: tensor.clone() for name, tensor in running.save().items()}
            running = tile(engine, part, mode)
            running.restore(saved)
            running.run(STEPS - at)
        result += [running.parameters(position) for position in range(len(part))]
    return result


def in_a_plain_loop(engine, lane):
    """The same lane trained by the drop-in class."""
    model = engine.model(lane.seed).train()
    named = dict(model.named_parameters())
    optimizer = optim.create(lane.rule.name, list(named.values()), **lane.hypers)
    order = BatchOrder(size(engine.train), BATCH, derive(RACE_SEED, lane.seed, "order"))
    for step, rows in enumerate(order.take(STEPS)):
        batch = gather(engine.train, rows)
        optimizer.param_groups[0]["lr"] = lane.hypers["lr"] * float(lane.schedule(np.array([step]), STEPS)[0])
        optimizer.zero_grad()
        if "curvature" in lane.rule.needs and step % 10 == 0:
            inform(engine, optimizer, model, named, batch, (lane, step + 1))
        model(batch).backward()
        optimizer.step()
    return {name: p.detach() for name, p in named.items()}


def inform(engine, optimizer, model, named, batch, place):
    lane, t = place
    training = type("Training", (), {"race_seed": RACE_SEED})
    if "labels" in lane.rule.needs:
        loss, count = SampledLoss(model)(batch, _noise(training, (lane.seed, t)))
        # bs is 1 in the race, whose estimates hold the number of labels.
        optimizer.update_curvature(loss * count.sqrt())
    else:
        first = torch.autograd.grad(model(batch), list(named.values()), create_graph=True)
        u = [signs(training, lane.seed, t, name, p) for name, p in named.items()]
        second = torch.autograd.grad(sum((g * one).sum() for g, one in zip(first, u, strict=True)), list(named.values()))
        optimizer.update_curvature(products=[one * h for one, h in zip(u, second, strict=True)])


def largest_difference(ours, other):
    return max(float((ours[name] - other[name]).abs().max()) for name in ours)


@every_rule
def test_loop_stack_and_a_plain_loop_agree(name):
    engine, those = fleet("mlp"), members(name)
    stacked, loop = (parameters_of(engine, those, mode) for mode in ("stacked", "loop"))
    starts = {name: p.detach() for name, p in engine.model(1).named_parameters()}
    for lane, ours, other in zip(those, stacked, loop, strict=True):
        plain = in_a_plain_loop(engine, lane)
        assert largest_difference(ours, plain) <= TOLERANCE
        assert largest_difference(other, plain) <= TOLERANCE
        assert largest_difference(ours, starts) > 1e-3


@every_rule
@pytest.mark.parametrize("mode", ["stacked", "loop"])
def test_a_snapshot_in_the_middle_changes_no_bit(name, mode):
    engine, those = fleet("mlp"), members(name)
    through, resumed = (parameters_of(engine, those, mode, at=at) for at in (None, HALF))
    assert all(torch.equal(a[key], b[key]) for a, b in zip(through, resumed, strict=True) for key in a)


@every_rule
def test_a_lane_that_diverges_leaves_the_others_bits_alone(name):
    engine, (low, high) = fleet("mlp"), members(name)
    wild = lanes((name, {**RULES[name][1], "lr": 1e200}, 1))[0]
    beside = tile(engine, [low, type(wild)(7, wild.rule, wild.hypers, wild.schedule, wild.seed)], "stacked")
    quiet = tile(engine, [low, high], "stacked")
    finite = beside.run(STEPS)[1]
    quiet.run(STEPS)
    at = [lane.number for lane in beside.lanes].index(low.number)
    assert finite[:, at].all()
    assert not finite[-1, 1 - at]
    ours, other = beside.parameters(at), quiet.parameters([lane.number for lane in quiet.lanes].index(low.number))
    assert all(torch.equal(ours[key], other[key]) for key in ours)


@pytest.mark.parametrize("name", ["sophia_g", "sophia_h"])
@pytest.mark.parametrize("model", ["mlp", "cnn"])
def test_curvature_depends_on_a_lanes_seed_and_not_on_its_tile(name, model):
    engine = fleet(model)
    together, alone = members(name, 1) + lanes(("adam", {}, 1)), members(name, 1)
    if model == "mlp":
        together = together + [type(lane)(lane.number + 10, lane.rule, lane.hypers, lane.schedule, 2) for lane in members(name)]
    together = [type(lane)(number, lane.rule, lane.hypers, lane.schedule, lane.seed) for number, lane in enumerate(together)]
    running = tile(engine, together, "stacked")
    running.run(STEPS)
    for lane, other in zip(alone, parameters_of(engine, alone, "loop"), strict=True):
        at = next(i for i, own in enumerate(running.lanes) if (own.hypers, own.seed) == (lane.hypers, 1) and own.rule.name == name)
        assert largest_difference(running.parameters(at), other) <= TOLERANCE


def test_a_schedule_free_lane_is_evaluated_at_its_average():
    engine, those = fleet("mlp"), members("schedule_free_sgd")
    split = engine.train
    stacked = tile(engine, those, "stacked")
    stacked.run(STEPS)
    found = stacked.metrics(split, size(split))["loss"]
    for position, lane in enumerate(stacked.lanes):
        model = engine.model(lane.seed)
        with torch.no_grad():
            for name, p in model.named_parameters():
                p.copy_(stacked.parameters(position)[name])
        assert abs(found[position] - float(model.eval()(split).detach())) > 1e-6
        alone = tile(engine, [lane], "loop")
        alone.run(STEPS)
        assert alone.metrics(split, size(split))["loss"][0] == pytest.approx(found[position], rel=1e-10)
