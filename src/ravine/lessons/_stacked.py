"""Small dense networks of several seeds as slices of the same tensors: an optimiser that treats each number by itself trains all at once.

Shapes: S seeds, B rows, D features, C classes.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Stacked(nn.Module):
    """Dense layers with ReLU between them, one slice a seed, begun as `torch.nn.Linear` begins.

    Args:
        widths: features from the inputs to the outputs.
        seeds: of the weights, one a slice.
        dropout: share of hidden features that is dropped while training.
        draws: seeds of the dropped ones, one a slice; those of the weights if None.
    """

    def __init__(self, widths: Sequence[int], seeds: Sequence[int], *, dropout: float = 0.0, draws: Sequence[int] | None = None) -> None:
        super().__init__()
        streams = [torch.Generator().manual_seed(seed) for seed in seeds]
        sizes = list(pairwise(widths))
        self.weights = nn.ParameterList(_uniform((inputs, outputs), inputs, streams) for inputs, outputs in sizes)
        self.biases = nn.ParameterList(_uniform((1, outputs), inputs, streams) for inputs, outputs in sizes)
        self._dropout = dropout
        # Streams of their own: those above went on by as many draws as there are weights.
        self._draws = [torch.Generator().manual_seed(seed) for seed in (seeds if draws is None else draws)]

    def forward(self, x: Tensor) -> Tensor:
        """Outputs, (S, B, C), from x, (S, B, D) or the same rows for all, (B, D)."""
        for place, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            if place:
                x = self._dropped(F.relu(x))
            # One product for all: a broadcast one would copy the rows for every slice.
            x = (torch.einsum("bd,sdc->sbc", x, weight) if x.ndim == 2 else x @ weight) + bias
        return x

    def _dropped(self, x: Tensor) -> Tensor:
        if not self._dropout or not self.training:
            return x
        drawn = torch.stack([torch.rand(x.shape[1:], generator=stream) for stream in self._draws])
        return x * (drawn >= self._dropout) / (1 - self._dropout)


def _uniform(shape: tuple[int, int], inputs: int, streams: Sequence[torch.Generator]) -> nn.Parameter:
    bound = inputs**-0.5
    return nn.Parameter(torch.stack([torch.empty(shape).uniform_(-bound, bound, generator=stream) for stream in streams]))


def cross_entropy_S(output_SBC: Tensor, target: Tensor, *, smoothing: float = 0.0) -> Tensor:
    """Mean over the rows of each slice, (S,); `target` is (S, B), or (B,) for all."""
    labels = target.expand(output_SBC.shape[:2])
    losses = F.cross_entropy(output_SBC.flatten(0, 1), labels.flatten(), reduction="none", label_smoothing=smoothing)
    return losses.view(labels.shape).mean(1)


def accuracy_S(output_SBC: Tensor, target: Tensor) -> Tensor:
    """Share of rows whose largest output is the target, (S,)."""
    return (output_SBC.argmax(-1) == target).float().mean(1)


def batches(rows: int, size: int, seeds: Sequence[int]) -> Iterator[Tensor]:
    """Row numbers of one batch after the other, (S, B), without end: every epoch in a new order, of its own for each seed."""
    streams = [torch.Generator().manual_seed(seed) for seed in seeds]
    while True:
        order = torch.stack([torch.randperm(rows, generator=stream) for stream in streams])
        yield from torch.split(order[:, : rows // size * size], size, dim=1)
