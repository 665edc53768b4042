import doctest
from types import SimpleNamespace as N

import pytest
import torch

from ravine import optim
from ravine.rules import cautious, get


def test_examples():
    result = doctest.testmod(cautious)
    assert result.attempted > 0
    assert result.failed == 0


def test_what_would_climb_stays_and_decay_does_not():
    rule, c = get("lion+cautious").rule(), N(lr=0.1, keep1=1.0, take1=0.0, keep2=1.0, take2=0.0, decay=0.5)
    m, g = torch.tensor([1.0, 1.0, -1.0, 1.0]), torch.tensor([3.0, -1.0, -2.0, 0.0])
    delta, state = rule.update(torch.full((4,), 2.0), g, N(m=m), c)
    assert delta.tolist() == pytest.approx([-0.2 - 1.0, -1.0, 0.2 - 1.0, -1.0])
    assert torch.equal(state["m"], m)


def test_a_tensor_that_would_climb_everywhere_stays():
    delta, _ = (
        get("momentum+cautious")
        .rule(buffered=True)
        .update(torch.zeros(2), torch.ones(2), N(m=torch.full((2,), -9.0)), N(lr=1.0, momentum=1.0, gain=1.0))
    )
    assert not delta.any()


@pytest.mark.parametrize("ratio", [1.0, 0.5])
def test_decay_counts_once_for_what_muon_gives_to_adamw(ratio):
    """Where every part of the change is kept, the mask does nothing."""
    found = []
    for name in ("muon", "muon+cautious"):
        vector = torch.nn.Parameter(torch.full((3,), 2.0, dtype=torch.float64))
        optimizer = optim.create(name, [vector], lr=0.1, weight_decay=0.5, elementwise=True, adam_lr_ratio=ratio)
        for _ in range(3):
            vector.grad = torch.tensor([1.0, -2.0, 3.0], dtype=torch.float64)
            optimizer.step()
        found.append(vector.detach())
    torch.testing.assert_close(found[0], found[1], rtol=1e-12, atol=0.0)
