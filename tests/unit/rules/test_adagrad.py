import doctest
from types import SimpleNamespace as N

import pytest
import torch

from ravine.rules import adagrad
from ravine.rules.adagrad import Adagrad


def test_examples():
    result = doctest.testmod(adagrad)
    assert result.attempted > 0
    assert result.failed == 0


def test_the_rate_falls_with_the_step():
    h = N(lr=1.0, lr_decay=0.5, eps=0.0, l2=0.0)
    assert [Adagrad().scalars(h, t)["step"] for t in (1, 2, 3)] == [1.0, pytest.approx(2 / 3), 0.5]


def test_the_sum_grows_by_squares():
    c = N(step=1.0, eps=0.0)
    delta, state = Adagrad().update(torch.ones(1), torch.tensor([4.0]), N(v=torch.tensor([9.0])), c)
    assert state["v"].item() == 25.0
    assert delta.item() == pytest.approx(-0.8)


def test_l2_enters_the_sum():
    _, state = Adagrad(coupled=True).update(torch.tensor([2.0]), torch.ones(1), N(v=torch.zeros(1)), N(step=1.0, eps=0.0, l2=0.5))
    assert state["v"].item() == 4.0


def test_the_sum_starts_at_a_hyper():
    assert [slot.fill for slot in Adagrad().active_slots] == ["initial"]
