"""`digits`: scikit-learn's 1,797 real handwritten digits of 8 x 8 pixels."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from ravine.tasks._task import Sources, Task
from ravine.tasks.metrics import accuracy


def digits_model() -> nn.Module:
    """64-32-10 with ReLU."""
    return nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))


def digits_splits() -> tuple[tuple[torch.Tensor, torch.Tensor], ...]:
    """Train, validation and test in the ratio 60/20/20 within every class; pixels in [0, 1]."""
    from sklearn.datasets import load_digits  # noqa: PLC0415 - takes a second, and only this data set needs it

    images, labels = load_digits(return_X_y=True)
    shuffled = np.random.RandomState(0).permutation(len(labels))
    by_class = shuffled[np.argsort(labels[shuffled], kind="stable")]
    fifth = np.empty(len(labels), dtype=np.int64)
    fifth[by_class] = np.arange(len(labels)) % 5
    x, y = torch.tensor(images / 16, dtype=torch.float32), torch.tensor(labels, dtype=torch.int64)
    train, validation, test = torch.tensor(fifth < 3), torch.tensor(fifth == 3), torch.tensor(fifth == 4)
    return (x[train], y[train]), (x[validation], y[validation]), (x[test], y[test])


def digits() -> Task:
    """Scikit-learn's real 8x8 handwritten digits, 64-32-10 ReLU, cross entropy."""
    return Task(
        "digits",
        digits_model,
        load=digits_splits,
        loss=F.cross_entropy,
        metrics={"accuracy": accuracy},
        batch_size=64,
        sources=Sources((digits_model, digits_splits), model="digits_model()", data="digits_splits()", loss="F.cross_entropy"),
        description="1,797 real handwritten digits of 8x8 pixels",
    )
