import doctest

import pytest
import torch
from torch import nn

from ravine import optim
from ravine.base.errors import InputError
from ravine.optim import matrix_groups
from ravine.optim.matrix_groups import muon_groups


def test_examples():
    result = doctest.testmod(matrix_groups)
    assert result.attempted > 0
    assert result.failed == 0


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.table, self.mix, self.norm = nn.Embedding(7, 4), nn.Linear(4, 4), nn.LayerNorm(4)
        self.frozen, self.head = nn.Linear(4, 4).requires_grad_(False), nn.Linear(4, 7)

    def forward(self, x):
        return self.head(self.frozen(self.norm(self.mix(self.table(x)))))


def test_matrices_between_layers_and_the_rest():
    first, second = muon_groups(Model())
    assert [name for name, _ in first["params"]] == ["mix.weight"]
    assert [name for name, _ in second["params"]] == ["table.weight", "mix.bias", "norm.weight", "norm.bias", "head.weight", "head.bias"]


def test_they_train_a_model():
    torch.manual_seed(0)
    model = Model()
    optimizer = optim.create("muon", muon_groups(model), lr=0.02)
    tokens, losses = torch.arange(7), []
    for _ in range(20):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(tokens), tokens)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.7 * losses[0]
    assert [set(optimizer.state[param]) for param in (model.mix.weight, model.head.weight)] == [
        {"step", "momentum_buffer"},
        {"step", "momentum_buffer", "exp_avg_sq"},
    ]


def test_a_lazy_module_is_refused():
    with pytest.raises(InputError, match=r"parameter '0.weight' has no shape yet.*Run the model on one batch first"):
        muon_groups(nn.Sequential(nn.LazyLinear(3)))
