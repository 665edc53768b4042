"""`pinn:poisson`: derivatives held to autograd, the loss to its known solution."""

import re

import pytest
import torch
from torch import nn

from ravine.base.errors import InputError
from ravine.tasks import create
from ravine.tasks.pinn import pinn_boundary, pinn_residual

WAVES = 2


def task(**options):
    return create("pinn", {"waves": WAVES, "points": 16, "width": 6} | options)


class Exact(nn.Module):
    """The solution, with its derivatives."""

    def forward(self, x):
        k = 2 * torch.pi * WAVES
        return torch.cat([torch.sin(k * x), k * torch.cos(k * x), -(k**2) * torch.sin(k * x)], dim=1)


def test_derivatives_are_those_of_autograd():
    model = task().build(0).double()
    x = torch.linspace(0, 1, 7, dtype=torch.float64)[:, None].requires_grad_()
    value, slope, bend = model(x).T
    (first,) = torch.autograd.grad(value.sum(), x, create_graph=True)
    (second,) = torch.autograd.grad(first.sum(), x)
    torch.testing.assert_close(slope, first[:, 0])
    torch.testing.assert_close(bend, second[:, 0])


@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_the_solution_leaves_nothing(split):
    made = task(equation=2, boundary=3)
    batch = getattr(made.data, split)
    assert pinn_residual(Exact(), batch).abs().max() < 1e-3
    assert made.step(Exact(), batch).item() == pytest.approx(0.0, abs=1e-6)
    assert made.metrics["error"](Exact(), batch).item() == pytest.approx(0.0, abs=1e-10)


def test_what_is_wrong_is_seen():
    class Zero(nn.Module):
        def forward(self, x):
            return torch.cat([torch.ones_like(x), torch.zeros_like(x), torch.zeros_like(x)], dim=1)

    made = task()
    # f is (2 pi k)^2 times a sine, whose mean square is a half; both ends are 1 where they should be 0.
    assert made.step(Zero(), made.data.train).item() == pytest.approx((2 * torch.pi * WAVES) ** 4 / 2 + 1, rel=1e-5)
    assert made.metrics["error"](Zero(), made.data.train).item() == pytest.approx(1.5, rel=1e-5)


def test_weights_weigh_the_terms():
    plain, weighted = task(), task(equation=2, boundary=3)
    model, batch = plain.build(0), plain.data.train
    inside, ends = (part(model, batch).square().mean() for part in (pinn_residual, pinn_boundary))
    torch.testing.assert_close(weighted.step(model, batch), 2 * inside + 3 * ends)
    torch.testing.assert_close(plain.step(model, batch), inside + ends)


def test_splits_are_three_grids_and_the_error_ranks():
    made = task()
    made.check()
    points = torch.cat([getattr(made.data, name)[0] for name in ("train", "validation", "test")])
    assert len(points.unique()) == 48
    assert ((points > 0) & (points < 1)).all()
    assert (made.name, made.rank_by, made.rows_per_step) == ("pinn:poisson", "error", 16)
    assert not made.higher_is_better("error")


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"waves": 0}, "waves=0: must be a whole number, at least 1"),
        ({"equation": 0}, "equation=0.0: must be above 0 and finite. 1 is as the squares are."),
        ({"boundary": -1}, "boundary=-1.0: must be above 0"),
        ({"problem": "heat"}, "no problem of 'pinn' is called 'heat'"),
    ],
)
def test_unusable_options(options, sentence):
    with pytest.raises(InputError, match=re.escape(sentence)):
        create("pinn", options)
