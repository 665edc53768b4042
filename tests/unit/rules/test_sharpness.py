import doctest
from types import SimpleNamespace as N

import torch

from ravine.rules import get, sharpness


def test_examples():
    result = doctest.testmod(sharpness)
    assert result.attempted > 0
    assert result.failed == 0


def test_gradients_of_0_lead_nowhere():
    zero = torch.zeros(2)
    for name in ("sam", "asam"):
        rule, c = get(f"sgd+{name}").rule(), N(sam_rho=1.0, asam_rho=1.0, asam_eta=0.0)
        assert not rule.ascent(zero, zero, N(**rule.ascent_terms(zero, zero, c)), c).any()


def test_the_adaptive_way_is_as_long_whatever_the_scale():
    """Weights twice as large, with gradients half as large, have a way uphill twice as long: the same in their units."""
    p, g = torch.tensor([1.0, -2.0]), torch.tensor([0.5, 3.0])
    rule, c = get("sgd+asam").rule(), N(asam_rho=0.1, asam_eta=0.0)
    ways = [rule.ascent(p * k, g / k, N(**rule.ascent_terms(p * k, g / k, c)), c) for k in (1, 2)]
    torch.testing.assert_close(ways[1], 2 * ways[0])


def test_they_take_two_gradients():
    assert get("adamw+sam").rule.gradients_per_step == get("adamw+asam").rule.gradients_per_step == 2.0
    assert get("adamw+sam").rule.needs == {"second gradient"}
    assert get("adamw+sam+clip").rule.gradients_per_step == 2.0
