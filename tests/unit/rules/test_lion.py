import doctest
from types import SimpleNamespace as N

import pytest
import torch

from ravine.rules import lion
from ravine.rules.lion import Lion

C = N(**Lion().scalars(N(lr=0.5, beta1=0.75, beta2=0.5, weight_decay=0.5), 1))


def test_examples():
    result = doctest.testmod(lion)
    assert result.attempted > 0
    assert result.failed == 0


def test_direction_by_beta1_memory_by_beta2():
    g, m = torch.tensor([-1.0]), torch.tensor([1.0])
    delta, state = Lion().update(torch.zeros(1), g, N(m=m), C)
    assert delta.item() == -0.5  # sign(0.75 - 0.25) = 1
    assert state["m"].item() == 0.0


def test_no_signal_no_move():
    delta, _ = Lion().update(torch.zeros(1), torch.zeros(1), N(m=torch.zeros(1)), C)
    assert delta.item() == 0.0


def test_decay_is_decoupled():
    delta, _ = Lion().update(torch.tensor([2.0]), torch.ones(1), N(m=torch.zeros(1)), C)
    assert delta.item() == pytest.approx(-0.5 - 0.25 * 2.0)
