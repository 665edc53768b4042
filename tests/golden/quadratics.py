"""Small quadratics whose course is known: stability bounds, and three optimisers on two numbers, all by the fleet in float64."""

import functools

import numpy as np
import torch
from torch import nn

from ravine.fleet import Diverged, Evaluated, Evaluations, Fleet, Lane
from ravine.rules import resolve
from ravine.schedules import create
from ravine.tasks import Task

CURVATURES, STEPS = (20.0, 1.0), 300
RATES = np.round(np.arange(0.0900, 0.0990, 0.0001), 4)
MOMENTA = (0.0, 0.5, 0.9, 0.99)
BOUND_STEP, BOUND_STEPS = 0.0025, 3000
"""Rates around a stability bound, and how long each runs: near the bound a lane shrinks or grows slowly."""
OFFSET = 1e6
"""Added to the loss, which leaves its gradient as it is. Heavy ball overshoots before it settles, near its bound up to
((1 + momentum) / (1 - momentum))^2 times the start, which the watch would take for a blow-up."""


class TwoNumbers(nn.Module):
    """(20 a^2 + b^2) / 2 from (1, 1)."""

    def __init__(self):
        super().__init__()
        self.theta = nn.Parameter(torch.ones(2, dtype=torch.float64))

    def forward(self, curvatures):
        return 0.5 * (curvatures * self.theta**2).sum(-1)


def value(model, batch):
    return model(batch[0]).mean()


def raised_value(model, batch):
    return model(batch[0]).mean() + OFFSET


@functools.cache
def fleet(step):
    data = (torch.tensor([CURVATURES], dtype=torch.float64),)
    return Fleet(Task("two-numbers", TwoNumbers, data, data, step=step, metrics={"value": value}, batch_size=None))


def final_values(entries, steps, step=value):
    """The quadratic after `steps` of every (optimizer, settings); infinite where the lane diverged."""
    members = []
    for optimizer, settings in entries:
        rule, hypers = resolve(optimizer, settings)
        members.append(Lane(len(members), rule, hypers, create("constant"), 0))
    found = np.full(len(members), np.inf)
    lost = set()
    evaluations = Evaluations({"validation": frozenset({steps})}, {"validation": fleet(step).task.data.validation})
    for event in fleet(step).run(members, steps, evaluations, fleet(step).calibrate(members, steps)):
        if isinstance(event, Diverged):
            lost.add(event.lane)
        elif isinstance(event, Evaluated):
            found[list(event.lanes)] = event.values["value"]
    found[sorted(lost)] = np.inf
    return found


def stability_bounds():
    """Where training turns from shrinking to growing, as lr times the largest curvature, for every momentum."""
    factors = np.arange(0.97, 1.03, BOUND_STEP) + BOUND_STEP / 2
    bounds = []
    for momentum in MOMENTA:
        expected = 2 * (1 + momentum) / CURVATURES[0]
        name, settings = ("sgd", {}) if momentum == 0 else ("momentum", {"momentum": momentum})
        entries = [(name, {"lr": expected * factor, **settings}) for factor in factors]
        stable = final_values(entries, BOUND_STEPS, raised_value) < 0.5 * sum(CURVATURES)
        assert list(stable) == sorted(stable, reverse=True), "stable rates lie below unstable ones"
        bounds.append(float(factors[stable][-1] + BOUND_STEP / 2) * expected * CURVATURES[0])
    return bounds


def three_values():
    """SGD, momentum 0.9 and Adam at the rates of the textbook figure."""
    return final_values([("sgd", {"lr": 0.04}), ("momentum", {"lr": 0.02}), ("adam", {"lr": 0.20})], STEPS)


def tuned_sgd():
    """SGD at the rate that is named as tuned."""
    return final_values([("sgd", {"lr": 0.0938})], STEPS)


@functools.cache
def best_of_sgd():
    """(Best rate, the value it reaches) of SGD on a grid of 0.0001."""
    values = final_values([("sgd", {"lr": float(rate)}) for rate in RATES], STEPS)
    best = int(np.argmin(values))
    return float(RATES[best]), float(values[best])


def best_in_closed_form():
    """The least that SGD can leave on the same grid: each number shrinks by 1 - lr times its curvature."""
    left = [0.5 * sum(curvature * (1 - rate * curvature) ** (2 * STEPS) for curvature in CURVATURES) for rate in RATES]
    return min(left)
