import doctest
from types import SimpleNamespace as N

import pytest
import torch

from ravine.rules import clipping, get


def test_examples():
    result = doctest.testmod(clipping)
    assert result.attempted > 0
    assert result.failed == 0


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_norm_that_is_not_finite_changes_nothing(bad):
    rule, m = get("momentum+clip").rule(buffered=True), torch.tensor([5.0, 6.0])
    g = torch.tensor([1.0, bad])
    terms, _ = rule.measure(m, g, N(), N())
    lane, c = rule.conclude(N(**terms), N(clip_skipped=torch.tensor(2.0)), N(clip_bound=1.0))
    delta, state = rule.update(m, g, N(m=m), N(lr=0.1, momentum=0.9, gain=1.0, **c))
    assert not delta.any()
    assert torch.equal(state["m"], m)
    assert lane["clip_skipped"] == 3.0


def test_short_gradients_keep_their_bits():
    rule, g = get("sgd+clip").rule(), torch.tensor([0.3, 0.1])
    terms, _ = rule.measure(g, g, N(), N())
    lane, c = rule.conclude(N(**terms), N(clip_skipped=torch.tensor(0.0)), N(clip_bound=1.0))
    assert torch.equal(rule.update(g, g, N(), N(lr=1.0, **c))[0], -g)
    assert lane["clip_skipped"] == 0.0


def test_an_infinite_element_becomes_the_bound():
    g = get("sgd+clip_value").rule().gradient(None, torch.tensor([float("-inf"), 0.1]), N(clip_value=0.5, clip_minus=-0.5))
    assert g.tolist() == pytest.approx([-0.5, 0.1])
