"""A moving average of the weights, at which the model is evaluated and saved.

    a <- d a + (1 - d) p,    d = min(decay, (1 + t) / (10 + t))    t steps taken so far

Averages are kept in at least float32. Buffers of floating type, such as the statistics of BatchNorm, are averaged with
the same decay (they are not estimated anew); counters are taken over as they are. With a decay near 1 the averaged
statistics follow the averaged weights, and the ramp of d lets both forget the start.

References:
    Polyak and Juditsky (1992), Acceleration of stochastic approximation by averaging; the ramp: TensorFlow's
    `ExponentialMovingAverage(num_updates=...)`.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from ravine.base._checks import number
from ravine.optim._storage import distributed, local


class Averaging:
    """The average of a model's parameters and floating buffers.

    Args:
        model: the model, whose present weights are the start.
        decay: share of the average that stays at a step, at least 0 and below 1.

    Raises:
        InputError: the decay is out of range.

    Example:
        >>> layer = nn.Linear(1, 1, bias=False)
        >>> averaging = Averaging(layer, 0.5)
        >>> before = layer.weight.item()
        >>> _ = nn.init.zeros_(layer.weight)
        >>> averaging.update(100)
        >>> with averaging.applied():
        ...     layer.weight.item() == before / 2
        True
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = number("ema", decay, at_least=0.0, below=1.0, do="Such as 0.999.")
        state = {**dict(model.named_parameters()), **dict(model.named_buffers())}
        self._held = {name: tensor for name, tensor in state.items() if tensor.is_floating_point()}
        # Of a parameter that lies in shards, this process's: an average needs no other.
        self._live = {name: local(tensor) for name, tensor in self._held.items()}
        self._average = {name: _wide(tensor).clone() for name, tensor in self._live.items()}

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Take in the weights after `step` steps."""
        weight = 1.0 - min(self.decay, (1.0 + step) / (10.0 + step))
        live = [_wide(tensor) for tensor in self._live.values()]
        torch._foreach_lerp_(list(self._average.values()), live, weight)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """A block in which the model has the average."""
        kept = {name: tensor.detach().clone() for name, tensor in self._live.items()}
        self.apply()
        try:
            yield
        finally:
            _copy(self._live, kept)

    def apply(self) -> None:
        """Give the model the average for good."""
        _copy(self._live, self._average)

    def tensors(self) -> dict[str, Tensor]:
        """The average, for a checkpoint."""
        return {f"average.{name}": distributed(tensor, self._held[name]) for name, tensor in self._average.items()}

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Take over what `tensors` gave."""
        _copy(self._average, {name: local(tensors[f"average.{name}"]) for name in self._average})


def _wide(tensor: Tensor) -> Tensor:
    return tensor.detach().to(torch.promote_types(tensor.dtype, torch.float32))


@torch.no_grad()
def _copy(into: Mapping[str, Tensor], values: Mapping[str, Tensor]) -> None:
    for name, tensor in into.items():
        tensor.copy_(values[name])
