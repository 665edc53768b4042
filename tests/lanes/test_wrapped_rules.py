"""Every wrapper around several rules: one lane of a stack, a lane run as a module, and the drop-in class take the same steps."""

import copy

import pytest
import torch

from lane_models import BATCH, COMPILED, LOOP, RACE_SEED, STACKED, Run, gap, lanes
from lane_models import shared_fleet as fleet
from ravine import optim
from ravine.base._seeds import derive
from ravine.fleet import Choice, Lane
from ravine.fleet.data import BatchOrder, gather, size
from ravine.fleet.lanes import group_lanes
from ravine.fleet.stacking import LANE, Replicas, new_slots
from ravine.fleet.stepping import propose
from ravine.rules import WRAPPERS
from ravine.schedules import create

STEPS = 12
SETTINGS = {
    "clip": {"clip_bound": 0.3},
    "clip_value": {"clip_value": 0.02},
    "agc": {"agc_bound": 0.02},
    "clip_history": {"clip_history_warmup": 3.0, "clip_history_bound": 0.4},
    "lookahead": {"lookahead_k": 4.0},
    "ema": {"ema_decay": 0.8},
}
CORES = {"sgd": 0.3, "adamw": 0.02, "lion": 0.003}
TOLERANCE = 1e-10


def members(wrapper):
    """Lanes of every core in one wrapper, two rates each."""
    own = SETTINGS.get(wrapper, {})
    return lanes(*((f"{core}+{wrapper}", {"lr": lr * factor, **own}) for core, lr in CORES.items() for factor in (1.0, 0.4)))


@pytest.mark.parametrize("wrapper", WRAPPERS)
@pytest.mark.parametrize("model", ["mlp", "cnn"])
def test_loop_equals_stack(wrapper, model):
    engine = fleet(model)
    found = [Run(engine, members(wrapper), choice, STEPS, at=(0, 7, STEPS)) for choice in (LOOP, STACKED)]
    for lane in members(wrapper):
        alone, together = (run.everything(lane.number) for run in found)
        assert gap(together, alone) < TOLERANCE, lane.rule.name
        for key, value in found[0].values[lane.number].items():
            assert found[1].values[lane.number][key] == pytest.approx(value, rel=1e-9), key


@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_a_lane_equals_the_drop_in_class(wrapper):
    run, (model, batches) = Run(fleet("mlp"), members(wrapper), STACKED, STEPS), plain_loop()
    for lane, core in zip(members(wrapper), [core for core in CORES for _ in range(2)], strict=True):
        module = model()
        optimizer = optim.create(f"{core}+{wrapper}", module.parameters(), **{**SETTINGS.get(wrapper, {}), "lr": lane.hypers["lr"]})
        for step, batch in enumerate(batches):
            optimizer.param_groups[0]["lr"] = lane.hypers["lr"] * float(create("cosine")(step, STEPS))

            def closure(module=module, optimizer=optimizer, batch=batch):
                optimizer.zero_grad()
                loss = module(batch)
                loss.backward()
                return loss

            optimizer.step(closure)
        assert gap(list(run.parameters(lane.number).values()), [p.detach() for p in module.parameters()]) < TOLERANCE, lane.rule.name


@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_a_wrapper_changes_what_its_core_does(wrapper):
    """Else none of the tests above would see it; an average alone leaves training as it is."""
    cores = lanes(*((core, {"lr": lr * factor}) for core, lr in CORES.items() for factor in (1.0, 0.4)))
    bare, dressed = (Run(fleet("mlp"), each, STACKED, STEPS, at=(STEPS,)) for each in (cores, members(wrapper)))
    found = [gap(list(bare.parameters(n).values()), list(dressed.parameters(n).values())) > 1e-6 for n in range(len(cores))]
    # Lion's step is blind to a gradient's size, except through its mean.
    assert sum(found) == 0 if wrapper == "ema" else sum(found) >= 4, found
    if wrapper == "ema":
        assert bare.values[0][STEPS, "loss"] != dressed.values[0][STEPS, "loss"]


@pytest.mark.compile
def test_compiled_equals_loop():
    """In one tile, for every compile costs many seconds."""
    engine = fleet("linear")
    each = [members(wrapper)[2] for wrapper in ("clip_history", "cautious", "sam", "lookahead")]
    each = [Lane(number, lane.rule, lane.hypers, lane.schedule) for number, lane in enumerate(each)]
    found = [Run(engine, each, choice, STEPS) for choice in (LOOP, COMPILED)]
    for lane in each:
        assert gap(found[1].everything(lane.number), found[0].everything(lane.number)) < TOLERANCE


def test_sam_lanes_leave_the_others_alone():
    """Rows of other lanes keep their bits, dropout masks and running statistics, whoever shares the tile."""
    engine = fleet("cnn")
    plain = lanes(("adamw", {"lr": 0.01}), ("sgd", {"lr": 0.1}))
    mixed = lanes(("adamw", {"lr": 0.01}), ("sgd", {"lr": 0.1}), ("sgd+sam", {"lr": 0.1}), ("adamw+asam", {"lr": 0.01}))
    alone, together = Run(engine, plain, STACKED, STEPS), Run(engine, mixed, STACKED, STEPS)
    for lane in plain:
        assert gap(together.everything(lane.number), alone.everything(lane.number)) < 1e-12
    apart = Run(engine, mixed, Choice("stacked", 1, "by hand"), STEPS)
    for lane in mixed:
        assert gap(together.everything(lane.number), apart.everything(lane.number)) < TOLERANCE


def test_a_lane_with_a_gradient_that_is_not_finite_skips_the_step_and_the_next_lane_does_not():
    (group,) = group_lanes(lanes(("adamw+clip", {"lr": 0.1}), ("adamw+clip", {"lr": 0.1})))
    stacks, kinds = {"w": torch.ones(2, 3), "b": torch.ones(2, 2)}, {"w": "vector", "b": "vector"}
    gradients = {"w": torch.ones(2, 3), "b": torch.ones(2, 2)}
    gradients["b"][0, 1] = float("nan")
    scalars = {name: torch.from_numpy(values[0].copy()).float() for name, values in group.scalars(0, 1, 5).items()}
    new = propose([group], Replicas(stacks, {}, [new_slots(group, stacks, kinds)]), gradients, [scalars], kinds=kinds)
    assert torch.equal(new.parameters["w"][0], stacks["w"][0])
    assert not new.slots[0]["m"]["w"][0].any()
    assert new.slots[0]["clip_skipped"][LANE].tolist() == [1.0, 0.0]
    assert (new.parameters["w"][1] < 1).all()


def plain_loop():
    """A builder of the model that lanes of seed 0 start from, and the batches that they see."""
    engine = fleet("mlp")
    run = Run(engine, lanes(("sgd", {"lr": 0.0})), LOOP, 1)
    start = run.parameters(0)
    objective = run.tiles[0][0]._module
    train = engine.task.data.train
    order = BatchOrder(size(train), BATCH, derive(RACE_SEED, 0, "order"))

    def model():
        module = copy.deepcopy(objective)
        with torch.no_grad():
            for name, p in module.named_parameters():
                if name in start:
                    p.copy_(start[name])
        return module.train()

    return model, [gather(train, rows) for rows in order.take(STEPS)]


@pytest.mark.parametrize("mode", ["stacked", "loop"])
@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_a_lane_saved_in_its_middle_goes_on_to_the_same_bits(wrapper, mode):
    engine = fleet("mlp")
    (group,) = engine.tiles(members(wrapper)[:2] if mode == "stacked" else members(wrapper)[2:3], STACKED)
    through, before, after = (engine._tile(group, mode, STEPS) for _ in range(3))
    through.run(5)
    before.run(5)
    after.restore(before.save())
    for tile in (through, after):
        tile.run(STEPS - 5)
    ours, others = through.save(), after.save()
    assert ours.keys() == others.keys()
    assert all(torch.equal(ours[name], others[name]) for name in ours)
