"""`pinn:EQUATION`: a network solves a differential equation by what it leaves of it, as physics-informed networks do.

References:
    Raissi, Perdikaris and Karniadakis (2019), Physics-informed neural networks. Wang, Yu and Perdikaris (2022), When and why
    PINNs fail to train: a neural tangent kernel perspective, arXiv:2007.14527.
"""

from functools import partial
from typing import Literal

import torch
from torch import nn

from ravine.base._checks import count, number
from ravine.tasks._task import IMPORTS, Sources, Task

Problem = Literal["poisson"]


class Bent(nn.Module):
    """A network u of one number, 1-N-N-1 with tanh, with its first two derivatives carried along; an output is (u, u', u'')."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(1, width), nn.Linear(width, width), nn.Linear(width, 1)])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, 3) from x, (B, 1)."""
        value, slope, bend = x, torch.ones_like(x), torch.zeros_like(x)
        for place, layer in enumerate(self.layers):
            if place:
                # tanh' = 1 - tanh^2 and tanh'' = -2 tanh tanh', by the chain rule.
                value = torch.tanh(value)
                first = 1 - value.square()
                bend = first * bend - 2 * value * first * slope.square()
                slope = first * slope
            value, slope, bend = layer(value), slope @ layer.weight.T, bend @ layer.weight.T  # type: ignore[operator]
        return torch.cat([value, slope, bend], dim=1)


def pinn_residual(model: nn.Module, batch: tuple[torch.Tensor, ...]) -> torch.Tensor:
    """What the equation leaves inside, u'' - f, (B,)."""
    x, force, _ = batch
    return model(x)[:, 2] - force[:, 0]  # type: ignore[no-any-return]


def pinn_boundary(model: nn.Module, batch: tuple[torch.Tensor, ...]) -> torch.Tensor:
    """What u is at both ends, where it should be 0, (2,)."""
    x = batch[0]
    return model(torch.stack([torch.zeros_like(x[0]), torch.ones_like(x[0])]))[:, 0]  # type: ignore[no-any-return]


def pinn_step(model: nn.Module, batch: tuple[torch.Tensor, ...], equation: float = 1.0, boundary: float = 1.0) -> torch.Tensor:
    """The mean squares of what equation and boundary leave, each with its weight."""
    inside, ends = pinn_residual(model, batch), pinn_boundary(model, batch)
    return equation * inside.square().mean() + boundary * ends.square().mean()


def pinn_error(model: nn.Module, batch: tuple[torch.Tensor, ...]) -> torch.Tensor:
    """Mean square of what u misses the solution by."""
    x, _, solution = batch
    return (model(x)[:, :1] - solution).square().mean()  # type: ignore[no-any-return]


pinn_error.lower_is_better = True  # type: ignore[attr-defined]


def pinn_splits(points: int = 128, waves: int = 1) -> tuple[tuple[torch.Tensor, ...], ...]:
    """Train, validation and test: x, the right side f and the solution at points of three grids on [0, 1]."""
    frequency = 2 * torch.pi * waves
    grids = [(torch.arange(points) + offset)[:, None] / points for offset in (0.5, 0.25, 0.75)]
    return tuple((x, -(frequency**2) * torch.sin(frequency * x), torch.sin(frequency * x)) for x in grids)


def pinn(
    problem: Problem = "poisson",
    waves: int = 1,
    points: int = 128,
    width: int = 32,
    *,
    equation: float = 1.0,
    boundary: float = 1.0,
) -> Task:
    """A network solves a differential equation with nothing but the equation as its loss.

    Poisson's: u'' = f on [0, 1] with u = 0 at both ends, f such that u is a sine of so many waves. A 1-N-N-1 tanh network, full
    batch; the loss is the mean square of u'' - f inside and of u at the ends, each with its weight, and what ranks is the error of u.
    """
    for name, value in (("waves", waves), ("width", width)):
        count(name, value)
    count("points", points, at_least=2)
    for name, weight in (("equation", equation), ("boundary", boundary)):
        number(name, weight, above=0, below=float("inf"), do="1 is as the squares are.")
    is_plain = equation == boundary == 1
    step = pinn_step if is_plain else partial(pinn_step, equation=equation, boundary=boundary)
    return Task(
        f"pinn:{problem}",
        partial(Bent, width),
        load=partial(pinn_splits, points, waves),
        step=step,
        metrics={"error": pinn_error},
        rank_by="error",
        batch_size=None,
        sources=Sources(
            (Bent, pinn_residual, pinn_boundary, pinn_step, pinn_error, pinn_splits),
            model=f"Bent({width})",
            data=f"pinn_splits({points}, {waves})",
            step="pinn_step" if is_plain else f"partial(pinn_step, equation={equation!r}, boundary={boundary!r})",
            imports=("from functools import partial", "", *IMPORTS),
        ),
        description=f"a 1-{width}-{width}-1 tanh network solves u'' = f, whose solution has {waves} wave{'s' if waves > 1 else ''}",
    )
