import doctest
import math
from types import SimpleNamespace as N

import pytest
import torch

from ravine.rules import adafactor
from ravine.rules.adafactor import Adafactor

HYPERS = {"lr": 0.25, "beta2_decay": -0.8, "eps1": 0.0, "eps2": 1e-3, "d": 1.0, "weight_decay": 0.0, "beta1": 0.0}


def empty(p):
    return N(**{slot.symbol: torch.zeros(slot.shape_for(p.shape)) for slot in Adafactor.slots})


def step(rule, p, g, t=1, **hypers):
    return rule.update(p, g, empty(p), N(**rule.scalars(N(**HYPERS | hypers), t)))


def test_examples():
    result = doctest.testmod(adafactor)
    assert result.attempted > 0
    assert result.failed == 0


def test_a_step_is_a_share_of_the_weights_size():
    p = torch.full((3, 2), 4.0)
    torch.testing.assert_close(step(Adafactor(), p, torch.ones(3, 2))[0], -0.25 * p)
    torch.testing.assert_close(step(Adafactor(unscaled=True), p, torch.ones(3, 2))[0], -0.25 * torch.ones(3, 2))
    torch.testing.assert_close(step(Adafactor(), 0 * p, torch.ones(3, 2))[0], -0.25 * 1e-3 * torch.ones(3, 2))


def test_a_product_of_row_and_column_is_factored_exactly():
    g = torch.tensor([[1.0], [2.0]]) * torch.tensor([[1.0, 3.0, 5.0]])
    delta, state = step(Adafactor(unscaled=True), torch.zeros(2, 3), g)
    torch.testing.assert_close(delta, torch.full((2, 3), -0.25))
    assert (state["r"].shape, state["q"].shape, state["v"].shape) == ((2, 1), (1, 3), (0,))


def test_rates_fall_with_the_root_of_t_unless_absolute():
    hypers = N(**HYPERS)
    assert [Adafactor().scalars(hypers, t)["rho"] for t in (1, 16, 64)] == [0.25, 0.25, 0.125]
    assert Adafactor(absolute_step=True).scalars(hypers, 64)["rho"] == 0.25


def test_normalised_gradients_are_bounded():
    g = torch.tensor([1.0, 0.0, 0.0, 0.0])
    delta, _ = step(Adafactor(unscaled=True), torch.zeros(4), g, d=0.25)
    assert delta[0].item() == pytest.approx(-0.25 * 0.5)  # RMS 1/2 is twice the bound


def test_eps_bounds_or_is_added():
    g = torch.full((1,), 1e-3)
    for rule, expected in (
        (Adafactor(unscaled=True), 1e-3 / 0.1),
        (Adafactor(unscaled=True, eps_added=True), 1e-3 / math.sqrt(1e-6 + 0.1)),
    ):
        assert step(rule, torch.zeros(1), g, eps1=0.1)[0].item() == pytest.approx(-0.25 * expected)
