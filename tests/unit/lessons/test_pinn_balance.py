import numpy as np
import pytest
import torch
from torch import nn

from lesson_checks import fake_race, holding, quick
from ravine.lessons import pinn_balance as lesson

SETTINGS = lesson.Settings(points=16, width=6, steps=10, seeds=5, starts=3)


def test_derivatives_are_those_of_autograd():
    model = lesson.poisson(SETTINGS).build(0).double()
    x = torch.linspace(0, 1, 7, dtype=torch.float64)[:, None].requires_grad_()
    value, slope, bend = model(x).T
    (first,) = torch.autograd.grad(value.sum(), x, create_graph=True)
    (second,) = torch.autograd.grad(first.sum(), x)
    torch.testing.assert_close(slope, first[:, 0])
    torch.testing.assert_close(bend, second[:, 0])


class Exact(nn.Module):
    """The solution, with its derivatives."""

    def forward(self, x):
        k = 2 * torch.pi * lesson.WAVES
        return torch.cat([torch.sin(k * x), k * torch.cos(k * x), -(k**2) * torch.sin(k * x)], dim=1)


def test_the_solution_leaves_nothing():
    task = lesson.poisson(SETTINGS, (2.0, 3.0))
    assert task.step(Exact(), task.train).item() == pytest.approx(0.0, abs=1e-6)
    assert task.metrics["error"](Exact(), task.train).item() == pytest.approx(0.0, abs=1e-10)


def test_weights_weigh_the_terms():
    model, (x,) = lesson.poisson(SETTINGS).build(0), lesson.poisson(SETTINGS).train
    inside, ends = lesson.residual(model, x).square().mean(), lesson.boundary(model, x).square().mean()
    torch.testing.assert_close(lesson.poisson(SETTINGS, (2.0, 3.0)).step(model, (x,)), 2 * inside + 3 * ends)


def test_weights_make_the_terms_diagonals_equal():
    traces = np.array([8.0, 2.0])
    assert lesson.tangent_weights(traces) == (1.25, 5.0)
    assert np.ptp(traces * lesson.tangent_weights(traces)) == 0.0


def test_each_part_follows_its_races(monkeypatch):
    finals = {("sgd", False): 1.0, ("adam", False): 0.1, ("sgd", True): 0.1, ("adam", True): 1.0}
    first = []

    def final(task, options, name):
        first.append(task)
        return finals[name, task is not first[0]]

    monkeypatch.setattr(lesson, "race", fake_race(final))
    found = lesson.experiment(SETTINGS)
    told = holding(lesson.PARTS, found.numbers)
    assert told | {"unbalanced": None} == {"unbalanced": None, "adam": True, "weights, adam": False, "weights, sgd": True}
    assert len(found.numbers["unbalanced"].values) == SETTINGS.starts


@pytest.mark.slow
def test_the_quick_form():
    quick("pinn-balance")
