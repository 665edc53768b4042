import pytest
import torch

from ravine.rules import get
from ravine.rules._ascent import ascents
from ravine.rules._step import Part


def test_the_norm_is_over_all_tensors():
    rule, c = get("sgd+sam").rule(), {"sam_rho": 1.0}
    parts = [Part(rule, torch.zeros(1), torch.tensor([value]), {}, c) for value in (3.0, 4.0)]
    assert [way.item() for way in ascents(parts)] == pytest.approx([0.6, 0.8])


def test_a_rule_of_one_gradient_goes_nowhere():
    assert not ascents([Part(get("sgd").rule(), torch.ones(2), torch.ones(2), {}, {})])[0].any()
