"""What is tried before a long run: sick tasks are found, healthy ones are not troubled."""

import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import ravine
from ravine.base.errors import TaskError
from ravine.tasks import load
from ravine.trainer import Noted, Options, resolve
from ravine.trainer.inspection import inspect

X = torch.randn(40, 4, generator=torch.Generator().manual_seed(0))
Y = (X[:, 0] > 0).long()


def remarks(model, *, y=Y, loss=F.cross_entropy):
    task = ravine.Task("own", model, (X, y), (X, y), loss, batch_size=16)
    return inspect(task, resolve(task, Options()))


def net():
    return nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Dropout(0.5), nn.Linear(16, 2))


def test_a_healthy_task_is_not_remarked_on():
    assert remarks(net) == []
    digits = load("digits")
    assert inspect(digits, resolve(digits, Options())) == []


def test_an_output_that_begins_too_large_is_remarked_on():
    class Loud(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(4, 2)

        def forward(self, x):
            return 100.0 * self.layer(x)

    [remark, *_] = remarks(Loud)
    assert remark.startswith("the loss begins at ")
    assert "and a constant output reaches 0.6" in remark


def test_a_model_that_cannot_learn_stops_the_run():
    class Detached(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(4, 2)

        def forward(self, x):
            return self.layer(x).detach() + 0.0 * self.layer.weight.sum()

    with pytest.raises(TaskError, match=r"one batch of 16 rows goes from a loss of .* only, in 200 steps of Adam, so nothing is learnt"):
        remarks(Detached)


def test_noise_is_remarked_on():
    """A line cannot follow targets that are drawn by chance."""
    [remark] = remarks(lambda: nn.Linear(4, 1), y=torch.randn(40, 1, generator=torch.Generator().manual_seed(1)), loss=F.mse_loss)
    assert remark.endswith("the model is too small to learn it, or its targets are noise")


def test_a_loss_that_is_no_number_is_said():
    with pytest.raises(TaskError, match=r"the loss of the first batch is nan before any step"):
        remarks(net, loss=lambda output, target: F.cross_entropy(output, target) * math.nan)


def test_only_long_runs_are_inspected_and_the_check_can_be_left_out(monkeypatch):
    from ravine.trainer import starting

    asked, said = [], []
    monkeypatch.setattr(starting, "inspect", lambda task, settings: asked.append(settings.steps) or ["a remark"])
    ravine.train("line", steps=5)
    assert asked == []
    ravine.train("line", steps=5, check=True, observer=said.append)
    ravine.train("line", steps=1000, evaluate_every=1000)
    ravine.train("line", steps=1000, evaluate_every=1000, check=False)
    assert asked == [5, 1000]
    assert said[0] == Noted("a remark")


def test_the_check_changes_no_bit():
    one, other = (ravine.train("digits", steps=5, check=check) for check in (True, False))
    assert one.history == other.history
