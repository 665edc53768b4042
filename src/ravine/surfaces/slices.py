"""Slices of a model's own loss: around it, along the line to another, in the plane of a training."""

import math
from collections.abc import Sequence

import numpy as np
from torch import Tensor, nn

from ravine.base._checks import count, number
from ravine.base.errors import InputError
from ravine.fleet.stacking import split_state
from ravine.records.slices import Kind, LossSlice
from ravine.surfaces.directions import Weights, filter_normalised, principal
from ravine.surfaces.evaluating import Losses, filled
from ravine.tasks import Task

POINTS = 51
ROWS = 2048
"""Training rows that a loss is a mean over, at most."""

MARGIN = 0.25
"""Share of a line's or a trajectory's extent that is shown beyond its ends."""

FEWEST = 3
"""Models that make a plane."""


def check_extent(*, dimensions: int = 2, span: float = 1.0, points: int = POINTS) -> None:
    """Refuse what no slice can be; asked before a training that a slice waits for.

    Args:
        dimensions: see `slice_around`.
        span: see `slice_around`.
        points: see `slice_around`.

    Raises:
        InputError: a number is out of range.
    """
    count("dimensions", dimensions, at_most=2, do="Draw one or two directions.")
    number("span", span, above=0, below=math.inf)
    count("points", points, at_least=2, at_most=501, do="51 are usual.")


def slice_around(
    task: Task, model: nn.Module | Weights, *, dimensions: int = 2, span: float = 1.0, points: int = POINTS, rows: int = ROWS, seed: int = 0
) -> LossSlice:
    """The loss around a model, along random directions of filters as long as its own (Li et al. 2018).

    Sharpness can be compared between two models this way, since a factor that one layer gains and the next one loses changes
    nothing. Batch normalisation keeps the model's own statistics.

    Args:
        task: whose training loss it is.
        model: trained, or its `state_dict()`.
        dimensions: 1 or 2.
        span: how far to go to both sides, in lengths of the model's filters.
        points: along each direction; an odd number has the model itself among them.
        rows: of the training split, spread evenly, at most.
        seed: of the directions.

    Raises:
        InputError: the weights are another model's, or a number is out of range.
    """
    check_extent(dimensions=dimensions, span=span, points=points)
    losses = Losses(task, model, rows=count("rows", rows))
    directions = [filter_normalised(losses.weights, count("seed", seed, at_least=0), which) for which in range(dimensions)]
    side = np.linspace(-span, span, points)
    # The model itself is a point, not a rounding of one.
    side[np.abs(side) < 1e-12 * span] = 0.0
    found = losses.at(directions, _grid(side, side) if dimensions == 2 else side[:, None])
    if dimensions == 2:
        found = found.reshape(len(side), len(side))
    own = np.array([losses.alone(losses.weights)])
    sides = (side, side if dimensions == 2 else None)
    return _slice(task, losses, "around", sides=sides, found=found, path=(np.zeros((1, dimensions)), own))


def slice_between(
    task: Task, first: nn.Module | Weights, second: nn.Module | Weights, *, points: int = 2 * POINTS - 1, rows: int = ROWS
) -> LossSlice:
    """The loss along the straight line from one model (0) to another (1), and a quarter beyond both.

    Batch normalisation takes its statistics from the rows at every point, since nobody has gathered any in between.

    Args:
        task: whose training loss it is.
        first: a model, or its `state_dict()`.
        second: another.
        points: along the line.
        rows: see `slice_around`.

    Raises:
        InputError: see `slice_around`.
    """
    check_extent(points=points)
    losses = Losses(task, first, rows=count("rows", rows), fresh_statistics=True)
    other = _trained(task, second)
    way = {name: other[name] - own for name, own in losses.weights.items()}
    side = np.linspace(-MARGIN, 1 + MARGIN, points)
    ends = np.array([losses.alone(losses.weights), losses.alone(other)])
    path = (np.array([[0.0], [1.0]]), ends)
    return _slice(task, losses, "between", sides=(side, None), found=losses.at([way], side[:, None]), path=path)


def slice_trajectory(task: Task, models: Sequence[nn.Module | Weights], *, points: int = POINTS, rows: int = ROWS) -> LossSlice:
    """The loss in the plane that holds most of a training's way (PCA of its models about the last one).

    The way itself lies in the plane as far as `explained` says; losses of its models are their own, not the plane's. Batch
    normalisation as in `slice_between`.

    Args:
        task: whose training loss it is.
        models: three or more in the order of the training, or their `state_dict()`s.
        points: along each direction.
        rows: see `slice_around`.

    Raises:
        InputError: fewer than three models, no two of them different; or see `slice_around`.
    """
    if len(models) < FEWEST:
        raise InputError(f"{len(models)} models make no plane: at least {FEWEST}. Keep weights more often.", given=len(models))
    check_extent(points=points)
    losses = Losses(task, models[-1], rows=count("rows", rows), fresh_statistics=True)
    snapshots: list[Weights] = [*(_trained(task, model) for model in models[:-1]), losses.weights]
    directions, path, explained = principal(snapshots)
    if explained[0] == 0:
        raise InputError("the models of the trajectory are all the same: must differ. Give models of different steps.")
    sides = [_side(along, points) for along in path.T]
    found = losses.at(directions, _grid(*sides)).reshape(len(sides[1]), len(sides[0]))
    own = np.array([losses.alone(snapshot) for snapshot in snapshots])
    return _slice(task, losses, "trajectory", sides=(sides[0], sides[1]), found=found, path=(path, own), explained=explained)


def _trained(task: Task, model: nn.Module | Weights) -> dict[str, Tensor]:
    """A model's trainable tensors by name."""
    return split_state(filled(task, model))[0]


def _slice(
    task: Task,
    losses: Losses,
    kind: Kind,
    *,
    sides: tuple[np.ndarray, np.ndarray | None],
    found: np.ndarray,
    path: tuple[np.ndarray, np.ndarray],
    explained: tuple[float, ...] = (),
) -> LossSlice:
    parameters = sum(tensor.numel() for tensor in losses.weights.values())
    x, y = sides
    return LossSlice(task.name, kind, x, y, found, *path, explained, losses.rows, parameters, tuple(losses.notes))


def _grid(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Coordinates of a whole grid, (len(y) * len(x), 2), x fastest."""
    return np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)


def _side(along: np.ndarray, points: int) -> np.ndarray:
    low, high = float(along.min()), float(along.max())
    more = MARGIN * (high - low) or 1.0
    return np.linspace(low - more, high + more, points)
