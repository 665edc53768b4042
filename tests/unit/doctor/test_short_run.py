"""A short training: its arrays, where it breaks, and that it trains as a plain loop does."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from doctor_tasks import blobs, healthy, network
from ravine.base._seeds import derive
from ravine.doctor.short_run import made_optimizer, short_run
from ravine.doctor.subject import Settings, Subject


@pytest.fixture(scope="module")
def run():
    return short_run(Subject(healthy(), Settings(steps=30)), 1e-2)


def test_there_is_a_row_for_every_step_and_a_column_for_every_parameter(run):
    found = run.trajectory
    assert found.names == ("0.weight", "0.bias", "2.weight", "2.bias")
    assert found.losses.shape == (30,)
    assert found.gradients.shape == found.updates.shape == (30, 4)
    assert found.kernels() == [0, 2]
    assert found.evaluated.tolist() == list(range(0, 31, 3))
    assert sorted(found.evaluations) == ["accuracy", "loss", "train"]
    assert found.broken is None


def test_it_trains_as_a_plain_loop_does(run):
    subject = Subject(healthy(), Settings(steps=30))
    model = subject.model()
    optimizer, losses = torch.optim.AdamW(model.parameters(), lr=1e-2), []
    for x, y in subject.batches(30):
        loss = functional.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert run.trajectory.losses == pytest.approx(losses, rel=1e-4)
    assert losses[-1] < 0.5 * losses[0]


def test_the_update_is_told_relative_to_the_weights(run):
    # AdamW's first step moves each number by the rate, and the weights are uniform up to 1/sqrt(6).
    assert run.trajectory.updates[0, 0] == pytest.approx(1e-2 / (6**-0.5 / 3**0.5), rel=0.15)


class Breaks(nn.Sequential):
    """Gives infinity once a weight has moved far enough."""

    def forward(self, x):
        out = super().forward(x)
        return out * float("inf") if float(self[0].weight.detach().abs().max()) > 0.5 else out


def test_it_ends_where_a_number_is_not_finite_and_says_where():
    found = short_run(Subject(healthy(lambda: Breaks(*network())), Settings(steps=60)), 3e-2).trajectory
    assert 0 < found.broken < 59
    assert len(found.losses) == found.broken + 1
    assert not np.isfinite(found.losses[-1])
    assert found.place == "the output of the model (Breaks)"


def test_gradients_at_two_places_are_taken_for_a_rule_that_wants_them():
    assert short_run(Subject(healthy(), Settings(optimizer="sgd+sam", steps=30)), 1e-1).trajectory.broken is None


def test_muon_gets_matrices_and_the_rest_apart():
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 2))
    assert len(made_optimizer(model, Settings(optimizer="muon"), 1e-3).param_groups) == 2


def test_what_the_seed_decides_is_the_start():
    subject = Subject(healthy(), Settings(seed=3))
    assert torch.equal(subject.model()[0].weight, subject.task.build(derive(3, 0, "init"))[0].weight)
    assert blobs()[0].shape == (256, 6)
