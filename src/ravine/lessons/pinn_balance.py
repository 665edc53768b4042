"""A physics-informed loss has terms of very different size: how uneven they are, who copes with it, and what weights do."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ravine.lessons._criterion import Part, Sample, over_seeds
from ravine.lessons._lesson import Lesson, Measured
from ravine.lessons._readings import Reading, divergences, loss_panel, race
from ravine.report.panels import Panel, Picture
from ravine.tasks import Task, create
from ravine.tasks.pinn import pinn_boundary, pinn_residual

OPTIMIZERS = ("sgd", "adam")
UNBALANCED = 1.0
"""Decades between the gradients of the terms from which on one drowns the other."""
WAVES = 1
HIGHEST = 50.0
"""Squared error up to which a figure reaches."""
RATES = tuple(10.0 ** (place / 2) for place in range(-8, -1))
"""1e-4 to 0.1 by half-decades, each to its end: the error of u first rises where the equation is being learnt, so that an early look
would prefer whatever does not move."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Sizes of the experiment.

    Attributes:
        points: inside the interval.
        width: features of the two hidden layers.
        steps: of every lane.
        seeds: fresh seeds at the tuned rates.
        starts: fresh networks whose terms are measured.
    """

    points: int
    width: int
    steps: int
    seeds: int
    starts: int


PARTS = (
    Part(
        number="unbalanced",
        says="at the start the equation's gradient is more than ten times the boundary's",
        measures="log10 of the norm of the equation's gradient over that of the boundary's",
        above=UNBALANCED,
    ),
    Part(
        number="adam",
        says="tuned Adam ends nearer the solution than tuned SGD",
        measures="log10 of SGD's squared error over Adam's",
        above=0.0,
    ),
    *(
        Part(
            number=f"weights, {name}",
            says=f"weights from the tangent kernel bring {name} nearer the solution",
            measures="log10 of the squared error without weights over that with them",
            above=0.0,
        )
        for name in ("adam", "sgd")
    ),
)


def poisson(settings: Settings, weights: tuple[float, float] = (1.0, 1.0)) -> Task:
    """The built-in task, with its two terms weighted."""
    sizes = {"waves": WAVES, "points": settings.points, "width": settings.width}
    return create("pinn", {**sizes, "equation": weights[0], "boundary": weights[1]})


def experiment(settings: Settings) -> Measured:
    """Measure the terms of fresh networks, then race with and without weights."""
    plain = poisson(settings)
    terms = [_terms(plain, seed) for seed in range(settings.starts)]
    weights = tangent_weights(np.mean([traces for _, traces in terms], axis=0))
    options: dict[str, Any] = {"optimizers": OPTIMIZERS, "lrs": RATES, "exhaustive": True, "steps": settings.steps, "seeds": settings.seeds}
    found = {
        "alone": race(plain, "error", **options),
        "weighted": race(poisson(settings, weights), "error", **options),
    }
    numbers: dict[str, Sample] = {
        "unbalanced": over_seeds([math.log10(ratio) for ratio, _ in terms]),
        "adam": over_seeds(found["alone"]["sgd"].log_finals - found["alone"]["adam"].log_finals),
    }
    for name in OPTIMIZERS:
        numbers[f"weights, {name}"] = over_seeds(found["alone"][name].log_finals - found["weighted"][name].log_finals)
    also = {
        f"log10 of the squared error, {name} {how}, rate {readings[name].lr:.3g}": over_seeds(readings[name].log_finals)
        for how, readings in found.items()
        for name in OPTIMIZERS
    }
    note = f"The weights of equation and boundary are {weights[0]:.4g} and {weights[1]:.4g}, from the kernel of fresh networks."
    lost = [line for readings in found.values() for line in divergences(readings)]
    return Measured(numbers=numbers, also=also, picture=_picture(found), notes=(note, *lost))


def _terms(task: Task, seed: int) -> tuple[float, np.ndarray]:
    """Of a fresh network: norm of the equation's gradient over the boundary's, and mean diagonal of each one's tangent kernel."""
    model, batch = task.build(seed), task.data.train
    inside, ends = pinn_residual(model, batch), pinn_boundary(model, batch)
    norms = [_gradient(model, part.square().mean()).norm().item() for part in (inside, ends)]
    traces = [np.mean([_gradient(model, row).square().sum().item() for row in part]) for part in (inside, ends)]
    return norms[0] / norms[1], np.array(traces)


def _gradient(model: nn.Module, value: Tensor) -> Tensor:
    found = torch.autograd.grad(value, list(model.parameters()), retain_graph=True, allow_unused=True)
    return torch.cat([part.flatten() for part in found if part is not None])


def tangent_weights(traces: np.ndarray) -> tuple[float, float]:
    """The sum of the kernel's mean diagonals over each term's own (Wang, Yu and Perdikaris 2022, algorithm 1), held fixed."""
    equation, ends = (float(traces.sum() / trace) for trace in traces)
    return equation, ends


def _picture(found: Mapping[str, Mapping[str, Reading]]) -> Picture:
    titles = {"alone": "without weights", "weighted": "tangent-kernel weights"}
    panels = tuple(_panel(f"{titles[how]}: {_rates(readings)}", readings) for how, readings in found.items())
    return Picture(panels=panels, caption="Squared error of the solution, with and without weights: median and range of the seeds.")


def _panel(title: str, readings: Mapping[str, Reading]) -> Panel:
    panel = loss_panel(title, readings, OPTIMIZERS, up="squared error of u")
    # The error rises far above its start before it falls.
    return replace(panel, y_range=None if panel.y_range is None else (panel.y_range[0], HIGHEST))


def _rates(readings: Mapping[str, Reading]) -> str:
    return ", ".join(f"{name} {readings[name].lr:.2g}" for name in OPTIMIZERS)


LESSON = Lesson(
    name="pinn-balance",
    claim="The terms of a physics-informed loss are badly balanced; Adam copes better with that than SGD, and weights from the "
    "tangent kernel help.",
    question="Are the terms' sizes what makes such losses hard, and is weighting the cure?",
    source="Wang, Yu and Perdikaris (2022)",
    setup="u'' = f on the unit interval with u = 0 at both ends and one sine wave as its solution; 1-{width}-{width}-1 tanh "
    "networks, {points} points, full batch, {steps} steps; rates tuned on the error of u from 1e-4 to 0.1 by half-decades, then "
    "{seeds} fresh seeds; terms measured on {starts} fresh networks",
    parts=PARTS,
    experiment=experiment,
    quick=Settings(points=32, width=24, steps=700, seeds=6, starts=50),
    full=Settings(points=128, width=64, steps=4000, seeds=10, starts=200),
    full_s=200.0,
    explanation="Two derivatives multiply a wave of frequency k by (2 pi k)^2, so the equation's term is large and stiff beside "
    "the boundary's, and the solution is only fixed by both: u plus any straight line satisfies the equation as well. A descent at "
    "one rate must respect the stiff term and leaves the other behind. Wang, Yu and Perdikaris (2022) write each term's speed by "
    "its block of the tangent kernel and weight the terms by the traces, so that their mean speeds agree. That evens out the "
    "means, not the spread of eigenvalues inside a term, and Adam's division by the gradient's size, weight by weight, already "
    "does part of it.",
)
