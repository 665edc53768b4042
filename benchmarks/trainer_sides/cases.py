"""What is trained: two MLPs, a CNN and a GPT, on random rows in memory, as tasks of ravine that every side takes its parts from."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional as F

import ravine


@dataclass(frozen=True)
class Case:
    """What is trained.

    Attributes:
        title: one line.
        batch: rows of a step.
        block: steps of one turn.
        model, data: build it.
    """

    title: str
    batch: int
    block: int
    model: Callable[[], nn.Module]
    data: Callable[[torch.Generator], tuple[torch.Tensor, torch.Tensor]]

    def task(self, turns):
        """The task; the forwards of its models count as turns."""
        generator = torch.Generator().manual_seed(0)
        train, validation = self.data(generator), tuple(part[:64] for part in self.data(generator))
        return ravine.Task("benchmark", lambda: turns.watch(self.model()), train, validation, cross_entropy, batch_size=self.batch)


def cross_entropy(output, target):
    return F.cross_entropy(output.flatten(0, -2), target.flatten())


def dense(*widths):
    layers = [layer for pair in itertools.pairwise(widths) for layer in (nn.Linear(*pair), nn.ReLU())]
    return nn.Sequential(*layers[:-1])


def images(rows, *shape):
    def data(generator):
        return torch.rand(rows, *shape, generator=generator), torch.randint(0, 10, (rows,), generator=generator)

    return data


def cnn():
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(32 * 7 * 7, 10),
    )


VOCABULARY, CONTEXT, WIDTH, HEADS, DEPTH = 96, 64, 128, 4, 4


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


class GPT(nn.Module):
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


def text(generator):
    windows = torch.randint(0, VOCABULARY, (20_000,), generator=generator).unfold(0, CONTEXT + 1, 8)
    return windows[:, :-1].contiguous(), windows[:, 1:].contiguous()


CASES = {
    "digits": Case("MLP 64-32-10, batch 64", 64, 200, lambda: dense(64, 32, 10), images(1_400, 64)),
    "mnist": Case("MLP 784-128-64-10, batch 64", 64, 100, lambda: dense(784, 128, 64, 10), images(20_000, 784)),
    "cnn": Case("CNN of two convolutions on 28x28, batch 64", 64, 10, cnn, images(5_000, 1, 28, 28)),
    "gpt": Case("GPT of 4 layers, width 128, context 64, batch 16", 16, 4, GPT, text),
}
