"""Activation checkpointing: same bits, fewer tensors kept, and a module that is as before afterwards."""

import copy

import pytest
import torch
from torch import nn

from ravine.base.errors import UnknownNameError
from ravine.trainer.recomputation import keep, recompute


def make():
    torch.manual_seed(0)
    blocks = nn.ModuleDict({name: nn.Sequential(nn.Linear(8, 8), nn.GELU(), nn.Dropout(0.5)) for name in ("a", "b")})
    return nn.Sequential(blocks["a"], blocks["b"])


def gradients(model, x):
    torch.manual_seed(1)
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: (kept.append(t.numel()), t)[1], lambda t: t):
        loss = model(x).square().sum()
    loss.backward()
    return [p.grad.clone() for p in model.parameters()], sum(kept)


def test_gradients_keep_every_bit_and_less_is_held():
    x = torch.randn(16, 8)
    plain, kept = gradients(make(), x)
    model = make()
    parts = recompute(model, ["0", "1"])
    again, held = gradients(model, x)
    assert all(torch.equal(a, b) for a, b in zip(plain, again, strict=True))
    assert held < kept
    keep(parts)
    assert all("forward" not in part.__dict__ for part in model.modules())
    copy.deepcopy(model)


def test_patterns_stay_within_a_level():
    model = make()
    assert len(recompute(model, ["*"])) == 2
    assert len(recompute(make(), ["0.*", "0.0"])) == 3


def test_an_unknown_name_is_answered_with_the_nearest():
    with pytest.raises(UnknownNameError, match=r"no module is called '0\.7'"):
        recompute(make(), ["0.7"])
