"""`line`: one weight and one bias find y = 2x + 3 under noise."""

from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from ravine.base._checks import count, number
from ravine.tasks._task import Sources, Task


def line_model() -> nn.Module:
    """One weight and one bias."""
    return nn.Linear(1, 1)


def line_splits(noise: float = 0.2, points: int = 100) -> tuple[tuple[torch.Tensor, torch.Tensor], ...]:
    """Train, validation and test: each of `points` uniform x in [-1, 1) and y = 2x + 3 + noise * N(0, 1)."""
    stream = np.random.RandomState(0)
    x = stream.uniform(-1, 1, (3, points, 1))
    y = 2 * x + 3 + noise * stream.normal(size=x.shape)
    return tuple((torch.tensor(x[k], dtype=torch.float32), torch.tensor(y[k], dtype=torch.float32)) for k in range(3))


def line(noise: float = 0.2, points: int = 100) -> Task:
    """A straight line, y = 2x + 3 + noise: one weight, one bias, mean square error.

    Batches of 20. No fit goes below a loss of noise^2 on fresh points, except by chance.
    """
    number("noise", noise, at_least=0)
    count("points", points, at_least=2)
    return Task(
        "line",
        line_model,
        load=partial(line_splits, noise, points),
        loss=F.mse_loss,
        batch_size=20,
        sources=Sources((line_model, line_splits), model="line_model()", data=f"line_splits({noise!r}, {points})", loss="F.mse_loss"),
        description=f"y = 2x + 3 with noise {noise:g}, {points} points",
    )
