"""How gradients fare on their way back through time in an RNN, an LSTM and a GRU, and what clipping makes of them.

The cell reads standard normal inputs; the loss, half the squared distance of the last state from a random point, looks at the end alone.
Its gradient by the state at each step is followed back. The gradient by the recurrent weight is a sum over the steps; clipping that sum
multiplies each step's part by the same number, so that what exploded becomes small enough, and what vanished stays where it was.

References:
    Pascanu, Mikolov and Bengio (2013), On the difficulty of training recurrent neural networks, arXiv:1211.5063, section 3.2.
    Hochreiter and Schmidhuber (1997), Long short-term memory.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ravine.base._checks import count, number, unknown_name
from ravine.base._seeds import derive
from ravine.exhibits.depth import factor, finite
from ravine.tasks._randomness import isolated
from ravine.tasks.functional import functional_call

CELLS: Mapping[str, type[nn.RNNCell | nn.LSTMCell | nn.GRUCell]] = MappingProxyType(
    {"rnn": nn.RNNCell, "lstm": nn.LSTMCell, "gru": nn.GRUCell}
)
"""Cells by name."""

WIDTH, ROWS = 64, 16
LONGEST = 2000


@dataclass(frozen=True, slots=True)
class Recurrence:
    """How a recurrent network is built.

    Attributes:
        cell: "rnn" (tanh), "lstm" or "gru".
        gain: every block of its recurrent weight is so many times an orthogonal matrix.
        forget_bias: added to an LSTM's forget gate.

    Raises:
        UnknownNameError: no such cell.
        InputError: a gain that is not above 0.
    """

    cell: str = "rnn"
    gain: float = 1.0
    forget_bias: float = 0.0

    def __post_init__(self) -> None:
        if self.cell not in CELLS:
            raise unknown_name("recurrent cell", self.cell, CELLS)
        number("gain", self.gain, above=0, at_most=100, do="1 keeps lengths.")
        number("forget_bias", self.forget_bias, above=-math.inf, below=math.inf, do="0 and 1 are usual.")

    @property
    def label(self) -> str:
        """The network in a few words."""
        return f"{self.cell}, gain {self.gain:g}" + (f", forget bias {self.forget_bias:g}" if self.forget_bias else "")


USUAL = (Recurrence("rnn", 0.9), Recurrence("rnn", 2.0), Recurrence("lstm"), Recurrence("lstm", forget_bias=1.0), Recurrence("gru"))
"""Networks that show what each part does."""


@dataclass(frozen=True, slots=True)
class TimeLevels:
    """What one recurrent network's gradients were found to be, over several seeds.

    Attributes:
        recurrence: the network.
        signals: root mean square of the loss's gradient by the state after each step, (seeds, steps).
        parts: norm of each step's part of the gradient by the recurrent weight, (seeds, steps).
        norms: norm of the gradient by all weights, (seeds,).
        clip: largest norm that is let through; None where nothing is clipped.
    """

    recurrence: Recurrence
    signals: np.ndarray
    parts: np.ndarray
    norms: np.ndarray
    clip: float | None = None

    @property
    def steps(self) -> int:
        """Number of steps."""
        return int(self.signals.shape[1])

    @property
    def shrink(self) -> np.ndarray:
        """By what clipping multiplies every gradient, (seeds,); 1 where it does nothing."""
        if self.clip is None:
            return np.ones_like(self.norms)
        shares: np.ndarray = np.minimum(1.0, self.clip / np.maximum(self.norms, np.finfo(np.float64).tiny))
        return shares

    @property
    def clipped_parts(self) -> np.ndarray:
        """The parts after clipping, (seeds, steps)."""
        parts: np.ndarray = self.parts * self.shrink[:, None]
        return parts

    @property
    def backward_factor(self) -> np.ndarray:
        """By what a step multiplies the gradient on its way back, geometric mean over the steps, (seeds,)."""
        return factor(self.signals[:, ::-1])

    def summary(self) -> dict[str, Any]:
        """The same as plain values."""
        arrays = {name: getattr(self, name).tolist() for name in ("signals", "parts", "clipped_parts", "norms", "shrink")}
        factors = [finite(value) for value in self.backward_factor]
        label = self.recurrence.label
        return {"recurrence": asdict(self.recurrence), "label": label, "clip": self.clip, "backward_factor": factors, **arrays}


@dataclass(frozen=True, slots=True)
class TimeStudy:
    """Several recurrent networks over the same number of steps.

    Attributes:
        levels: one a network.
        width: features of their states.
    """

    levels: tuple[TimeLevels, ...]
    width: int = WIDTH

    def summary(self) -> dict[str, Any]:
        """The same as plain values (schema 1)."""
        listed = [one.summary() for one in self.levels]
        return {"schema": 1, "figure": "depth", "steps": self.levels[0].steps, "width": self.width, "networks": listed}


def time_study(
    networks: Sequence[Recurrence] = USUAL,
    steps: int = 100,
    *,
    clip: float | None = 1.0,
    width: int = WIDTH,
    seeds: int = 5,
    seed: int = 0,
) -> TimeStudy:
    """`through_time` for several networks, under the same seeds."""
    return TimeStudy(tuple(through_time(one, steps, clip=clip, width=width, seeds=seeds, seed=seed) for one in networks), width)


def through_time(
    recurrence: Recurrence, steps: int = 100, *, clip: float | None = None, width: int = WIDTH, seeds: int = 5, seed: int = 0
) -> TimeLevels:
    """Run a fresh recurrent network forwards and backwards once for each seed.

    Args:
        recurrence: how it is built.
        steps: of the sequence.
        clip: norm to which the gradient by all weights is cut.
        width: features of inputs and states.
        seeds: how many weights and sequences are drawn.
        seed: of the first; the others follow from it.

    Raises:
        InputError: a number that is none.

    Example:
        >>> levels = through_time(Recurrence("rnn", 0.5), 30, clip=1.0, seeds=2)
        >>> bool((levels.backward_factor < 0.6).all())
        True
    """
    count("steps", steps, at_least=2, at_most=LONGEST, do="100 is a long sequence.")
    count("width", width, at_least=2, at_most=1024)
    count("seeds", seeds, at_most=100, do="5 show the spread.")
    if clip is not None:
        number("clip", clip, above=0, below=math.inf, do="1 is usual; leave it out for none.")
    found = [_once(recurrence, steps, width, derive(seed, "time", index)) for index in range(seeds)]
    signals, parts, norms = (np.stack(arrays) for arrays in zip(*found, strict=True))
    return TimeLevels(recurrence, signals, parts, norms, clip)


def _once(recurrence: Recurrence, steps: int, width: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    with isolated(seed):
        cell = CELLS[recurrence.cell](width, width).double()
        _fill(cell, recurrence)
        inputs = torch.randn(steps, ROWS, width, dtype=torch.float64)
        target = torch.randn(ROWS, width, dtype=torch.float64)
    # A recurrent weight of each step's own, equal to all others, gets that step's part of the gradient.
    own = [cell.weight_hh.detach().clone().requires_grad_() for _ in range(steps)]
    states = _unrolled(cell, inputs, own)
    loss = 0.5 * (states[-1] - target).square().sum(1).mean()
    rest = [cell.weight_ih, cell.bias_ih, cell.bias_hh]
    found = torch.autograd.grad(loss, [*states, *own, *rest])
    signals, parts, others = found[:steps], found[steps : 2 * steps], found[2 * steps :]
    norm = torch.stack([torch.stack(parts).sum(0).norm(), *(g.norm() for g in others)]).norm()
    level = torch.stack([g.square().mean().sqrt() for g in signals])
    return level.numpy(), torch.stack([g.norm() for g in parts]).numpy(), norm.numpy()


def _fill(cell: nn.RNNCell | nn.LSTMCell | nn.GRUCell, recurrence: Recurrence) -> None:
    with torch.no_grad():
        width = cell.hidden_size
        for block in torch.split(cell.weight_hh, width):
            block.copy_(nn.init.orthogonal_(torch.empty_like(block), gain=recurrence.gain))
        cell.bias_ih.zero_()
        cell.bias_hh.zero_()
        if recurrence.cell == "lstm":
            # torch's order of gates is input, forget, cell, output.
            cell.bias_ih[width : 2 * width] = recurrence.forget_bias


def _unrolled(cell: nn.RNNCell | nn.LSTMCell | nn.GRUCell, inputs: Tensor, own: Sequence[Tensor]) -> list[Tensor]:
    """The states after every step; of an LSTM the visible ones."""
    state: Any = torch.zeros(inputs.shape[1], cell.hidden_size, dtype=torch.float64)
    state = (state, state) if isinstance(cell, nn.LSTMCell) else state
    states = []
    for x, weight in zip(inputs, own, strict=True):
        state = functional_call(cell, {"weight_hh": weight}, (x, state))
        states.append(state[0] if isinstance(state, tuple) else state)
    return states
