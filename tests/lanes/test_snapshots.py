"""Save, restore, go on = never stopped, by the bit: for every rule, every kind of tile, and models with state of their own."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from cases import CASES
from lane_models import LOOP, MIXED, STACKED, lanes
from lane_models import shared_fleet as fleet
from ravine.fleet import Evaluations, Fleet, Past, Saved, Snapshots
from ravine.tasks import Task

STEPS, HALF = 20, 9
MODES = [STACKED, LOOP]


def through_a_file(saved, folder):
    """What `save` gave, written to disk and read again."""
    snapshots = Snapshots(folder, "race")
    assert snapshots.commit(snapshots.write([0], HALF, {}, lambda: saved))
    return snapshots.find([0]).tensors


def same(left, right):
    """Whether two saved states are equal by the bit, NaN included."""
    return left.keys() == right.keys() and all(
        left[name].dtype == right[name].dtype and torch.equal(left[name].nan_to_num(), right[name].nan_to_num())
        if left[name].is_floating_point()
        else torch.equal(left[name], right[name])
        for name in left
    )


def check(engine, members, mode, folder, frozen=None):
    """One tile runs through, another is saved in its middle and goes on in a third."""
    (members,) = engine.tiles(members, STACKED)
    through, before, after = (engine._tile(members, mode, STEPS) for _ in range(3))
    losses = []
    for tile in (through, before):
        losses.append([torch.from_numpy(tile.run(HALF)[0])])
        if frozen is not None:
            tile.freeze(frozen)
    losses[0].append(torch.from_numpy(through.run(STEPS - HALF)[0]))
    assert before.is_savable
    after.restore(through_a_file(before.save(), folder))
    assert after.done == HALF
    losses[1].append(torch.from_numpy(after.run(STEPS - HALF)[0]))
    assert torch.equal(torch.cat(losses[0]).nan_to_num(), torch.cat(losses[1]).nan_to_num())
    assert same(through.save(), after.save())
    for position in range(len(members)):
        ours, other = through.parameters(position), after.parameters(position)
        assert all(torch.equal(ours[name], other[name]) for name in ours)


@pytest.mark.parametrize("mode", ["stacked", "loop"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_every_rule_goes_on_with_the_same_bits(case, mode, tmp_path):
    members = lanes(*((case.name, {**case.settings, "lr": rate}, 1) for rate in (0.01, 0.03)))
    check(fleet("mlp", torch.float32), members if mode == "stacked" else members[1:], mode, tmp_path)


@pytest.mark.parametrize("name", ["cnn", "transformer", "gru"])
def test_every_model_goes_on_with_the_same_bits(name, tmp_path):
    engine = fleet(name, torch.float32)
    check(engine, lanes(*MIXED), "stacked", tmp_path)
    check(engine, lanes(MIXED[1]), "loop", tmp_path)


@pytest.mark.parametrize(("mode", "members"), [("stacked", MIXED), ("loop", MIXED[:1])])
def test_a_frozen_lane_stays_frozen(mode, members, tmp_path):
    check(fleet("cnn", torch.float32), lanes(*members), mode, tmp_path, frozen=0)


def test_lanes_of_several_seeds_go_on_with_their_own_batches(tmp_path):
    check(fleet("mlp"), lanes(("adam", {}, 1), ("adam", {}, 2), ("sgd", {}, 3)), "stacked", tmp_path)


@pytest.mark.compile
@pytest.mark.parametrize(("mode", "number"), [("compiled", 2), ("native", 2), ("fused", 1)])
def test_a_tile_with_generated_code_goes_on_with_the_same_bits(mode, number, tmp_path):
    check(fleet("mlp", torch.float32), lanes(*MIXED[1 : number + 1]), mode, tmp_path)


@pytest.mark.compile
def test_a_frozen_native_lane_stays_frozen(tmp_path):
    check(fleet("mlp", torch.float32), lanes(*MIXED[:3]), "native", tmp_path, frozen=1)


class Skipping(nn.Module):
    """Leaves one layer out of some steps, so that its parameters miss them; a buffer counts, a frozen parameter drifts."""

    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(4, 4), nn.Linear(4, 2)
        self.register_buffer("calls", torch.zeros((), dtype=torch.int64))
        self.mean = nn.Parameter(torch.zeros(4), requires_grad=False)

    def forward(self, x):
        if self.training:
            self.calls += 1
            self.mean.data.mul_(0.9).add_(x.detach().mean(0))
        if not self.training or self.calls.item() % 3:
            x = x + torch.tanh(self.a(x))
        return self.b(x + self.mean)


class Counting(Skipping):
    """Keeps a number that is neither parameter nor buffer."""

    number = 0.0

    def forward(self, x):
        self.number = self.number + 0.01
        return super().forward(x) * self.number


def peculiar(model):
    x = torch.randn(30, 4, generator=torch.Generator().manual_seed(0))
    y = (x[:, 0] > 0).long()
    return Fleet(Task("peculiar", model, (x, y), (x, y), F.cross_entropy, batch_size=7), race_seed=3)


def test_parameters_that_miss_steps_keep_their_own_age(tmp_path):
    for optimizer in ("adam", "momentum"):
        check(peculiar(Skipping), lanes((optimizer, {"lr": 0.05})), "loop", tmp_path)


def test_a_module_with_python_state_is_not_saved():
    tile = peculiar(Counting)._tile(lanes(("sgd", {})), "loop", STEPS)
    assert tile.is_savable, "nothing has changed yet"
    tile.run(1)
    assert not tile.is_savable


def numbers(event):
    """An event as something to compare; times left out."""
    kind = type(event).__name__
    if kind == "LossBlock":
        return [(kind, event.lanes, event.first_step + index, row.tobytes()) for index, row in enumerate(event.losses)]
    if kind == "Evaluated":
        return [(kind, event.lanes, event.step, event.split, {name: column.tobytes() for name, column in event.values.items()})]
    return [(kind, event.lane, event.step, event.reason)] if kind == "Diverged" else []


def carried_out(engine, members, choice, past, *, until=None):
    """What a run reports; broken off at its `until`-th snapshot, the last one that then counts."""
    result, count = [], 0
    evaluations = Evaluations({"validation": frozenset({0, 7, STEPS})}, {"validation": engine.task.data.validation})
    for event in engine.run(members, STEPS, evaluations, choice, past):
        if isinstance(event, Saved):
            assert past.snapshots.commit(event)
            count += 1
            if count == until:
                return result, event
        result += numbers(event)
    return result, None


@pytest.mark.parametrize("choice", MODES, ids=["stacked", "loop"])
@pytest.mark.parametrize("until", [1, 2, 3])
def test_a_run_that_was_broken_off_tells_the_rest_as_if_it_had_not_been(choice, until, tmp_path, monkeypatch):
    monkeypatch.setattr("ravine.fleet.tile_run.FIRST_BLOCK", 3)
    monkeypatch.setattr("ravine.fleet.snapshot.COST_SHARE", 1e9)
    engine = fleet("cnn", torch.float32)
    members = lanes(("sgd", {"lr": 1e30}), ("adam", {"lr": 0.01}))
    plain, _ = carried_out(engine, members, choice, Past())
    snapshots = Snapshots(tmp_path / "s", "race", 0.0)
    begun, saved = carried_out(engine, members, choice, Past(snapshots), until=until)
    assert 0 < saved.step < STEPS, "at the beginning there is nothing to save"
    order = [number for tile in engine.tiles(members, choice) for number in (lane.number for lane in tile)]
    ended = frozenset(order[: order.index(saved.lanes[0])])
    rest, _ = carried_out(engine, members, choice, Past(snapshots, ended))
    assert begun + rest == plain
