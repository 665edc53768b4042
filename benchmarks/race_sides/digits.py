"""Digits on eager torch, as one writes it by hand: data as tensors, torch's own optimisers, no data loader, no logging."""

import math

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import nn

BATCH_SIZE = 64
HALF_DECADE = math.sqrt(10)
GRIDS = {
    name: tuple(lowest * HALF_DECADE**power for power in range(12))
    for name, lowest in {"sgd": 1e-4, "momentum": 1e-5, "rmsprop": 1e-6, "adam": 1e-6, "adamw": 1e-6, "lion": 1e-7}.items()
}
"""The rates that ravine tries, by name."""


class Lion(torch.optim.Optimizer):
    """Lion, which torch lacks, in torch's multi-tensor operations."""

    def __init__(self, params, lr, betas=(0.9, 0.99)):
        super().__init__(params, {"lr": lr, "betas": betas})

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            params = [p for p in group["params"] if p.grad is not None]
            grads = [p.grad for p in params]
            for p in params:
                if not self.state[p]:
                    self.state[p]["exp_avg"] = torch.zeros_like(p)
            averages, (beta1, beta2) = [self.state[p]["exp_avg"] for p in params], group["betas"]
            updates = torch._foreach_lerp(averages, grads, 1 - beta1)
            torch._foreach_sign_(updates)
            torch._foreach_add_(params, updates, alpha=-group["lr"])
            torch._foreach_lerp_(averages, grads, 1 - beta2)


# The quickest form that torch has on a CPU; RMSprop has no fused one.
MAKE = {
    "sgd": lambda params, lr: torch.optim.SGD(params, lr=lr, fused=True),
    "momentum": lambda params, lr: torch.optim.SGD(params, lr=lr, momentum=0.9, fused=True),
    "rmsprop": lambda params, lr: torch.optim.RMSprop(params, lr=lr, foreach=True),
    "adam": lambda params, lr: torch.optim.Adam(params, lr=lr, fused=True),
    "adamw": lambda params, lr: torch.optim.AdamW(params, lr=lr, fused=True),
    "lion": Lion,
}


def splits():
    """Train, validation and test: the rows that ravine's task has in each."""
    images, labels = load_digits(return_X_y=True)
    shuffled = np.random.RandomState(0).permutation(len(labels))
    by_class = shuffled[np.argsort(labels[shuffled], kind="stable")]
    fifth = np.empty(len(labels), dtype=np.int64)
    fifth[by_class] = np.arange(len(labels)) % 5
    x, y = torch.tensor(images / 16, dtype=torch.float32), torch.tensor(labels)
    return [(x[chosen], y[chosen]) for chosen in map(torch.from_numpy, (fifth < 3, fifth == 3, fifth == 4))]


def evaluation_steps(steps):
    """The steps at which ravine evaluates: 40 even ones, and doubling ones before the first of them."""
    even = {round(step) for step in np.linspace(0, steps, 41)}
    first = min(step for step in even if step)
    return sorted(even | {2**power for power in range(20) if 2**power < first})


def batches(number, seed):
    """Shuffled rows of every step, without end."""
    generator = torch.Generator().manual_seed(seed)
    while True:
        order = torch.randperm(number, generator=generator)
        yield from order[: number // BATCH_SIZE * BATCH_SIZE].view(-1, BATCH_SIZE)


def train(name, lr, *, steps, seed, train_split, other_split):
    """Train one network; yields (step, loss on the other split) where ravine evaluates too, and ends at a loss that is not finite."""
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
    optimizer, (x, y), order = MAKE[name](model.parameters(), lr), train_split, batches(len(train_split[0]), seed)
    done = 0
    for stop in evaluation_steps(steps):
        for _ in range(stop - done):
            rows = next(order)
            optimizer.zero_grad()
            F.cross_entropy(model(x[rows]), y[rows]).backward()
            optimizer.step()
        done = stop
        with torch.no_grad():
            loss = F.cross_entropy(model(other_split[0]), other_split[1]).item()
        yield stop, loss
        if not math.isfinite(loss):
            return
