"""Small tasks to be examined: a healthy one, and what may be broken about it."""

import torch
from torch import nn
from torch.nn import functional

import ravine


def blobs(rows=256, classes=4, seed=0):
    """Points around as many centres as there are classes, and which centre each belongs to."""
    stream = torch.Generator().manual_seed(seed)
    centres = torch.randn(classes, 6, generator=torch.Generator().manual_seed(7))
    labels = torch.arange(rows) % classes
    return centres[labels] + 0.3 * torch.randn(rows, 6, generator=stream), labels


def network(classes=4):
    return nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, classes))


def healthy(model=network, loss=functional.cross_entropy, train=None, validation=None, **settings):
    """A task that trains well, unless something of it is replaced."""
    given = {"metrics": {"accuracy": ravine.metrics.accuracy}, "batch_size": 32} | settings
    return ravine.Task(
        "blobs", model, blobs() if train is None else train, blobs(64, seed=1) if validation is None else validation, loss, **given
    )
