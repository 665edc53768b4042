"""Values that Python takes out of tensors: those that depend on the state, the batch or chance, and no others."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from ravine.fleet.reads import first_read

X = torch.randn(6, 4, generator=torch.Generator().manual_seed(0))


class Model(nn.Module):
    """A linear layer after something that looks at the input, given the module."""

    def __init__(self, before):
        super().__init__()
        self.layer, self.before = nn.Linear(4, 1), before

    def forward(self, x):
        return self.layer(self.before(self, x)).square().mean()


class ByNumpy(torch.autograd.Function):
    """A user's function whose backward leaves torch."""

    @staticmethod
    def forward(ctx, x):
        return x * 2

    @staticmethod
    def backward(ctx, g):
        return torch.from_numpy(g.numpy() * 2)


def masks_in_place(module, x):
    kept = torch.zeros_like(x)
    kept[0].copy_(x[0])
    return x * float(kept.sum())


def flips(module, x):
    return -x if module.training and torch.rand(1) < 0.01 else x


@pytest.mark.parametrize(
    ("before", "name"),
    [
        (lambda module, x: x, ""),
        (lambda module, x: x * torch.arange(5).max().item(), ""),
        (lambda module, x: x * torch.tensor([1.0, 2.0]).tolist()[1], ""),
        (lambda module, x: x * float(np.asarray(torch.ones(3)).sum()), ""),
        (lambda module, x: torch.where(x > 0, x, -x), ""),
        (lambda module, x: x.index_select(0, torch.arange(6)), ""),
        (lambda module, x: x[torch.arange(6)], ""),
        (lambda module, x: F.dropout(x, 0.5), ""),
        (lambda module, x: x * x.sum().item(), "aten._local_scalar_dense"),
        (lambda module, x: x * module.layer.weight.sum().item(), "aten._local_scalar_dense"),
        (lambda module, x: x if x.sum() > 0 else -x, "aten._local_scalar_dense"),
        (lambda module, x: x * x.sum().detach().tolist(), "tolist"),
        (lambda module, x: x * float(x.numpy().sum()), "numpy"),
        (lambda module, x: x * float(np.asarray(x).sum()), "__array__"),
        (lambda module, x: x[x.sum(1) > 0], "aten.index"),
        (lambda module, x: x + x.nonzero().sum(), "aten.nonzero"),
        (lambda module, x: ByNumpy.apply(x + module.layer.weight), "numpy"),
        (masks_in_place, "aten._local_scalar_dense"),
        (flips, "aten._local_scalar_dense"),
    ],
)
def test_the_first_read_is_named(before, name):
    assert first_read(Model(before), X) == name


def test_packing_by_lengths_is_a_read():
    lengths = torch.tensor([3, 2])

    class Packs(nn.Module):
        def __init__(self):
            super().__init__()
            self.cells = nn.GRU(2, 2, batch_first=True)

        def forward(self, batch):
            packed = nn.utils.rnn.pack_padded_sequence(batch[0], batch[1], batch_first=True, enforce_sorted=False)
            return self.cells(packed)[1].square().mean()

    assert first_read(Packs(), (torch.randn(2, 3, 2), lengths)) != ""


def test_what_chance_decides_is_told_from_what_the_batch_decides():
    assert first_read(Model(flips), X, chance_only=True) == "aten._local_scalar_dense"
    assert first_read(Model(lambda module, x: F.dropout(x, 0.5, module.training)), X, chance_only=True) == ""
    assert first_read(Model(lambda module, x: x * x.sum().item()), X, chance_only=True) == ""


def test_the_callers_streams_and_batch_stay_as_they_are():
    model, given = Model(lambda module, x: F.dropout(x.mul_(2), 0.5)), X.clone()
    state = torch.get_rng_state()
    first_read(model, given)
    assert torch.equal(given, X)
    assert torch.equal(torch.get_rng_state(), state)
