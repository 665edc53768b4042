import doctest
from types import SimpleNamespace as N

import pytest
import torch

from ravine.rules import rmsprop
from ravine.rules.rmsprop import RMSprop

ONE = torch.ones(1, dtype=torch.float64)
SCALARS = N(lr=0.1, keep=0.75, take=0.25, eps=0.0, momentum=0.5, l2=1.0)


def test_examples():
    result = doctest.testmod(rmsprop)
    assert result.attempted > 0
    assert result.failed == 0


def test_the_momentum_buffer_adds_updates():
    delta, state = RMSprop(buffered=True).update(ONE, ONE, N(v=0 * ONE, m=4 * ONE), SCALARS)
    assert state["m"].item() == 4.0  # 0.5 * 4 + 1 / sqrt(0.25)
    assert delta.item() == pytest.approx(-0.4)


def test_centred_divides_by_the_standard_deviation():
    delta, state = RMSprop(centered=True).update(ONE, ONE, N(v=0 * ONE, a=0 * ONE), SCALARS)
    assert state["a"].item() == 0.25
    assert delta.item() == pytest.approx(-0.1 / (0.25 - 0.0625) ** 0.5)


def test_a_centred_variance_below_zero_counts_as_zero():
    scalars = N(**{**vars(SCALARS), "eps": 1.0})
    delta, _ = RMSprop(centered=True).update(ONE, ONE, N(v=0.5 * ONE, a=ONE), scalars)
    assert delta.item() == -0.1


def test_l2_enters_the_mean_square():
    _, state = RMSprop(coupled=True).update(ONE, ONE, N(v=0 * ONE), SCALARS)
    assert state["v"].item() == 1.0


def test_slots_follow_flags():
    assert [slot.key for slot in RMSprop(buffered=True, centered=True).active_slots] == ["square_avg", "momentum_buffer", "grad_avg"]


def test_eps_inside_stands_under_the_root():
    scalars = N(**{**vars(SCALARS), "eps": 2.0})
    assert RMSprop(eps_inside=True).update(ONE, ONE, N(v=0 * ONE), scalars)[0].item() == pytest.approx(-0.1 / 2.25**0.5)


def test_the_mean_of_squares_may_start_at_one():
    rule, h = RMSprop(ones=True), N(lr=0.1, alpha=0.75, eps=0.0, momentum=0.0, l2=0.0)
    assert [rule.update(ONE, 2 * ONE, N(v=0 * ONE), N(**rule.scalars(h, t)))[1]["v"].item() for t in (1, 2)] == [1.75, 1.0]


def test_lr_in_momentum_stays_in_the_buffer():
    rule = RMSprop(buffered=True, lr_in_momentum=True)
    delta, state = rule.update(ONE, ONE, N(v=0 * ONE, m=4 * ONE), SCALARS)
    assert state["m"].item() == pytest.approx(0.5 * 4 + 0.1 * 2)
    assert delta.item() == -state["m"].item()
