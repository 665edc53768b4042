import doctest
from types import SimpleNamespace as N

import pytest
import torch

from ravine.rules import lars
from ravine.rules.lars import LARS

HYPERS = {"lr": 1.0, "momentum": 0.0, "l2": 0.0, "trust": 0.1, "eps": 0.0}


def step(rule, p, g, **hypers):
    return rule.update(p, g, N(), N(**rule.scalars(N(**HYPERS | hypers), 1)))[0]


def test_examples():
    result = doctest.testmod(lars)
    assert result.attempted > 0
    assert result.failed == 0


def test_norms_are_added_or_taken_of_the_sum():
    p, g = torch.tensor([3.0, 0.0]), torch.tensor([0.0, 4.0])
    total = torch.tensor([3.0, 4.0])
    torch.testing.assert_close(step(LARS(decays=True), p, g, l2=1.0), -0.1 * 3 / 7 * total)
    torch.testing.assert_close(step(LARS(decays=True, norm_of_sum=True), p, g, l2=1.0), -0.1 * 3 / 5 * total)


def test_norms_of_zero_leave_plain_sgd():
    assert step(LARS(), torch.zeros(2), torch.ones(2)).tolist() == [-1.0, -1.0]
    assert step(LARS(), torch.ones(2), torch.zeros(2)).tolist() == [0.0, 0.0]


@pytest.mark.parametrize(("flag", "p"), [("skips_vectors", torch.ones(2)), ("adapts_decayed_only", torch.ones(2, 2))])
def test_what_is_not_adapted_takes_plain_sgd(flag, p):
    assert torch.equal(step(LARS(**{flag: True}), p, 3 * p), -3 * p)
    assert not torch.equal(step(LARS(), p, 3 * p), -3 * p)


def test_the_rate_stands_inside_the_momentum_unless_asked():
    p, g = torch.ones(1), torch.ones(1)
    for rule, expected in ((LARS(buffered=True), -0.5 * 2.0 - 0.2), (LARS(buffered=True, lr_outside=True), -2.0 * (0.5 * 2.0 + 0.1))):
        c = N(**rule.scalars(N(**HYPERS | {"lr": 2.0, "momentum": 0.5}), 2))
        assert rule.update(p, g, N(m=torch.full((1,), 2.0)), c)[0].item() == pytest.approx(expected)


def test_clipped_never_further_than_sgd():
    p = torch.full((1,), 100.0)
    assert step(LARS(trust_clip=True), p, torch.ones(1), lr=0.5).item() == -0.5
