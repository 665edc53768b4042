"""Recurrent layers written out for stacking."""

from contextlib import nullcontext

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from ravine.fleet.recurrent import written_out
from ravine.fleet.support import probe


class Reader(nn.Module):
    """A recurrent layer, read out at its last step, with its loss."""

    def __init__(self, kind, **options):
        super().__init__()
        torch.manual_seed(0)
        self.cells = kind(3, 4, batch_first=True, **options)

    def forward(self, batch, evaluate=False):
        loss = F.mse_loss(self.cells(batch)[0][:, -1].sum(-1), batch.sum((1, 2)))
        return {"loss": loss} if evaluate else loss


KINDS = {"gru": nn.GRU, "lstm": nn.LSTM, "rnn": nn.RNN}


@pytest.mark.parametrize("options", [{}, {"num_layers": 2}, {"bidirectional": True}, {"bias": False}], ids=str)
@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_recurrent_layers_can_be_stacked(kind, options):
    support = probe(Reader(kind, **options).double(), torch.randn(5, 6, 3, dtype=torch.float64))
    assert support.stackable, support.reason


def test_dropout_between_layers_is_drawn_or_said_to_be_an_obstacle():
    gru, lstm = (probe(Reader(kind, num_layers=2, dropout=0.5), torch.randn(5, 6, 3)) for kind in (nn.GRU, nn.LSTM))
    assert gru.stackable, gru.reason
    assert gru.draws_random
    if not lstm.stackable:
        assert lstm.reason == "torch has no batching rule for aten::mkldnn_rnn_layer"


def test_other_models_pay_nothing():
    assert written_out(nn.Linear(1, 1)) is nullcontext
