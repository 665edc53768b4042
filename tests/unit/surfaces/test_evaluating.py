"""Losses at many weights: those of each model alone, whatever it is made of."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from ravine.base.errors import InputError
from ravine.surfaces import evaluating
from ravine.surfaces.evaluating import Losses, filled
from ravine.tasks import Task


def data(rows=60, features=5):
    generator = torch.Generator().manual_seed(0)
    return torch.randn(rows, features, generator=generator), torch.randint(0, 3, (rows,), generator=generator)


def task(model, **rest):
    pair = data()
    return Task("tiny", model, pair, pair, F.cross_entropy, **rest)


def mlp(*between):
    return nn.Sequential(nn.Linear(5, 8), *between, nn.Tanh(), nn.Linear(8, 3))


class Untraceable(nn.Module):
    """Takes a value out of a tensor, which no stack can."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(5, 3)

    def forward(self, x):
        return self.linear(x) * (2.0 if self.linear.weight.sum().item() > 0 else 1.0)


def points(count, spread=0.5):
    return np.random.Generator(np.random.PCG64(1)).normal(size=(count, 2)) * spread


def ways(losses):
    generator = torch.Generator().manual_seed(7)
    return [{name: torch.randn(tensor.shape, generator=generator) for name, tensor in losses.weights.items()} for _ in range(2)]


def one_by_one(made, losses, directions, coordinates):
    """By hand: a fresh model for each point."""
    found = []
    for along in coordinates:
        model = filled(made, losses_state(made)).eval()
        with torch.no_grad():
            for name in losses.weights:
                way = sum(float(share) * direction[name] for share, direction in zip(along, directions, strict=True))
                model.get_parameter(name).add_(way)
            x, y = made.data.train
            found.append(float(made.loss(model(x), y)))
    return found


def losses_state(made):
    return made.build(0).state_dict()


@pytest.mark.parametrize("kind", ["plain", "dropout", "frozen"])
def test_stacked_losses_are_those_of_each_model(kind):
    def model():
        made = mlp(*([nn.Dropout(0.5)] if kind == "dropout" else []))
        if kind == "frozen":
            made[0].weight.requires_grad_(False)
        return made

    made = task(model)
    losses = Losses(made, losses_state(made), rows=100)
    directions, coordinates = ways(losses), points(7)
    assert losses.at(directions, coordinates) == pytest.approx(one_by_one(made, losses, directions, coordinates), rel=1e-5)
    assert losses.notes == []
    assert losses.rows == 60
    assert "0.weight" not in losses.weights if kind == "frozen" else "0.weight" in losses.weights


def test_many_points_go_in_chunks_and_rows_in_pieces(monkeypatch):
    made = task(mlp)
    whole = Losses(made, losses_state(made), rows=100)
    directions, coordinates = ways(whole), points(9)
    wanted = whole.at(directions, coordinates)
    monkeypatch.setattr(evaluating, "MOST_LANES", 2)
    monkeypatch.setattr(evaluating, "EVALUATION_BYTES", 4000)
    pieces = Losses(made, losses_state(made), rows=100)
    assert pieces._piece < 60
    assert pieces.at(directions, coordinates) == pytest.approx(wanted, rel=1e-5)


def test_a_model_that_cannot_be_stacked_is_evaluated_alone_and_says_so():
    made = task(Untraceable)
    losses = Losses(made, losses_state(made), rows=100)
    directions, coordinates = ways(losses), points(5)
    assert losses.at(directions, coordinates) == pytest.approx(one_by_one(made, losses, directions, coordinates), rel=1e-5)
    assert losses.notes == ["The model cannot be stacked, so its losses were computed one after the other."]


def test_batch_normalisation_keeps_the_models_statistics():
    made = task(lambda: mlp(nn.BatchNorm1d(8)))
    state = losses_state(made)
    state["1.running_mean"] += 0.3
    losses = Losses(made, state, rows=100)
    model = filled(made, state).eval()
    x, y = made.data.train
    assert losses.at(ways(losses), np.zeros((1, 2)))[0] == pytest.approx(F.cross_entropy(model(x), y).item(), rel=1e-6)
    assert "keeps the statistics" in losses.notes[0]


def test_batch_normalisation_takes_fresh_statistics_where_there_are_several_models():
    made = task(lambda: mlp(nn.BatchNorm1d(8)))
    state = losses_state(made)
    state["1.running_mean"] += 0.3
    losses = Losses(made, state, rows=100, fresh_statistics=True)
    model = filled(made, state).train()
    x, y = made.data.train
    assert losses.at(ways(losses), np.zeros((1, 2)))[0] == pytest.approx(F.cross_entropy(model(x), y).item(), rel=1e-6)
    assert "takes its statistics from the rows" in losses.notes[0]


def test_fewer_rows_are_spread_over_the_split():
    made = task(mlp)
    losses = Losses(made, losses_state(made), rows=4)
    x, y = made.data.train
    chosen = [0, 20, 39, 59]
    with torch.no_grad():
        wanted = float(F.cross_entropy(filled(made, losses_state(made))(x[chosen]), y[chosen]))
    assert losses.rows == 4
    assert losses.alone(losses.weights) == pytest.approx(wanted, rel=1e-6)


def test_losses_that_are_no_number_are_left_blank():
    made = task(mlp)
    losses = Losses(made, losses_state(made), rows=100)
    found = losses.at([{name: torch.full_like(tensor, float("nan")) for name, tensor in losses.weights.items()}], np.array([[1.0]]))
    assert np.isnan(found).all()


def test_a_task_with_a_step_of_its_own():
    pair = data()
    made = Task("steps", mlp, pair, pair, step=lambda model, batch: F.cross_entropy(model(batch[0]), batch[1]))
    losses = Losses(made, losses_state(made), rows=100)
    other = Losses(task(mlp), losses_state(made), rows=100)
    assert losses.alone(losses.weights) == pytest.approx(other.alone(other.weights), rel=1e-6)


def test_weights_of_another_model_are_named():
    made = task(mlp)
    with pytest.raises(
        InputError, match=r"another model than 'tiny' builds: 0.weight is of shape \(4, 4\) there and of shape \(8, 5\) here"
    ):
        filled(made, losses_state(made) | {"0.weight": torch.zeros(4, 4)})
    with pytest.raises(InputError, match="extra is of shape"):
        filled(made, losses_state(made) | {"extra": torch.zeros(1)})
    assert filled(made, made.build(3))[0].weight.equal(made.build(3)[0].weight)
