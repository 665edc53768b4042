"""`deep:50`: a network of so many layers reads the digits; what it is built of decides whether a gradient reaches the first one.

    x <- a(N(W x))           plain
    x <- x + a(W N(x))       residual, normalised before the weight

References:
    Glorot and Bengio (2010). He et al. (2015), arXiv:1502.01852. He et al. (2016), Identity mappings in deep residual networks,
    arXiv:1603.05027.
"""

import json
from functools import partial
from typing import Literal

import torch
import torch.nn.functional as F
from torch import nn
from torch.nn import init

from ravine.base._checks import count
from ravine.tasks._task import IMPORTS, Sources, Task
from ravine.tasks.digits import digits_splits, read_splits, stratified
from ravine.tasks.metrics import accuracy

Activation = Literal["linear", "sigmoid", "tanh", "relu", "leaky_relu", "gelu", "silu"]
Initialisation = Literal["xavier", "he", "lecun", "orthogonal", "torch", "small", "large"]
Normalisation = Literal["none", "layer", "rms", "batch"]
Connection = Literal["residual", "plain"]

DEEPEST = 1000


def activated(name: str, x: torch.Tensor) -> torch.Tensor:
    """What an activation makes of x."""
    return x if name == "linear" else getattr(F if name in ("leaky_relu", "gelu", "silu") else torch, name)(x)


def filled(name: str, weight: torch.Tensor, generator: torch.Generator | None = None) -> torch.Tensor:
    """A weight of D inputs drawn anew.

    Xavier's (variance 1 / D where it is square), He's (2 / D), LeCun's (1 / D), orthogonal, `torch.nn.Linear`'s own (1 / (3 D)), a
    standard deviation of 0.01, and of 2 / sqrt(D).
    """
    if name == "xavier":
        return init.xavier_normal_(weight, generator=generator)
    if name == "orthogonal":
        return init.orthogonal_(weight, generator=generator)
    if name == "torch":
        return init.kaiming_uniform_(weight, a=5**0.5, generator=generator)
    if name in ("he", "lecun"):
        return init.kaiming_normal_(weight, nonlinearity="relu" if name == "he" else "linear", generator=generator)
    return init.normal_(weight, std=0.01 if name == "small" else 2.0 / weight.shape[1] ** 0.5, generator=generator)


def normaliser(name: str, width: int) -> nn.Module:
    """Normalisation over a row's features ("layer", "rms") or a feature's rows ("batch"), with gains; or none."""
    kinds = {"none": nn.Identity, "layer": nn.LayerNorm, "rms": nn.RMSNorm, "batch": nn.BatchNorm1d}
    return kinds[name](width)  # type: ignore[no-any-return]


class Layer(nn.Module):
    """A weight, an activation and a normalisation, and what came in added where it is residual."""

    def __init__(self, width: int, activation: str, initialisation: str, normalisation: str, connection: str) -> None:
        super().__init__()
        self.norm, self.weight = normaliser(normalisation, width), nn.Parameter(torch.empty(width, width))
        self.activation, self.is_residual = activation, connection == "residual"
        filled(initialisation, self.weight.data)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, width) from (B, width)."""
        if self.is_residual:
            return x + activated(self.activation, F.linear(self.norm(x), self.weight))
        return activated(self.activation, self.norm(F.linear(x, self.weight)))


class Deep(nn.Module):
    """64-N-...-N-10: `depth` layers between a dense one that reads the pixels and one that names the digit."""

    def __init__(self, depth: int, width: int, *parts: str) -> None:
        super().__init__()
        self.entry = nn.Linear(64, width)
        self.layers = nn.ModuleList(Layer(width, *parts) for _ in range(depth))
        # What residual layers add up to is normalised once more, as what leaves each of them is not.
        _, _, normalisation, connection = parts
        self.norm = normaliser(normalisation if connection == "residual" else "none", width)
        self.head = nn.Linear(width, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits, (B, 10), from pixels, (B, 64)."""
        x = self.entry(x)
        for layer in self.layers:
            x = layer(x)
        return self.head(self.norm(x))  # type: ignore[no-any-return]


def deep(
    depth: int = 50,
    width: int = 32,
    *,
    activation: Activation = "relu",
    initialisation: Initialisation = "he",
    normalisation: Normalisation = "layer",
    connection: Connection = "residual",
) -> Task:
    """Scikit-learn's digits through very many layers, cross entropy; each part of them may be chosen.

    By default ReLU, He's weights, layer normalisation and residual connections, which train well. connection=plain,normalisation=none
    with activation=sigmoid or initialisation=large is what does not.
    """
    count("depth", depth, at_most=DEEPEST, do="2 to 100 is usual.")
    count("width", width, at_least=2, at_most=4096)
    names = (activation, initialisation, normalisation, connection)
    called = f"{activation}, {initialisation}" + ("" if normalisation == "none" else f", {normalisation} norm") + f", {connection}"
    return Task(
        f"deep:{depth}",
        partial(Deep, depth, width, *names),
        load=read_splits,
        loss=F.cross_entropy,
        metrics={"accuracy": accuracy},
        batch_size=64,
        sources=Sources(
            (activated, filled, normaliser, Layer, Deep, stratified, digits_splits),
            model=f"Deep({depth}, {width}, {', '.join(map(json.dumps, names))})",
            data="digits_splits()",
            loss="F.cross_entropy",
            imports=(*IMPORTS, "from torch.nn import init"),
        ),
        description=f"{depth} layers of width {width} ({called}) read 1,797 real handwritten digits of 8x8 pixels",
    )
