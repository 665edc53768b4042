import torch
from torch import nn

from ravine.tasks.kinds import parameter_kinds


def test_layers_tables_heads_and_the_rest():
    model = nn.Sequential(nn.Embedding(7, 4), nn.Linear(4, 5), nn.LayerNorm(5), nn.Conv1d(5, 5, 1), nn.Linear(5, 3))
    kinds = parameter_kinds(model)
    assert kinds["0.weight"] == "lookup"
    assert kinds["1.weight"] == kinds["3.weight"] == "matrix"
    assert kinds["4.weight"] == "output"
    assert {kinds[name] for name in ("1.bias", "2.weight", "2.bias", "3.bias", "4.bias")} == {"vector"}


def test_a_head_tied_to_a_table_is_a_table_and_the_layer_before_it_is_the_last():
    model = nn.Sequential(nn.Embedding(7, 4), nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 7, bias=False))
    model[3].weight = model[0].weight
    kinds = parameter_kinds(model)
    assert kinds["0.weight"] == "lookup"
    assert (kinds["1.weight"], kinds["2.weight"]) == ("matrix", "output")


def test_the_only_layer_is_no_output_layer():
    assert parameter_kinds(nn.Linear(3, 2)) == {"weight": "matrix", "bias": "vector"}


def test_matrices_of_ones_own():
    class Own(nn.Module):
        def __init__(self):
            super().__init__()
            self.mixing, self.gain = nn.Parameter(torch.zeros(2, 2)), nn.Parameter(torch.zeros(()))

    assert parameter_kinds(Own()) == {"mixing": "matrix", "gain": "vector"}


def test_parametrised_weights_are_not_computed():
    model = nn.Sequential(nn.utils.parametrizations.spectral_norm(nn.Linear(3, 4)), nn.utils.parametrizations.weight_norm(nn.Linear(4, 2)))
    before = {name: buffer.clone() for name, buffer in model.named_buffers()}
    kinds = parameter_kinds(model)
    assert kinds["0.parametrizations.weight.original"] == "matrix"
    assert kinds["1.parametrizations.weight.original1"] == "output"
    assert all(torch.equal(buffer, before[name]) for name, buffer in model.named_buffers())
