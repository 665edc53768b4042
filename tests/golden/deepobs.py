"""DeepOBS's `quadratic_deep`, trained by ravine's optimisers on one batch order per run, and by its fleet on reshuffled ones."""

import functools

import numpy as np
import torch

from ravine import optim
from ravine.fleet import Diverged, Evaluated, Evaluations, Fleet, Lane
from ravine.rules import resolve
from ravine.schedules import create
from ravine.tasks.quadratic import quadratic_deep, quadratic_hessian, quadratic_splits

EPOCHS, BATCHES, BATCH, SEEDS = (1, 5, 10, 50, 100), 7, 128, 10
RUNS = {"sgd": {"lr": 10**-1.8}, "momentum": {"lr": 10**-2.6, "momentum": 0.99}, "adam": {"lr": 10**-1.4}}
"""The published rates, which lie 0.2 decades apart."""


@functools.cache
def rows():
    """Training and test rows in float64: DeepOBS evaluates whole batches only, 896 rows."""
    train, _, test = quadratic_splits()
    return train[0].double(), test[0].double()


def loss(theta, x):
    offset = theta - x
    return 0.5 * ((offset @ torch.tensor(quadratic_hessian())) * offset).sum(-1).mean(-1)


def largest_eigenvalue():
    return float(np.linalg.eigvalsh(quadratic_hessian())[-1])


def initial_loss():
    return float(loss(torch.ones(100, dtype=torch.float64), rows()[1]))


def loss_at_the_training_optimum():
    train, test = rows()
    return float(loss(train.mean(0), test))


@functools.cache
def fixed_order(name):
    """Test loss at `EPOCHS`, (runs, epochs): one order of batches a run, the same in every epoch, all runs as rows of one parameter."""
    train, test = rows()
    order = torch.stack([torch.randperm(len(train), generator=torch.Generator().manual_seed(seed)) for seed in range(SEEDS)])
    batches = [train[order[:, start : start + BATCH]] for start in range(0, BATCHES * BATCH, BATCH)]
    hessian = torch.tensor(quadratic_hessian())
    theta = torch.nn.Parameter(torch.ones(SEEDS, 100, dtype=torch.float64))
    optimizer = {"sgd": optim.SGD, "momentum": optim.SGD, "adam": optim.Adam}[name]([theta], **RUNS[name])
    found = []
    for epoch in range(1, EPOCHS[-1] + 1):
        for batch in batches:
            theta.grad = (theta.detach() - batch.mean(1)) @ hessian
            optimizer.step()
        if epoch in EPOCHS:
            found.append([float(loss(one, test)) for one in theta.detach()])
    return np.array(found).T


@functools.cache
def fleet():
    return Fleet(quadratic_deep())


def lanes(*entries):
    """Lanes of (optimizer, settings), ten seeds each."""
    made = []
    for optimizer, settings in entries:
        rule, hypers = resolve(optimizer, settings)
        made += [Lane(len(made) + seed, rule, hypers, create("constant"), seed) for seed in range(SEEDS)]
    return made


def run(members):
    """(Test loss before the first step and after 100 epochs by lane, lanes that diverged)."""
    steps = EPOCHS[-1] * BATCHES
    evaluations = Evaluations({"test": frozenset({0, steps})}, {"test": fleet().task.data.test})
    values, lost = {}, set()
    for event in fleet().run(members, steps, evaluations, fleet().calibrate(members, steps)):
        if isinstance(event, Diverged):
            lost.add(event.lane)
        elif isinstance(event, Evaluated):
            values |= {(event.step, number): float(value) for number, value in zip(event.lanes, event.values["loss"], strict=True)}
    return values, lost


@functools.cache
def reshuffled():
    """Final test loss of the three runs when every epoch has an order of its own, (3, seeds), and the initial loss of lane 0."""
    values, _ = run(lanes(*RUNS.items()))
    final = np.array([values[EPOCHS[-1] * BATCHES, number] for number in range(3 * SEEDS)]).reshape(3, SEEDS)
    return final, values[0, 0]


@functools.cache
def num_diverged():
    """How many of ten seeds of SGD diverge at the two rates around 2 / (largest eigenvalue)."""
    _, lost = run(lanes(("sgd", {"lr": 10**-1.6}), ("sgd", {"lr": 10**-1.4})))
    return sum(number < SEEDS for number in lost), sum(number >= SEEDS for number in lost)
