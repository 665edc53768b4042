"""Recurrent layers in plain operations against torch's own."""

import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from ravine.fleet import recurrent
from ravine.fleet.substitutes import stackable_operations

KINDS = {"gru": nn.GRU, "lstm": nn.LSTM, "rnn": nn.RNN}
CELLS = {"gru": nn.GRUCell, "lstm": nn.LSTMCell, "rnn": nn.RNNCell}
SETTINGS = [
    {},
    {"bias": False},
    {"batch_first": True, "num_layers": 2},
    {"bidirectional": True, "num_layers": 2},
    {"num_layers": 3, "dropout": 0.5},
]
X = torch.randn(5, 4, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def layer(kind, **settings):
    torch.manual_seed(0)
    return kind(3, 4, **settings).double()


def leaves(result):
    output, state = result
    return [output, *(state if isinstance(state, tuple) else (state,))]


def twice(run):
    """By torch, and written out; both from one random stream."""
    torch.manual_seed(1)
    plain = run()
    torch.manual_seed(1)
    with stackable_operations():
        return leaves(plain), leaves(run())


def assert_close(left, right):
    for a, b in zip(left, right, strict=True):
        assert a.shape == b.shape
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_layers_equal_torchs(kind, settings):
    module = layer(kind, **settings)
    assert_close(*twice(lambda: module(X)))


@pytest.mark.parametrize("settings", [{"proj_size": 2}, {"proj_size": 2, "bias": False}], ids=str)
def test_projections_equal_torchs(settings):
    module = layer(nn.LSTM, **settings)
    assert_close(*twice(lambda: module(X)))


def test_relu_equals_torchs():
    module = layer(nn.RNN, nonlinearity="relu")
    assert_close(*twice(lambda: module(X)))


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_a_start_of_ones_own_and_its_gradient_are_used(kind):
    module = layer(kind)
    start = torch.full((1, 4, 4), 0.5, dtype=torch.float64, requires_grad=True)
    plain, written = twice(lambda: module(X, (start, start) if kind is nn.LSTM else start))
    assert_close(plain, written)
    assert_close(*([torch.autograd.grad(part[0].sum(), start)[0]] for part in (plain, written)))


@pytest.mark.parametrize("kind", CELLS.values(), ids=CELLS)
@pytest.mark.parametrize("bias", [True, False])
def test_cells_equal_torchs(kind, bias):
    module = layer(kind, bias=bias)

    def run():
        out = module(X[0], module(X[1]))
        return out if isinstance(out, tuple) else (out, out)

    assert_close(*twice(run))


def test_a_relu_cell_equals_torchs():
    module = layer(nn.RNNCell, nonlinearity="relu")
    assert_close(*twice(lambda: (module(X[0]), module(X[1]))))


@pytest.mark.parametrize("total", [None, 7])
@pytest.mark.parametrize("settings", [{}, {"bidirectional": True, "num_layers": 2}, {"num_layers": 2, "dropout": 0.5}], ids=str)
@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_packed_sequences_equal_torchs(kind, settings, total):
    module, lengths = layer(kind, **settings), torch.tensor([2, 5, 1, 3])

    def run():
        packed, state = module(pack_padded_sequence(X, lengths, enforce_sorted=False))
        output, found = pad_packed_sequence(packed, padding_value=-1.0, total_length=total)
        assert found.tolist() == [2, 5, 1, 3]
        return output, state

    assert_close(*twice(run))


def test_packing_by_rows_first_equals_torchs():
    lengths = torch.tensor([4, 2, 1])
    packed = torch._VF._pack_padded_sequence(X[:3], lengths, True)
    assert_close(packed, recurrent.pack(X[:3], lengths, True))
