"""Models with habits that a stack or a shared tensor could get wrong: whatever the engine chooses, a lane equals a plain torch loop."""

import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from lane_models import RACE_SEED, Run, lanes
from ravine.base._seeds import derive
from ravine.base.errors import TaskError
from ravine.fleet import Choice, Fleet
from ravine.schedules import create
from ravine.tasks import Task

STEPS, ROWS, BATCH = 24, 48, 8
OPTIMIZERS = {
    "adam": lambda params: torch.optim.Adam(params, lr=0.05),
    "momentum": lambda params: torch.optim.SGD(params, lr=0.05, momentum=0.9),
    "adamw": lambda params: torch.optim.AdamW(params, lr=0.05),
}


def split(rows):
    x = torch.randn(rows, 4, generator=torch.Generator().manual_seed(rows), dtype=torch.float64)
    return x, (x[:, 0] > 0).long()


class Net(nn.Module):
    """Two residual layers and a head; the subclasses have the habits."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.head = nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 2)
        self.double()
        self.setup()

    def setup(self):
        """What a habit needs."""

    def forward(self, x):
        return self.head(x + torch.tanh(self.a(x)) + torch.tanh(self.b(x)))


class SkipsLayers(Net):
    def forward(self, x):
        for layer in (self.a, self.b):
            if self.training and torch.rand(1) < 0.5:
                continue
            x = x + torch.tanh(layer(x))
        return self.head(x)


class LooksAtTheBatch(Net):
    def forward(self, x):
        return super().forward(x) * (2.0 if x.sum() > 0 else 1.0)


class SkipsByTheBatch(Net):
    def forward(self, x):
        return self.head(x + torch.tanh(self.a(x)) if x.sum() > 0 else x)


class WritesItsInput(Net):
    def forward(self, x):
        x -= 0.5
        return super().forward(x)


class ClipsGradients(Net):
    def setup(self):
        for p in self.parameters():
            p.register_hook(lambda g: g.clamp(-0.01, 0.01))


def clip(p):
    p.grad.clamp_(-0.01, 0.01)


class ClipsAfterAccumulation(Net):
    def setup(self):
        for p in self.parameters():
            p.register_post_accumulate_grad_hook(clip)


class Counts(Net):
    def setup(self):
        self.seen = 0

    def forward(self, x):
        self.seen += self.training
        return super().forward(x) * min(1.0, self.seen / 10)


class Remembers(Net):
    def setup(self):
        self.kept = None

    def forward(self, x):
        if self.training:
            self.kept = x.mean(0) if self.kept is None else 0.9 * self.kept + 0.1 * x.mean(0)
        return super().forward(x if self.kept is None else x - self.kept)


class HoldsATensor(Net):
    def setup(self):
        self.twice = self.a.weight * 2  # deepcopy refuses it


class RepeatsABlock(Net):
    """One module in several places, whose buffers every place moves."""

    def setup(self):
        block = nn.Sequential(nn.BatchNorm1d(4), nn.Linear(4, 4), nn.Tanh()).double()
        self.blocks = nn.Sequential(*[block] * 3)

    def forward(self, x):
        return super().forward(self.blocks(x))


class LeavesOut(Net):
    def forward(self, x):
        return self.head(x + torch.tanh(self.a(x)))


class UsesOnlyInEvaluation(Net):
    def forward(self, x):
        return super().forward(x) if not self.training else self.head(x + torch.tanh(self.a(x)))


def by_hand(problem, optimizer, seed):
    model = problem.build(derive(RACE_SEED, seed, "init")).train()
    optimizer = OPTIMIZERS[optimizer](list(model.parameters()))
    peak, shape, batches, losses = optimizer.param_groups[0]["lr"], create("cosine"), [], []
    order = torch.Generator().manual_seed(derive(RACE_SEED, seed, "order"))
    rows_per_step = problem.batch_size or ROWS
    for step in range(STEPS):
        if not batches:
            batches = list(torch.randperm(ROWS, generator=order).split(rows_per_step)) if rows_per_step < ROWS else [torch.arange(ROWS)]
        rows = batches.pop(0)
        optimizer.param_groups[0]["lr"] = peak * shape(step, STEPS)
        optimizer.zero_grad()
        with torch.random.fork_rng():
            torch.manual_seed(derive(RACE_SEED, seed, "dropout") + step)
            loss = problem.loss(model(split(ROWS)[0][rows]), split(ROWS)[1][rows])
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    x, y = split(10)
    with torch.no_grad():
        return losses, float(problem.loss(model.eval()(x), y))


@pytest.mark.parametrize("batch_size", [BATCH, None], ids=["batches", "whole"])
@pytest.mark.parametrize(
    ("model", "stackable"),
    [
        (Net, True),
        (LeavesOut, True),
        (UsesOnlyInEvaluation, True),
        (RepeatsABlock, True),
        (HoldsATensor, True),
        (WritesItsInput, True),
        (LooksAtTheBatch, True),
        (SkipsByTheBatch, None),
        (SkipsLayers, False),
        (ClipsGradients, False),
        (ClipsAfterAccumulation, False),
        (Counts, False),
        (Remembers, False),
    ],
)
def test_a_lane_equals_a_plain_loop_whatever_the_model_does(model, stackable, batch_size):
    problem = Task(model.__name__, model, split(ROWS), split(10), F.cross_entropy, batch_size=batch_size)
    engine = Fleet(problem, race_seed=RACE_SEED)
    if stackable is not None:
        assert engine.support.stackable == stackable, engine.support.reason
    chosen = [(optimizer, {"lr": 0.05}, seed) for optimizer in OPTIMIZERS for seed in (1, 2)]
    for mode in ("loop", "stacked")[: 1 + engine.support.stackable]:
        run = Run(engine, lanes(*chosen), Choice(mode, 1 if mode == "loop" else 8, ""), STEPS, at=(0, STEPS // 2, STEPS))
        for number, (optimizer, _, seed) in enumerate(chosen):
            losses, final = by_hand(problem, optimizer, seed)
            assert run.losses[number] == pytest.approx(losses, rel=1e-5)
            assert run.values[number][STEPS, "loss"] == pytest.approx(final, rel=1e-8)
    assert torch.equal(problem.data.train[0], split(ROWS)[0]), "the user's data stay as they are"
    assert torch.equal(problem.data.validation[0], split(10)[0])


@pytest.mark.parametrize("mode", ["loop", "stacked"])
def test_unused_parameters_stay_as_they_are_and_are_handed_out(mode):
    engine = Fleet(Task("unused", LeavesOut, split(ROWS), split(10), F.cross_entropy, batch_size=BATCH))
    tile = engine._tile(lanes(("adamw", {"lr": 0.1, "weight_decay": 0.5})), mode, 5)
    before = tile.parameters(0)
    tile.run(5)
    after = tile.parameters(0)
    assert before.keys() == after.keys()
    assert {name for name in before if torch.equal(before[name], after[name])} == {"model.b.weight", "model.b.bias"}


def test_python_that_looks_at_the_batch_is_not_compiled():
    engine = Fleet(Task("looks", LooksAtTheBatch, split(ROWS), split(10), F.cross_entropy, batch_size=BATCH))
    with pytest.raises(TaskError, match="looks at values of the batch"):
        engine._tile(lanes(("sgd", {"lr": 0.1})), "compiled", 3)


def differential(model, batch):
    point = batch[0].detach().requires_grad_()
    (slope,) = torch.autograd.grad(model(point).sum(), point, create_graph=True)
    return (slope - torch.cos(point)).square().mean()


def test_a_step_that_differentiates_trains_and_is_evaluated():
    points = torch.rand(ROWS, 1, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    build = lambda: nn.Sequential(nn.Linear(1, 8), nn.Tanh(), nn.Linear(8, 1)).double()  # noqa: E731 - a factory
    engine = Fleet(Task("slope", build, (points,), (points,), step=differential, batch_size=BATCH))
    assert not engine.support.stackable
    run = Run(engine, lanes(("adam", {"lr": 0.05})), Choice("loop", 1, ""), STEPS, at=(0, STEPS))
    assert run.values[0][STEPS, "loss"] < run.values[0][0, "loss"]


@pytest.mark.parametrize("batch_size", [BATCH, None], ids=["batches", "whole"])
def test_a_step_may_take_entries_out_of_its_batch(batch_size):
    def step(model, batch):
        target = batch.pop("target")
        return F.cross_entropy(model(batch["x"]), target)

    data = [dict(zip(("x", "target"), split(rows), strict=True)) for rows in (ROWS, 10)]
    engine = Fleet(Task("pops", Net, *data, step=step, batch_size=batch_size))
    for mode in ("loop", "stacked"):
        run = Run(engine, lanes(("adam", {"lr": 0.05})), Choice(mode, 1, ""), 3, at=(0, 3))
        assert all(math.isfinite(loss) for loss in run.losses[0])
        assert np.isfinite(run.values[0][3, "loss"])


class TwoOnOneMemory(Net):
    def setup(self):
        self.b.weight.data = self.a.weight.data


class Sparse(nn.Module):
    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(5, 2, sparse=True)

    def forward(self, x):
        return self.table((x[:, 0] > 0).long())


@pytest.mark.parametrize(
    ("model", "sentence"), [(TwoOnOneMemory, "model.a.weight and model.b.weight are two Parameters"), (Sparse, "with sparse=False")]
)
def test_what_no_engine_trains_is_refused_in_one_sentence(model, sentence):
    with pytest.raises(TaskError, match=sentence):
        _ = Fleet(Task("refused", model, split(ROWS), split(10), F.cross_entropy, batch_size=BATCH)).support


def test_a_loss_that_is_no_number_from_the_start_is_not_blamed_on_stacking():
    problem = Task("nan", Net, split(ROWS), split(10), lambda output, target: output.sum() * math.nan, batch_size=BATCH)
    assert Fleet(problem).support.stackable
