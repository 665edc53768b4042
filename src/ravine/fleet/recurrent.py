"""GRU, LSTM and RNN layers in plain operations, step by step.

torch's fused layers have no rule for `vmap`, its LSTM only a slow one within a gradient. The signatures are those of
`torch._VF`, with a padded batch or a packed one; the mathematics that of `torch.nn.GRU`, `LSTM` and `RNN`.

Shapes: T time, B batch, I input, H hidden; packed batches have (rows, I) and the number of rows of each step.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

State = tuple[Tensor, ...]
"""What a cell carries on: (h,), or (h, c) for an LSTM."""

Cell = Callable[[Tensor, State, Sequence[Tensor]], State]
"""(input's share of the gates, state, weights behind the input's) -> next state."""


@dataclass(frozen=True, slots=True)
class _Layers:
    """Settings that the layers of one call share."""

    cell: Cell
    has_biases: bool
    num_layers: int
    dropout: float
    train: bool
    bidirectional: bool

    def run(self, sequence: Tensor, sizes: Sequence[int] | None, start: State, params: Sequence[Tensor]) -> tuple[Tensor, State]:
        """All layers over a time-major or packed sequence: the last one's outputs, and every layer's last state."""
        directions = 2 if self.bidirectional else 1
        each, ends = len(params) // (self.num_layers * directions), []
        for layer in range(self.num_layers):
            outputs = []
            for direction in range(directions):
                index = layer * directions + direction
                weights = params[index * each : (index + 1) * each]
                output, end = self._one(sequence, sizes, tuple(part[index] for part in start), weights, reverse=direction == 1)
                outputs.append(output)
                ends.append(end)
            sequence = torch.cat(outputs, -1) if directions == 2 else outputs[0]
            if layer < self.num_layers - 1:
                sequence = F.dropout(sequence, self.dropout, self.train and self.dropout > 0)
        return sequence, tuple(torch.stack(parts) for parts in zip(*ends, strict=True))

    def _one(
        self, sequence: Tensor, sizes: Sequence[int] | None, state: State, weights: Sequence[Tensor], *, reverse: bool
    ) -> tuple[Tensor, State]:
        biases = weights[2:4] if self.has_biases else (None, None)
        rest = [weights[1], *([biases[1]] if biases[1] is not None else []), *weights[4 if self.has_biases else 2 :]]
        inputs = F.linear(sequence, weights[0], biases[0])
        pieces = list(inputs.unbind(0) if sizes is None else torch.split(inputs, list(sizes)))
        outputs: list[Tensor] = []
        for piece in reversed(pieces) if reverse else pieces:
            rows = piece.shape[0]
            # In a packed batch the shorter sequences stand last: they have ended, or going back, not begun.
            new = self.cell(piece, tuple(part[:rows] for part in state), rest)
            state = tuple(
                fresh if rows == part.shape[0] else torch.cat([fresh, part[rows:]]) for fresh, part in zip(new, state, strict=True)
            )
            outputs.append(new[0])
        outputs = outputs[::-1] if reverse else outputs
        return torch.stack(outputs) if sizes is None else torch.cat(outputs), state


def lstm(*arguments: Any) -> tuple[Tensor, Tensor, Tensor]:
    """`torch._VF.lstm`: outputs, last h, last c."""
    output, state = _call(_lstm_cell, arguments)
    return output, state[0], state[1]


def gru(*arguments: Any) -> tuple[Tensor, Tensor]:
    """`torch._VF.gru`: outputs, last h."""
    output, state = _call(_gru_cell, arguments)
    return output, state[0]


def rnn_tanh(*arguments: Any) -> tuple[Tensor, Tensor]:
    """`torch._VF.rnn_tanh`: outputs, last h."""
    output, state = _call(lambda gates, state, weights: (torch.tanh(gates + _hidden(state, weights)),), arguments)
    return output, state[0]


def rnn_relu(*arguments: Any) -> tuple[Tensor, Tensor]:
    """`torch._VF.rnn_relu`: outputs, last h."""
    output, state = _call(lambda gates, state, weights: (torch.relu(gates + _hidden(state, weights)),), arguments)
    return output, state[0]


def lstm_cell(x: Tensor, state: Sequence[Tensor], w_ih: Tensor, w_hh: Tensor, *biases: Tensor | None) -> tuple[Tensor, Tensor]:
    """`torch._VF.lstm_cell`: next h and c."""
    h, c = _lstm_cell(F.linear(x, w_ih, biases[0] if biases else None), tuple(state), _behind(w_hh, biases))
    return h, c


def gru_cell(x: Tensor, h: Tensor, w_ih: Tensor, w_hh: Tensor, *biases: Tensor | None) -> Tensor:
    """`torch._VF.gru_cell`: next h."""
    return _gru_cell(F.linear(x, w_ih, biases[0] if biases else None), (h,), _behind(w_hh, biases))[0]


def rnn_tanh_cell(x: Tensor, h: Tensor, w_ih: Tensor, w_hh: Tensor, *biases: Tensor | None) -> Tensor:
    """`torch._VF.rnn_tanh_cell`: next h."""
    return torch.tanh(F.linear(x, w_ih, biases[0] if biases else None) + _hidden((h,), _behind(w_hh, biases)))


def rnn_relu_cell(x: Tensor, h: Tensor, w_ih: Tensor, w_hh: Tensor, *biases: Tensor | None) -> Tensor:
    """`torch._VF.rnn_relu_cell`: next h."""
    return torch.relu(F.linear(x, w_ih, biases[0] if biases else None) + _hidden((h,), _behind(w_hh, biases)))


def pack(sequence: Tensor, lengths: Tensor, is_batch_first: bool) -> tuple[Tensor, Tensor]:
    """`torch._VF._pack_padded_sequence`: rows of all steps one after the other, and how many each step has."""
    steps, longest = sequence.transpose(0, 1) if is_batch_first else sequence, [int(length) for length in lengths]
    sizes = [sum(length > step for length in longest) for step in range(longest[0])]
    return torch.cat([step[:count] for step, count in zip(steps.unbind(0), sizes, strict=False)]), torch.tensor(sizes)


def pad(data: Tensor, batch_sizes: Tensor, is_batch_first: bool, padding: float, total: int) -> tuple[Tensor, Tensor]:
    """`torch._VF._pad_packed_sequence`: the padded batch, and the length of each sequence."""
    sizes = [int(count) for count in batch_sizes]
    rows, missing = sizes[0], max(0, total - len(sizes))
    steps = [_filled(piece, rows - len(piece), padding) for piece in torch.split(data, sizes)]
    output = _filled(torch.stack(steps), missing, padding)
    lengths = torch.tensor([sum(count > row for count in sizes) for row in range(rows)])
    return output.transpose(0, 1) if is_batch_first else output, lengths


def _filled(rows: Tensor, missing: int, value: float) -> Tensor:
    return torch.cat([rows, rows.new_full((missing, *rows.shape[1:]), value)]) if missing else rows


def _call(cell: Cell, arguments: tuple[Any, ...]) -> tuple[Tensor, State]:
    is_packed = isinstance(arguments[3], list | tuple)
    sequence, sizes, start, params, *settings = arguments if is_packed else (arguments[0], None, *arguments[1:])
    start = tuple(start) if isinstance(start, list | tuple) else (start,)
    layers = _Layers(cell, *settings[:5])
    if is_packed:
        return layers.run(sequence, [int(count) for count in sizes], start, params)
    is_batch_first = settings[5]
    output, state = layers.run(sequence.transpose(0, 1) if is_batch_first else sequence, None, start, params)
    return output.transpose(0, 1) if is_batch_first else output, state


def _behind(w_hh: Tensor, biases: Sequence[Tensor | None]) -> list[Tensor]:
    return [w_hh, *(bias for bias in biases[1:2] if bias is not None)]


def _hidden(state: State, weights: Sequence[Tensor]) -> Tensor:
    bias = weights[1] if len(weights) > 1 and weights[1].ndim == 1 else None
    return F.linear(state[0], weights[0], bias)


def _lstm_cell(gates: Tensor, state: State, weights: Sequence[Tensor]) -> State:
    i, f, g, o = (gates + _hidden(state, weights)).chunk(4, -1)
    c = torch.sigmoid(f) * state[1] + torch.sigmoid(i) * torch.tanh(g)
    h = torch.sigmoid(o) * torch.tanh(c)
    # The last weight, if it is a matrix besides the hidden one, projects h to a smaller size.
    return (F.linear(h, weights[-1]) if len(weights) > 1 and weights[-1].ndim == 2 else h), c


def _gru_cell(gates: Tensor, state: State, weights: Sequence[Tensor]) -> State:
    own, hidden = gates.chunk(3, -1), _hidden(state, weights).chunk(3, -1)
    r, z = torch.sigmoid(own[0] + hidden[0]), torch.sigmoid(own[1] + hidden[1])
    n = torch.tanh(own[2] + r * hidden[2])
    return (n + z * (state[0] - n),)
