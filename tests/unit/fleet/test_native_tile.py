"""Lanes in generated code against the same lanes as plain modules: every rule, every habit of a model, ends and snapshots."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from cases import CASES
from lane_models import TOLERANCE, fleet, gap, lanes, task
from ravine.base.errors import TaskError
from ravine.fleet import Fleet
from ravine.fleet.native import compiler
from ravine.tasks import Task

pytestmark = pytest.mark.skipif(compiler() is None, reason="no C++ compiler was found")
STEPS = 20


def compare(engine, members, steps=STEPS, tolerance=1e-10):
    """A native tile against a tile of one module for each lane: losses, ends, parameters, evaluation; returns the native tile."""
    native = engine._tile(members, "native", steps)
    losses, finite = native.run(steps)
    values = native.metrics(engine.task.data.validation, 100)
    for position, member in enumerate(native.lanes):
        loop = engine._tile([member], "loop", steps)
        wanted, alive = loop.run(steps)
        assert np.array_equal(finite[:, position], alive[:, 0])
        assert losses[:, position] == pytest.approx(wanted[:, 0], rel=max(tolerance, 1e-6), nan_ok=True)
        mine, other = native.parameters(position), loop.parameters(0)
        assert mine.keys() == other.keys()
        assert gap(list(mine.values()), [other[name] for name in mine]) < tolerance
        if alive.all():
            for name, value in loop.metrics(engine.task.data.validation, 100).items():
                assert values[name][position] == pytest.approx(value[0], rel=max(10 * tolerance, 1e-6))
    return native


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_every_rule_equals_the_loop(dtype):
    engine = fleet("mlp", dtype)
    plain = [case for case in CASES if case.rule.is_plain and not any(slot.shape for slot in case.rule.active_slots)]
    members = lanes(*((case.name, case.settings) for case in plain))
    assert len(plain) > 40
    # In float32 a rule that divides by small roots carries rounding further than the step itself.
    compare(engine, members, tolerance=1e-4 if dtype == torch.float32 else 1e-10)


def test_wrappers_that_look_at_one_parameter_at_a_time_equal_the_loop():
    """Lookahead's slow weights start at the parameters."""
    compare(fleet("mlp"), lanes(*((f"adamw+{wrapper}", {"lr": 0.02}) for wrapper in ("lookahead", "clip_value", "agc", "cautious"))))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("name", ["linear", "mlp", "cnn", "transformer", "gru"])
def test_every_model_equals_the_loop(name, dtype):
    """Dropout draws the same numbers, running statistics move alike."""
    members = lanes(("sgd", {"lr": 0.1}), ("momentum", {"lr": 0.05}), ("adamw", {"lr": 0.01, "weight_decay": 0.1}))
    compare(fleet(name, dtype), members, tolerance=TOLERANCE[dtype])


@pytest.mark.parametrize("name", ["mlp", "transformer"])
def test_lanes_of_several_seeds_share_a_tile(name):
    compare(fleet(name), lanes(("sgd", {"lr": 0.1}, 0), ("sgd", {"lr": 0.1}, 3), ("adam", {"lr": 0.01}, 3)))


def test_the_whole_data_may_be_the_batch():
    compare(fleet("mlp", batch_size=None), lanes(("sgd", {"lr": 0.1}), ("adam", {"lr": 0.01})))


class Odd(nn.Module):
    """Frozen and unused parameters, an embedding with padding whose indices repeat, and an integer buffer."""

    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(5, 4, padding_idx=0)
        self.frozen, self.unused, self.head = nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 3)
        self.frozen.requires_grad_(False)
        self.register_buffer("seen", torch.zeros((), dtype=torch.int64))
        self.double()

    def forward(self, tokens):
        self.seen += 1
        return self.head(torch.tanh(self.frozen(self.table(tokens))).mean(1))


def odd(batch_size=4, loss=F.cross_entropy):
    generator = torch.Generator().manual_seed(1)
    split = [(torch.randint(0, 5, (rows, 6), generator=generator), torch.randint(0, 3, (rows,), generator=generator)) for rows in (22, 10)]
    return Fleet(Task("odd", Odd, *split, loss, batch_size=batch_size), race_seed=3)


def test_frozen_and_unused_parameters_and_embeddings():
    engine = odd()
    native = compare(engine, lanes(("adamw", {"lr": 0.05, "weight_decay": 0.5}), ("sgd", {"lr": 0.5})))
    before, after = engine._tile(native.lanes, "native", 5).parameters(0), native.parameters(0)
    assert {name for name in before if torch.equal(before[name], after[name])} == {"model.unused.weight", "model.unused.bias"}
    sgd = native.parameters(1)["model.table.weight"]
    assert torch.equal(sgd[0], before["model.table.weight"][0]), "the row that pads gets no gradient"
    assert not torch.equal(sgd[1], before["model.table.weight"][1])


@pytest.mark.parametrize("name", ["mlp", "cnn"])
def test_the_bits_of_a_lane_depend_on_nothing_but_the_lane(name):
    """Neither on other lanes, nor on how many steps are taken at a time."""
    engine = fleet(name, torch.float32)
    members = lanes(("adam", {"lr": 0.01}), ("sgd", {"lr": 1e30}), ("momentum", {"lr": 0.05}))
    together, apart = engine._tile(members, "native", 20), engine._tile(members[:1], "native", 20)
    losses = together.run(20)[0][:, 0]
    pieces = np.concatenate([apart.run(count)[0][:, 0] for count in (1, 2, 7, 3, 7)])
    assert losses.tobytes() == pieces.tobytes()
    for mine, other in zip(together.parameters(0).values(), apart.parameters(0).values(), strict=True):
        assert torch.equal(mine, other)


@pytest.mark.parametrize("name", ["mlp", "cnn"])
def test_a_restored_tile_goes_on_with_the_same_bits(name):
    engine = fleet(name, torch.float32)
    members = lanes(("adam", {"lr": 0.01}), ("sgd", {"lr": 1e30}), ("rmsprop", {"lr": 0.001, "centered": True}))
    straight, first, second = (engine._tile(members, "native", 20) for _ in range(3))
    losses, finite = straight.run(20)
    first.run(9)
    second.restore({key: tensor.clone() for key, tensor in first.save().items()})
    assert second.done == 9
    after, flags = second.run(11)
    assert losses[9:].tobytes() == after.tobytes()
    assert np.array_equal(finite[9:], flags)
    for position in range(3):
        for mine, other in zip(straight.parameters(position).values(), second.parameters(position).values(), strict=True):
            assert torch.equal(mine, other)


def saved(tile):
    return {key: tensor.clone() for key, tensor in tile.save().items() if key != "done"}


@pytest.mark.parametrize("rate", [1e5, 3e9, 1e30])
@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adam"])
def test_a_lane_that_diverges_keeps_its_last_finite_state(optimizer, rate):
    """Whether it happens at an odd step or an even one."""
    engine = fleet("mlp", torch.float32)
    (member,) = lanes((optimizer, {"lr": rate}), schedule="constant")
    native, loop = (engine._tile([member], mode, 30) for mode in ("native", "loop"))
    finite = native.run(30)[1][:, 0]
    assert np.array_equal(finite, loop.run(30)[1][:, 0])
    last = int(finite.sum())
    again = engine._tile([member], "native", 30)
    if last:
        again.run(last)
    for mine, other in zip(native.parameters(0).values(), again.parameters(0).values(), strict=True):
        assert torch.isfinite(mine).all()
        assert torch.equal(mine, other)


@pytest.mark.parametrize("end", range(1, 5))
def test_an_infinite_loss_ends_a_lane_at_its_step(end):
    """The loss overflows once the parameter has grown large enough; the number of steps until then is chosen."""

    def step(model, batch):
        weight = model.weight.sum()
        return torch.exp(weight * 0) * torch.where(weight > end - 0.5, torch.inf, 1.0) * (1 - weight * 0) + (weight - weight.detach()) * -1

    build = lambda: zeroed(nn.Linear(1, 1, bias=False).double())  # noqa: E731 - a factory
    data = (torch.ones(8, 1, dtype=torch.float64),)
    engine = Fleet(Task("ends", build, data, data, step=step, batch_size=4))
    native = engine._tile(lanes(("sgd", {"lr": 1.0}), schedule="constant"), "native", 8)
    losses, finite = native.run(8)
    assert finite[:, 0].tolist() == [True] * end + [False] * (8 - end)
    assert np.isinf(losses[end, 0])
    assert np.isnan(losses[end + 1 :, 0]).all()
    assert float(native.parameters(0)["model.weight"]) == end


def zeroed(module):
    for parameter in module.parameters():
        nn.init.zeros_(parameter)
    return module


def test_a_parameter_that_is_no_number_ends_the_lane_at_once_and_touches_no_other():
    engine = fleet("mlp")
    members = lanes(("adam", {"lr": 0.01}), ("adam", {"lr": 0.01}))
    native, healthy = (engine._tile(members, "native", 5) for _ in range(2))
    native._memory.parameters[0, 3] = torch.nan
    before = native._memory.parameters[0].clone()
    finite = native.run(5)[1]
    assert not finite[:, 0].any()
    assert finite[:, 1].all()
    assert torch.equal(native._memory.parameters[0].nan_to_num(7), before.nan_to_num(7))
    healthy.run(5)
    for mine, other in zip(native.parameters(1).values(), healthy.parameters(1).values(), strict=True):
        assert torch.equal(mine, other)


def test_a_frozen_lane_stays_as_it_is_and_evaluates_to_nothing():
    native = fleet("mlp")._tile(lanes(("sgd", {"lr": 0.1}), ("adam", {})), "native", 10)
    native.run(3)
    before = native.parameters(0)
    native.freeze(0)
    losses, finite = native.run(3)
    assert np.isnan(losses[:, 0]).all()
    assert not finite[:, 0].any()
    assert finite[:, 1].all()
    assert all(torch.equal(before[name], value) for name, value in native.parameters(0).items())
    native.freeze(1)
    assert all(np.isnan(column).all() for column in native.metrics(task("mlp").data.validation, 10).values())


def test_what_has_no_native_code_is_an_error_in_one_sentence():
    build = lambda: nn.Sequential(nn.Linear(6, 3), Sorts()).double()  # noqa: E731 - a factory
    data = task("mlp").data
    engine = Fleet(Task("sorts", build, data.train, data.validation, F.cross_entropy, batch_size=4))
    with pytest.raises(TaskError, match=r"has no native code: no native code is known for aten\.sort"):
        engine._tile(lanes(("sgd", {})), "native", 3)


class Sorts(nn.Module):
    def forward(self, x):
        return x.sort()[0]
