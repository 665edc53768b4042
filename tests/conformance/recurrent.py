"""Recurrent models."""

import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from conformance.row import Built, Row, classes, generator, numbers

SEQUENCE = numbers(5, 4)


def read_out(kind, **settings) -> nn.Module:
    width = (settings.get("proj_size") or 5) * (2 if settings.get("bidirectional") else 1)
    return Built(lambda m, x: m.head(m.cells(x)[0][:, -1]), cells=kind(4, 5, batch_first=True, **settings), head=nn.Linear(width, 3))


def by_cell(cell) -> nn.Module:
    def run(m, x):
        state = None
        for step in x.unbind(1):
            state = m.cell(step, state)
        return m.head(state[0] if isinstance(state, tuple) else state)

    return Built(run, cell=cell(4, 5), head=nn.Linear(5, 3))


def learnt_start() -> nn.Module:
    def run(m, x):
        return m.head(m.cells(x.transpose(0, 1), m.start.unsqueeze(1).expand(-1, len(x), -1).contiguous())[0][-1])

    return Built(run, cells=nn.GRU(4, 5), start=nn.Parameter(torch.zeros(1, 5)), head=nn.Linear(5, 3))


def lengths(rows: int, dtype: torch.dtype):
    x = torch.randn(rows, 5, 4, generator=generator(rows), dtype=torch.float64)
    return x.to(dtype), torch.randint(1, 6, (rows,), generator=generator(rows)), classes(x)


def packed(kind) -> nn.Module:
    def run(m, x, length):
        out, _ = m.cells(pack_padded_sequence(x, length, batch_first=True, enforce_sorted=False))
        return m.head(pad_packed_sequence(out, batch_first=True)[0].sum(1))

    return Built(run, cells=kind(4, 5, batch_first=True), head=nn.Linear(5, 3))


def masked_mean() -> nn.Module:
    def run(m, x, length):
        mask = (torch.arange(x.shape[1]) < length[:, None]).unsqueeze(-1)
        return m.head((m.cells(x)[0] * mask).sum(1) / length[:, None])

    return Built(run, cells=nn.GRU(4, 5, batch_first=True), head=nn.Linear(5, 3))


KINDS = {"RNN": nn.RNN, "GRU": nn.GRU, "LSTM": nn.LSTM}
FORMS = {
    "1 layer": ({}, "LSTM"),
    "2 layers, both directions": ({"num_layers": 2, "bidirectional": True}, "GRU"),
    "2 layers, dropout between": ({"num_layers": 2, "dropout": 0.4}, "RNN"),
}
"""Settings, and the kind that the default tests have them with: each kind once and each form once."""

TABLE = [
    *(
        Row(f"{name}, {form}", lambda kind=kind, settings=settings: read_out(kind, **settings), SEQUENCE, is_slow=name != usual)
        for form, (settings, usual) in FORMS.items()
        for name, kind in KINDS.items()
    ),
    Row("RNN with ReLU, without bias", lambda: read_out(nn.RNN, nonlinearity="relu", bias=False), SEQUENCE, is_slow=True),
    Row("LSTM with a projection", lambda: read_out(nn.LSTM, proj_size=3), SEQUENCE, is_slow=True),
    Row("LSTMCell, step by step", lambda: by_cell(nn.LSTMCell), SEQUENCE, is_slow=True),
    Row("GRUCell, step by step", lambda: by_cell(nn.GRUCell), SEQUENCE, is_slow=True),
    Row("GRU with a learnt start", learnt_start, SEQUENCE, is_slow=True),
    Row("sequences of several lengths, packed, GRU", lambda: packed(nn.GRU), lengths, traceable=False),
    Row("sequences of several lengths, packed, LSTM", lambda: packed(nn.LSTM), lengths, traceable=False, is_slow=True),
    Row("sequences of several lengths, masked mean", masked_mean, lengths),
]
