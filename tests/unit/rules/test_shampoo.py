import doctest
from types import SimpleNamespace as N

import torch

from ravine import optim
from ravine.rules import shampoo
from ravine.rules.shampoo import Shampoo

HYPERS = {hyper.symbol: hyper.default for hyper in Shampoo.hypers}


def test_examples():
    result = doctest.testmod(shampoo)
    assert result.attempted > 0
    assert result.failed == 0


def test_the_first_step_without_eps_is_the_orthogonal_factor():
    g = torch.randn(4, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    weight = torch.nn.Parameter(torch.zeros_like(g))
    weight.grad = g
    optim.Shampoo([weight], lr=1.0, eps=0.0).step()
    u, _, v = torch.linalg.svd(g)
    torch.testing.assert_close(weight.detach(), -u @ v)


def test_roots_are_taken_at_the_start_of_every_interval():
    hypers = N(**HYPERS | {"precondition_frequency": 3.0})
    assert [t for t in range(1, 9) if not Shampoo().at(t, hypers).on("resting")] == [1, 4, 7]


def test_grafting_gives_the_gradients_norm_and_no_gradient_no_step():
    weight = torch.nn.Parameter(torch.zeros(3, 2))
    optimizer = optim.Shampoo([weight], lr=1.0, grafted=True)
    weight.grad = torch.randn(3, 2)
    optimizer.step()
    torch.testing.assert_close(weight.detach().norm(), weight.grad.norm())
    before = weight.detach().clone()
    weight.grad = torch.zeros(3, 2)
    optimizer.step()
    assert torch.equal(weight, before)


def test_a_long_axis_has_a_diagonal():
    weight = torch.nn.Parameter(torch.zeros(shampoo.LARGEST + 1, 2))
    weight.grad = torch.randn(weight.shape)
    optimizer = optim.Shampoo([weight])
    optimizer.step()
    assert [optimizer.state[weight][f"gram_{axis}"].shape for axis in range(2)] == [(shampoo.LARGEST + 1,), (2, 2)]
    assert weight.isfinite().all()
