import doctest

import torch

from ravine.rules import centralised, get


def test_examples():
    result = doctest.testmod(centralised)
    assert result.attempted > 0
    assert result.failed == 0


def test_units_of_matrices_and_convolutions_have_mean_0_and_vectors_stay():
    rule, generator = get("sgd+centralised").rule(), torch.Generator().manual_seed(0)
    g = torch.randn(3, 2, 2, 2, generator=generator, dtype=torch.float64)
    torch.testing.assert_close(rule.gradient(None, g, None).flatten(1).mean(1), torch.zeros(3, dtype=torch.float64))
    torch.testing.assert_close(rule.gradient(None, g[0, 0], None).mean(1), torch.zeros(2, dtype=torch.float64))
    assert rule.gradient(None, g[0, 0, 0], None) is g[0, 0, 0] or torch.equal(rule.gradient(None, g[0, 0, 0], None), g[0, 0, 0])
    assert rule.granularity == "tensor"
