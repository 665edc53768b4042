"""W1 to W5: models written as people write them, their data, and the arithmetic that one lane-step cannot do without."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import nn
from torch.nn import functional as F

BYTES_PER_PARAMETER = 28
"""Adam in float32: parameter, two moments and gradient read, the first three written."""


@dataclass(frozen=True)
class Workload:
    """What is trained.

    Attributes:
        title: one line.
        kind: "dense", "cnn" or "transformer".
        batch, examples: rows of a step and of the training split.
        model: builds it.
        data: builds (x, y).
        loss: of (output, target).
        flops: floating-point operations of the matrix products of one lane-step, forward and backward.
        block: steps of one call of JAX.
        jax_lanes: lanes a call that JAX is tried with.
        targets: "loop", "jax": times as fast as; "bound": at most this many times the bound.
    """

    title: str
    kind: str
    batch: int
    examples: int
    model: Callable[[], nn.Module]
    data: Callable[[], tuple[torch.Tensor, torch.Tensor]]
    loss: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
    flops: float
    block: int
    jax_lanes: tuple[int, ...]
    targets: dict[str, float] = field(default_factory=dict)
    lanes: int = 64

    @property
    def is_full_batch(self):
        return self.batch >= self.examples


def dense(widths, activation):
    layers = []
    for inputs, outputs in itertools.pairwise(widths):
        layers += [nn.Linear(inputs, outputs), activation()]
    return nn.Sequential(*layers[:-1])


def dense_flops(widths, batch):
    """Forward, gradient by the weights, and gradient by the input in all layers but the first."""
    sizes = [a * b for a, b in itertools.pairwise(widths)]
    return 2.0 * batch * (3 * sum(sizes) - sizes[0])


def cnn():
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(8, 16, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(16 * 7 * 7, 10),
    )


def cnn_flops(batch):
    first, second, head = 28 * 28 * 9 * 8, 14 * 14 * 9 * 8 * 16, 784 * 10
    return 2.0 * batch * (2 * first + 3 * second + 3 * head)


VOCABULARY, CONTEXT, WIDTH, HEADS, DEPTH = 65, 32, 64, 4, 2


class Layer(nn.Module):
    """Pre-norm: causal attention, then an MLP four times as wide."""

    def __init__(self):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.qkv, self.proj = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.up, self.down = nn.Linear(WIDTH, 4 * WIDTH), nn.Linear(4 * WIDTH, WIDTH)

    def forward(self, x):
        query, key, value = (part.unflatten(-1, (HEADS, -1)).transpose(-2, -3) for part in self.qkv(self.norm1(x)).chunk(3, dim=-1))
        mixed = F.scaled_dot_product_attention(query, key, value, is_causal=True)
        x = x + self.proj(mixed.transpose(-2, -3).flatten(-2))
        return x + self.down(F.gelu(self.up(self.norm2(x))))


class Transformer(nn.Module):
    """Predicts the next character at every position."""

    def __init__(self):
        super().__init__()
        self.tokens, self.positions = nn.Embedding(VOCABULARY, WIDTH), nn.Embedding(CONTEXT, WIDTH)
        self.layers = nn.ModuleList(Layer() for _ in range(DEPTH))
        self.norm, self.head = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, VOCABULARY)

    def forward(self, text):
        x = self.tokens(text) + self.positions.weight
        for layer in self.layers:
            x = layer(x)
        return self.head(self.norm(x))


def transformer_flops(batch):
    rows = batch * CONTEXT
    products = 2.0 * rows * WIDTH * (3 * WIDTH + WIDTH + 8 * WIDTH)
    attention = 2 * 2.0 * rows * CONTEXT * WIDTH
    return 3 * (DEPTH * (products + attention) + 2.0 * rows * WIDTH * VOCABULARY)


def vectors(examples, inputs, classes):
    generator = torch.Generator().manual_seed(0)
    return torch.randn(examples, inputs, generator=generator), torch.randint(0, classes, (examples,), generator=generator)


def sine(examples):
    x = torch.linspace(-1, 1, examples)[:, None]
    return x, torch.sin(torch.pi * x)


def images(examples):
    x, y = vectors(examples, 28 * 28, 10)
    return x.view(examples, 1, 28, 28), y


def text(examples):
    """Windows of a random text in which a character has four likely successors, as letters have."""
    generator = torch.Generator().manual_seed(0)
    successors = torch.randint(0, VOCABULARY, (VOCABULARY, 4), generator=generator)
    letters = [0]
    for pick in torch.randint(0, 4, (examples + CONTEXT,), generator=generator).tolist():
        letters.append(int(successors[letters[-1], pick]))
    windows = torch.tensor(letters).unfold(0, CONTEXT + 1, 1)[:examples]
    return windows[:, :-1].contiguous(), windows[:, 1:].contiguous()


def over_positions(output, target):
    """Cross entropy over every position of every row."""
    return F.cross_entropy(output.flatten(0, -2), target.flatten())


def _dense(widths, activation, batch, examples, targets, **options):
    return Workload(
        f"{'-'.join(map(str, widths))} {activation.__name__}, batch {batch}",
        "dense",
        batch,
        examples,
        lambda: dense(widths, activation),
        (lambda: sine(examples)) if widths[0] == 1 else (lambda: vectors(examples, widths[0], widths[-1])),
        F.mse_loss if widths[-1] == 1 else F.cross_entropy,
        dense_flops(widths, batch),
        targets=targets,
        **options,
    )


WORKLOADS = {
    "W1": _dense((1, 32, 1), nn.Tanh, 128, 128, {"jax": 1.5, "loop": 60}, block=50, jax_lanes=(64,)),
    "W2": _dense((64, 32, 10), nn.ReLU, 64, 1500, {"jax": 1.5, "loop": 22}, block=50, jax_lanes=(64, 16)),
    "W2b": _dense((64, 64, 64, 10), nn.ReLU, 32, 1500, {"jax": 1.3}, block=50, jax_lanes=(64, 16)),
    "W3": _dense((784, 128, 64, 10), nn.ReLU, 64, 4000, {"jax": 1.3}, block=20, jax_lanes=(64, 8, 1)),
    "W4": Workload(
        "CNN 1-8-16 on 28x28, batch 64",
        "cnn",
        64,
        2000,
        cnn,
        lambda: images(2000),
        F.cross_entropy,
        cnn_flops(64),
        block=5,
        jax_lanes=(8, 1),
        targets={"jax": 1.0, "bound": 4},
    ),
    "W5": Workload(
        "transformer, 2 layers of width 64, context 32, batch 16",
        "transformer",
        16,
        4000,
        Transformer,
        lambda: text(4000),
        over_positions,
        transformer_flops(16),
        block=5,
        jax_lanes=(8, 1),
        targets={"jax": 1.5},
    ),
}
DEFAULT = ("W1", "W2", "W3")
