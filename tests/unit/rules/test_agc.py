import doctest
from types import SimpleNamespace as N

import pytest
import torch

from ravine.rules import agc, get

C = N(agc_bound=0.5, agc_eps=1e-3)


def test_examples():
    result = doctest.testmod(agc)
    assert result.attempted > 0
    assert result.failed == 0


def test_each_unit_is_clipped_by_its_own_weights():
    p, g = torch.tensor([[3.0, 4.0], [30.0, 40.0]]), torch.tensor([[6.0, 8.0], [6.0, 8.0]])
    found = get("sgd+agc").rule().gradient(p, g, C)
    assert found[0].norm().item() == pytest.approx(2.5)
    assert torch.equal(found[1], g[1])


def test_weights_of_0_still_move():
    found = get("sgd+agc").rule().gradient(torch.zeros(2), torch.tensor([3.0, 4.0]), C)
    assert found.norm().item() == pytest.approx(0.5e-3)
