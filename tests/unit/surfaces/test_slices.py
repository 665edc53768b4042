"""Slices: the model's own loss in the middle, both models' at the ends, a trajectory in its plane."""

import json

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from ravine.base.errors import InputError
from ravine.surfaces import slice_around, slice_between, slice_trajectory
from ravine.tasks import Task

ROWS = 48


@pytest.fixture(scope="module")
def task():
    generator = torch.Generator().manual_seed(0)
    pair = torch.randn(ROWS, 4, generator=generator), torch.randint(0, 3, (ROWS,), generator=generator)
    return Task("tiny", lambda: nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 3)), pair, pair, F.cross_entropy)


def loss(task, model):
    x, y = task.data.train
    with torch.no_grad():
        return float(F.cross_entropy(model(x), y))


def trained(task, seed, steps=12):
    """A model's weights after every step."""
    model, (x, y) = task.build(seed), task.data.train
    optimizer, kept = torch.optim.Adam(model.parameters(), lr=0.05), []
    for _ in range(steps):
        kept.append({name: tensor.clone() for name, tensor in model.state_dict().items()})
        optimizer.zero_grad()
        F.cross_entropy(model(x), y).backward()
        optimizer.step()
    return kept


@pytest.mark.parametrize("dimensions", [1, 2])
def test_the_middle_is_the_model(task, dimensions):
    model = task.build(0)
    found = slice_around(task, model, dimensions=dimensions, points=5, span=2.0)
    assert found.x.tolist() == [-2.0, -1.0, 0.0, 1.0, 2.0]
    assert found.losses.shape == (5,) * dimensions
    assert found.losses[(2,) * dimensions] == pytest.approx(loss(task, model), rel=1e-6)
    assert found.path_losses[0] == pytest.approx(loss(task, model), rel=1e-6)
    assert (found.rows, found.parameters, found.kind) == (ROWS, 51, "around")
    assert found.barrier is None


def test_the_first_direction_runs_along_x(task):
    plane = slice_around(task, task.build(0), points=3)
    line = slice_around(task, task.build(0), points=3, dimensions=1)
    assert plane.losses[1] == pytest.approx(line.losses, rel=1e-6)
    assert plane.losses[:, 1] != pytest.approx(line.losses, rel=1e-6)


def test_a_factor_between_layers_changes_nothing(task):
    """What filter normalisation is for: ReLU networks that compute the same look the same."""
    model = task.build(0)
    state = model.state_dict()
    scaled = {**state, "0.weight": 10 * state["0.weight"], "0.bias": 10 * state["0.bias"], "2.weight": state["2.weight"] / 10}
    first, second = (slice_around(task, weights, points=5) for weights in (state, scaled))
    assert second.losses == pytest.approx(first.losses, rel=1e-3)


def test_the_ends_of_a_line_are_the_models(task):
    first, second = trained(task, 0)[-1], trained(task, 1)[-1]
    found = slice_between(task, first, second, points=7)
    ends = [loss(task, Holder(task, weights).model) for weights in (first, second)]
    assert found.path_losses.tolist() == pytest.approx(ends, rel=1e-6)
    assert found.losses[[1, 5]].tolist() == pytest.approx(ends, rel=1e-5)
    assert found.x[[1, 5]].tolist() == pytest.approx([0.0, 1.0])
    assert found.barrier == pytest.approx(max(0.0, found.losses[1:6].max() - max(ends)), abs=1e-6)


class Holder:
    def __init__(self, task, weights):
        self.model = task.build(0)
        self.model.load_state_dict(weights)


def test_a_trajectory_ends_in_its_middle(task):
    models = trained(task, 0)
    found = slice_trajectory(task, models, points=9)
    assert found.path.shape == (12, 2)
    assert found.path[-1].tolist() == [0.0, 0.0]
    assert found.losses.shape == (9, 9)
    assert found.explained[0] > 0.7
    assert found.path_losses[[0, -1]].tolist() == pytest.approx([loss(task, Holder(task, models[at]).model) for at in (0, -1)], rel=1e-6)
    assert found.x[0] < found.path[:, 0].min()
    assert found.x[-1] > found.path[:, 0].max()
    assert found.losses.min() < found.path_losses[0]


def test_a_summary_is_plain_json(task):
    found = json.loads(json.dumps(slice_around(task, task.build(0), points=3, dimensions=1).summary(), allow_nan=False))
    assert found["schema"] == 1
    assert len(found["losses"]) == 3
    assert np.isfinite(found["losses"]).all()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"dimensions": 3}, "dimensions=3"),
        ({"span": 0.0}, "span=0.0"),
        ({"points": 1}, "points=1"),
        ({"rows": 0}, "rows=0"),
        ({"seed": -1}, "seed=-1"),
    ],
)
def test_numbers_out_of_range(task, given, words):
    with pytest.raises(InputError, match=words):
        slice_around(task, task.build(0), **given)


def test_too_few_models_or_all_alike(task):
    weights = task.build(0).state_dict()
    with pytest.raises(InputError, match="2 models make no plane"):
        slice_trajectory(task, [weights] * 2)
    with pytest.raises(InputError, match="all the same"):
        slice_trajectory(task, [weights] * 3)
