"""`curve:TARGET`: a 1-N-1 tanh network fits a curve on [-1, 1]."""

from functools import partial
from typing import Literal

import torch
import torch.nn.functional as F
from torch import nn

from ravine.base._checks import count
from ravine.tasks._task import Sources, Task

Target = Literal["sine", "step", "two-bumps", "sawtooth"]


def curve_model(width: int = 32) -> nn.Module:
    """1-width-1 with tanh."""
    return nn.Sequential(nn.Linear(1, width), nn.Tanh(), nn.Linear(width, 1))


def curve_values(x: torch.Tensor, target: str) -> torch.Tensor:
    """The curve at x: one of four, in the order of their difficulty."""
    if target == "sine":
        return torch.sin(torch.pi * x)
    if target == "step":
        return torch.where(x < 0, -1.0, 1.0)
    if target == "two-bumps":
        return torch.exp(-(((x + 0.5) / 0.15) ** 2)) + torch.exp(-(((x - 0.5) / 0.15) ** 2))
    return 4 * x - 2 * torch.floor(2 * x + 0.5)


def curve_splits(target: str = "sine", points: int = 128) -> tuple[tuple[torch.Tensor, torch.Tensor], ...]:
    """Train, validation and test: three interleaved grids of equally many points on [-1, 1]."""
    grid = (torch.arange(3 * points, dtype=torch.float64) + 0.5) / (1.5 * points) - 1
    train, validation, test = grid[1::3], grid[0::3], grid[2::3]
    return tuple((x.float()[:, None], curve_values(x, target).float()[:, None]) for x in (train, validation, test))


def curve(target: Target = "sine", width: int = 32, points: int = 128) -> Task:
    r"""A 1-N-1 tanh network fits a curve on [-1, 1], full batch, mean square error.

        sine        sin(pi x)
        step        -1 for x < 0, else 1
        two-bumps   exp(-((x + 0.5)/0.15)^2) + exp(-((x - 0.5)/0.15)^2)
        sawtooth    4 x - 2 floor(2 x + 1/2): four teeth from -1 to 1

    Validation and test are other points of the same curve, between the training points.
    """
    count("width", width)
    count("points", points, at_least=2)
    return Task(
        f"curve:{target}",
        partial(curve_model, width),
        load=partial(curve_splits, target, points),
        loss=F.mse_loss,
        batch_size=None,
        sources=Sources(
            (curve_model, curve_values, curve_splits),
            model=f"curve_model({width})",
            data=f"curve_splits({target!r}, {points})",
            loss="F.mse_loss",
        ),
        description=f"a 1-{width}-1 tanh network fits a curve ({target}) at {points} points",
    )
