"""Rules that look at whole tensors: a lane in a stack equals the lane alone and the drop-in class in a plain loop."""

import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from lane_models import LOOP, STACKED, Run, gap, lanes
from ravine import optim
from ravine.base._seeds import derive
from ravine.fleet import Fleet
from ravine.schedules import create
from ravine.tasks import Task

STEPS, BATCH, SEED, RACE_SEED, TOLERANCE = 12, 24, 4, 7, 1e-10

RATES = {
    "lamb": (0.01, 0.05),
    "lars": (0.5, 2.0),
    "adafactor": (0.01, 0.1),
    "muon": (0.003, 0.03),
    "soap": (0.003, 0.03),
    "shampoo": (0.03, 0.1),
}
OFTEN = {"soap": {"precondition_frequency": 3}, "shampoo": {"precondition_frequency": 2, "momentum": 0.9}, "lamb": {"max_grad_norm": 0.3}}


class Square(nn.Module):
    """Square weights: eigenvectors of matrices without full rank are not unique, so SOAP's path would not be either."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 4))

    def forward(self, x):
        return self.layers(x)


class Pictures(nn.Module):
    """Convolutions that mix as many channels as they make, and no bias before the normalisation."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(2, 2, 2), nn.Tanh(), nn.Conv2d(2, 2, 2), nn.Tanh(), nn.Flatten(), nn.Linear(8, 8))

    def forward(self, x):
        return self.layers(x)


MODELS = {"mlp": (Square, (4,), 4), "cnn": (Pictures, (2, 4, 4), 8)}


def task(name):
    build, shape, outputs = MODELS[name]
    generator = torch.Generator().manual_seed(3)

    def split(rows):
        x = torch.randn(rows, *shape, generator=generator, dtype=torch.float64)
        return x, torch.randn(rows, outputs, generator=generator, dtype=torch.float64)

    # Not cross-entropy, whose gradients have no part along (1, ..., 1): SOAP divides what rounding leaves there by eps.
    return Task(name, lambda: build().to(torch.float64), split(96), split(10), F.mse_loss, batch_size=BATCH)


def members(optimizer, rates):
    return lanes(*((optimizer, {"lr": rate, **OFTEN.get(optimizer, {})}, SEED) for rate in rates))


def by_hand(problem, optimizer, rate):
    """What a person would write, with the seeds that the fleet documents."""
    model = problem.build(derive(RACE_SEED, SEED, "init")).train()
    params = optim.muon_groups(model) if optimizer == "muon" else model.parameters()
    ours, shape = optim.create(optimizer, params, lr=rate, **OFTEN.get(optimizer, {})), create("cosine")
    order, batches = torch.Generator().manual_seed(derive(RACE_SEED, SEED, "order")), []
    x, y = problem.data.train
    for step in range(STEPS):
        batches = batches or list(torch.randperm(len(y), generator=order).split(BATCH))
        rows = batches.pop(0)
        for group in ours.param_groups:
            group["lr"] = rate * shape(step, STEPS)
        ours.zero_grad()
        problem.loss(model(x[rows]), y[rows]).backward()
        ours.step()
    return [p.detach() for p in model.parameters()]


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("optimizer", RATES)
def test_a_lane_equals_itself_alone_and_the_class(optimizer, name):
    problem = task(name)
    engine = Fleet(problem, race_seed=RACE_SEED)
    runs = [Run(engine, members(optimizer, RATES[optimizer]), choice, STEPS, at=(STEPS,)) for choice in (STACKED, LOOP)]
    for number, rate in enumerate(RATES[optimizer]):
        weights = by_hand(problem, optimizer, rate)
        alone = [run.everything(number) for run in runs]
        assert gap(*alone) < TOLERANCE
        assert gap(alone[0][: len(weights)], weights) < TOLERANCE
        assert gap(weights, [p.detach() for p in problem.build(derive(RACE_SEED, SEED, "init")).parameters()]) > 1e-3


@pytest.mark.parametrize("optimizer", RATES)
def test_a_diverged_lane_changes_no_other_by_one_bit(optimizer):
    engine = Fleet(task("mlp"), race_seed=RACE_SEED)
    clean, poisoned = (engine._tile(members(optimizer, (RATES[optimizer][0],) * 3), "stacked", STEPS) for _ in range(2))
    max(poisoned.state.parameters.values(), key=torch.Tensor.numel)[1, 0, 0] = math.nan
    losses, others = clean.run(STEPS)[0], poisoned.run(STEPS)[0]
    for position in (0, 2):
        assert (losses[:, position] == others[:, position]).all()
        for mine, theirs in zip(clean.parameters(position).values(), poisoned.parameters(position).values(), strict=True):
            assert torch.equal(mine, theirs)


def test_lanes_with_intervals_of_their_own_turn_at_their_own_steps():
    engine = Fleet(task("mlp"), race_seed=RACE_SEED)
    mixed = lanes(*(("soap", {"lr": 0.01, "precondition_frequency": every}, SEED) for every in (2, 3, 5)))
    together, apart = Run(engine, mixed, STACKED, STEPS, at=(STEPS,)), Run(engine, mixed, LOOP, STEPS, at=(STEPS,))
    for number in range(3):
        assert gap(together.everything(number), apart.everything(number)) < TOLERANCE
