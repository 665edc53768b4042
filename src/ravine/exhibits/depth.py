"""How large activations and gradients are in every layer of a deep network, before any training.

    x <- a(N(W x))           plain
    x <- x + a(W N(x))       residual, normalised before the weight

W is square, without a bias; a the activation; N the normalisation over features ("layer", "rms") or over rows ("batch"), or none. The
loss is the cross-entropy of a linear head of ten classes on labels that have nothing to do with the inputs. All is computed in float64,
which shows levels that float32 would hold as 0.

What theory says of one layer: the gradient's root mean square is multiplied by sqrt(D E[w^2] E[a'^2]). That is at most 1/4 for a sigmoid
under Xavier's initialisation, and 1 for ReLU under He's.

References:
    Glorot and Bengio (2010), Understanding the difficulty of training deep feedforward neural networks. He et al. (2015), Delving deep
    into rectifiers, arXiv:1502.01852, equations 10 and 14. He et al. (2016), Deep residual learning, arXiv:1512.03385.
"""

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from types import MappingProxyType
from typing import Any, get_args

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ravine.base._checks import count, unknown_name
from ravine.base._seeds import derive
from ravine.tasks.deep import Activation, Initialisation, activated, filled

WIDTH, ROWS, CLASSES = 64, 64, 10
DEEPEST = 1000

ACTIVATIONS: Mapping[str, Callable[[Tensor], Tensor]] = MappingProxyType({name: partial(activated, name) for name in get_args(Activation)})
"""Activations by name."""

INITIALISATIONS: Mapping[str, Callable[..., Tensor]] = MappingProxyType({name: partial(filled, name) for name in get_args(Initialisation)})
"""Initialisations by name: Xavier (variance 1 / D), He (2 / D), LeCun (1 / D), orthogonal, `torch.nn.Linear`'s own (1 / (3 D)), a
standard deviation of 0.01, and of 2 / sqrt(D)."""

NORMALISATIONS: Mapping[str, Callable[[Tensor], Tensor]] = MappingProxyType(
    {
        "none": lambda x: x,
        "layer": lambda x: F.layer_norm(x, x.shape[-1:]),
        "rms": lambda x: F.rms_norm(x, x.shape[-1:]),
        "batch": lambda x: (x - x.mean(-2, keepdim=True)) * (x.var(-2, correction=0, keepdim=True) + 1e-5).rsqrt(),
    }
)
"""Normalisations by name, without gains: each row over its features, or each feature over the rows."""


@dataclass(frozen=True, slots=True)
class Network:
    """How a deep network is built.

    Attributes:
        activation: of `ACTIVATIONS`.
        initialisation: of `INITIALISATIONS`.
        normalisation: of `NORMALISATIONS`.
        residual: whether each layer is added to what it was given.

    Raises:
        UnknownNameError: no such part.
    """

    activation: str = "relu"
    initialisation: str = "he"
    normalisation: str = "none"
    residual: bool = False

    def __post_init__(self) -> None:
        for kind, known in (("activation", ACTIVATIONS), ("initialisation", INITIALISATIONS), ("normalisation", NORMALISATIONS)):
            if getattr(self, kind) not in known:
                raise unknown_name(kind, getattr(self, kind), known)

    @property
    def label(self) -> str:
        """The network in a few words."""
        parts = [self.activation, self.initialisation]
        parts += [] if self.normalisation == "none" else [f"{self.normalisation} norm"]
        return ", ".join([*parts, *(["residual"] if self.residual else [])])


USUAL = (
    Network("sigmoid", "xavier"),
    Network("tanh", "xavier"),
    Network("relu", "xavier"),
    Network("relu", "he"),
    Network("relu", "large"),
    Network("relu", "he", "layer"),
    Network("relu", "he", "layer", residual=True),
)
"""Networks that show what each part does."""


@dataclass(frozen=True, slots=True)
class Levels:
    """What one network's layers were found to hold, over several seeds.

    Attributes:
        network: the network.
        activations: root mean square of each layer's output, (seeds, depth).
        signals: root mean square of the loss's gradient by each layer's output, (seeds, depth).
        gradients: norm of the loss's gradient by each layer's weight, (seeds, depth).
    """

    network: Network
    activations: np.ndarray
    signals: np.ndarray
    gradients: np.ndarray

    @property
    def depth(self) -> int:
        """Number of layers."""
        return int(self.activations.shape[1])

    @property
    def backward_factor(self) -> np.ndarray:
        """By what a layer multiplies the gradient on its way back, geometric mean over the layers, (seeds,); NaN for one layer."""
        return factor(self.signals[:, ::-1])

    @property
    def forward_factor(self) -> np.ndarray:
        """By what a layer multiplies the activations, geometric mean over the layers, (seeds,); NaN for one layer."""
        return factor(self.activations)

    def summary(self) -> dict[str, Any]:
        """The same as plain values."""
        arrays = {name: getattr(self, name).tolist() for name in ("activations", "signals", "gradients")}
        factors = {name: [finite(value) for value in getattr(self, name)] for name in ("backward_factor", "forward_factor")}
        return {"network": asdict(self.network), "label": self.network.label, **factors, **arrays}


def factor(levels: np.ndarray) -> np.ndarray:
    """By what each place multiplies the one before, geometric mean along the second axis; NaN where there is one place only."""
    if levels.shape[1] < 2:
        return np.full(len(levels), np.nan)
    with np.errstate(divide="ignore"):
        found: np.ndarray = (levels[:, -1] / levels[:, 0]) ** (1.0 / (levels.shape[1] - 1))
    return found


def finite(value: float) -> float | None:
    """A number for JSON, which has neither infinity nor NaN."""
    return float(value) if np.isfinite(value) else None


def through_depth(network: Network, depth: int = 50, *, width: int = WIDTH, rows: int = ROWS, seeds: int = 5, seed: int = 0) -> Levels:
    """Run a fresh network forwards and backwards once for each seed.

    Args:
        network: how it is built.
        depth: layers.
        width: features of every layer, D.
        rows: inputs, drawn from a standard normal distribution.
        seeds: how many weights and inputs are drawn.
        seed: of the first; the others follow from it.

    Raises:
        InputError: a number that is none.

    Example:
        >>> vanished = through_depth(Network("sigmoid", "xavier"), 20, seeds=2)
        >>> bool((vanished.backward_factor < 0.25).all())
        True
    """
    count("depth", depth, at_most=DEEPEST, do="2 to 100 is usual.")
    count("width", width, at_least=2, at_most=4096)
    count("rows", rows, at_least=2, at_most=65_536)
    count("seeds", seeds, at_most=100, do="5 show the spread.")
    streams = [torch.Generator().manual_seed(derive(seed, "depth", number)) for number in range(seeds)]
    fill = INITIALISATIONS[network.initialisation]
    # S seeds at once: x is (S, rows, width), each weight (S, width, width).
    x = torch.stack([torch.randn(rows, width, generator=stream, dtype=torch.float64) for stream in streams])
    weights = [
        torch.stack([fill(torch.empty(width, width, dtype=torch.float64), generator=stream) for stream in streams]).requires_grad_()
        for _ in range(depth)
    ]
    head = torch.stack([torch.randn(width, CLASSES, generator=stream, dtype=torch.float64) for stream in streams]) / width**0.5
    labels = torch.stack([torch.randint(CLASSES, (rows,), generator=stream) for stream in streams])
    outputs = _forward(network, x, weights)
    logits = outputs[-1] @ head
    # A mean over rows and a sum over seeds, which do not touch one another.
    loss = F.cross_entropy(logits.flatten(0, 1), labels.flatten(), reduction="sum") / rows
    found = torch.autograd.grad(loss, [*outputs, *weights])
    signals, gradients = found[:depth], found[depth:]
    return Levels(network, _rms(outputs), _rms(signals), np.stack([g.flatten(1).norm(dim=1).numpy() for g in gradients], 1))


def _forward(network: Network, x: Tensor, weights: Sequence[Tensor]) -> list[Tensor]:
    activation, normalise = ACTIVATIONS[network.activation], NORMALISATIONS[network.normalisation]
    outputs = []
    for weight in weights:
        x = x + activation(normalise(x) @ weight.mT) if network.residual else activation(normalise(x @ weight.mT))
        outputs.append(x)
    return outputs


def _rms(tensors: Sequence[Tensor]) -> np.ndarray:
    return np.stack([t.detach().flatten(1).square().mean(1).sqrt().numpy() for t in tensors], 1)


@dataclass(frozen=True, slots=True)
class DepthStudy:
    """Several networks of one depth.

    Attributes:
        levels: one a network.
        width: features of their layers.
    """

    levels: tuple[Levels, ...]
    width: int = WIDTH

    def summary(self) -> dict[str, Any]:
        """The same as plain values (schema 1)."""
        depth, listed = self.levels[0].depth, [one.summary() for one in self.levels]
        return {"schema": 1, "figure": "depth", "depth": depth, "width": self.width, "networks": listed}


def depth_study(networks: Sequence[Network] = USUAL, depth: int = 50, *, width: int = WIDTH, seeds: int = 5, seed: int = 0) -> DepthStudy:
    """`through_depth` for several networks, under the same seeds."""
    return DepthStudy(tuple(through_depth(one, depth, width=width, seeds=seeds, seed=seed) for one in networks), width)


def crossed(
    activations: Sequence[str], initialisations: Sequence[str], normalisations: Sequence[str], residuals: Sequence[bool]
) -> tuple[Network, ...]:
    """Every combination of the parts, in the order given."""
    return tuple(itertools.starmap(Network, itertools.product(activations, initialisations, normalisations, residuals)))
