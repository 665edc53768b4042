"""Draws that nothing seeds: where they are made, and that seeded ones are none."""

import itertools
import os
import random
import re
import time

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from ravine.base.errors import TaskError
from ravine.tasks import Task

X, Y = torch.randn(10, 3, generator=torch.Generator().manual_seed(0)), torch.arange(10) % 2
PAIR = (X, Y)
FRESH, SHARED, COUNTER = np.random.default_rng(), torch.Generator().manual_seed(0), itertools.count()


class Noisy(nn.Module):
    """A linear layer whose input is scaled by something."""

    def __init__(self, scale, *, only_in=(True, False)):
        super().__init__()
        self.layer, self.scale, self.only_in = nn.Linear(3, 2), scale, only_in

    def forward(self, x):
        return self.layer(x * self.scale()) if self.training in self.only_in else self.layer(x)


class Wrapped(nn.Module):
    """The noise sits in a part of the model."""

    def __init__(self):
        super().__init__()
        self.inner = Noisy(FRESH.random)

    def forward(self, x):
        return torch.tanh(self.inner(x))


def scaled_in_factory():
    scale = float(FRESH.random())
    return Noisy(lambda: scale)


def wider():
    return nn.Linear(3, int(torch.randint(2, 1000, ())))


def sometimes_deeper():
    return nn.Sequential(nn.Linear(3, 2), *([nn.Linear(2, 2)] if next(COUNTER) % 2 else []))


def extra():
    """One parameter more at the second of a pair of calls."""
    return nn.Linear(3, 2, bias=next(COUNTER) % 2 == 1)


def noisy_loss(output, target):
    return F.cross_entropy(output, target) * FRESH.random()


def task(model, loss=F.cross_entropy):
    return Task("t", model, PAIR, PAIR, loss)


@pytest.mark.parametrize(
    ("model", "loss", "sentence"),
    [
        (lambda: Noisy(FRESH.random), F.cross_entropy, "task 't': the model's forward gave another number when run again"),
        (lambda: Noisy(lambda: os.urandom(1)[0]), F.cross_entropy, "the model's forward gave another number"),
        (lambda: Noisy(lambda: time.perf_counter_ns() % 1000), F.cross_entropy, "the model's forward gave another number"),
        (lambda: Noisy(lambda: torch.rand(1, generator=SHARED)), F.cross_entropy, "the model's forward gave another number"),
        (Wrapped, F.cross_entropy, "the forward of the model's inner gave another number"),
        (lambda: Noisy(FRESH.random, only_in=(False,)), F.cross_entropy, "task 't', in evaluation mode: the model's forward gave another"),
        (scaled_in_factory, F.cross_entropy, "the model's forward gave another number"),
        (lambda: nn.Linear(3, 2), noisy_loss, "the loss gave another number when run again from the same weights, on the same batch"),
        (wider, F.cross_entropy, "model() gave another 'weight' under another seed: ("),
        (sometimes_deeper, F.cross_entropy, "model() gave a module with other parameters or buffers when called again under the same seed"),
        (extra, F.cross_entropy, "('bias' is in one only). The structure of a model must not depend on the call or on chance."),
    ],
)
def test_what_does_not_repeat_itself_is_refused_and_its_place_named(model, loss, sentence):
    with pytest.raises(TaskError, match=re.escape(sentence)) as caught:
        task(model, loss).check()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "model",
    [
        lambda: Noisy(random.random),
        lambda: Noisy(np.random.rand),
        lambda: Noisy(lambda: torch.rand(1)),
        lambda: nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Dropout(0.5), nn.Linear(4, 2)),
    ],
)
def test_draws_from_the_global_streams_repeat_themselves(model):
    task(model).check()
