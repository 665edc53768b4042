"""`mnist-1d`: ten shapes on a line, shifted, scaled and noisy; generated, so that nothing has to be fetched.

References:
    Greydanus and Kobak (2024), Scaling down deep learning with MNIST-1D, arXiv:2011.14439: the shapes and what is done to them.
    Theirs are 4,000 training and 1,000 test examples of one stream; these are other draws of the same kind.
"""

from functools import partial
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from ravine.base._checks import count
from ravine.tasks._task import Sources, Task
from ravine.tasks.metrics import accuracy

Network = Literal["mlp", "cnn"]


def mnist1d_shapes() -> np.ndarray:
    """One shape of 12 points for each class, (10, 12), of mean square 1/36 about its mean, beginning at 0."""
    heights = """
        5 6 6.5 6.75 7 7 7 7 6.75 6.5 6 5
        5 3 3 3.4 3.8 4.2 4.6 5 5.4 5.8 5 5
        5 6 6.5 6.5 6 5.25 4.75 4 3.5 3.5 4 5
        5 6 6.5 6.5 6 5 5 6 6.5 6.5 6 5
        5 4.4 3.8 3.2 2.6 2.6 5 5 5 5 5 5
        5 3 3 3 3 5 6 6.5 6.5 6 4.5 5
        5 4 3.5 3.25 3 3 3 3 3.25 3.5 4 5
        5 7 7 6.6 6.2 5.8 5.4 5 4.6 4.2 5 5
        5 4 3.5 3.5 4 5 5 4 3.5 3.5 4 5
        5 4 3.5 3.5 4 5 5 5 5 4.7 4.3 5
    """
    shapes = np.array([float(text) for text in heights.split()]).reshape(10, 12)
    shapes = shapes / shapes.std(axis=1, keepdims=True)
    return np.asarray((shapes - shapes[:, :1]) / 6)


def mnist1d_stretched(rows: np.ndarray, lengths: np.ndarray, points: int) -> np.ndarray:
    """Each row, of its own length, read off at so many equally spaced points between its ends; linear in between."""
    place = np.linspace(0, 1, points) * (lengths[:, None] - 1)
    left = np.minimum(place.astype(int), lengths[:, None] - 2)
    low, high = (np.take_along_axis(rows, left + step, axis=1) for step in (0, 1))
    return np.asarray(low + (place - left) * (high - low))


def mnist1d_rows(examples: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Examples, (B, 40), and their classes: as many of each as of any other, or one fewer.

    A shape is followed by 36 to 60 zeros, which makes it narrower, scaled by 0.8 to 1.2 and turned by fewer than 48 places; what is
    exactly zero becomes smooth noise, all gets a little noise of its own and a slope, and 40 points of it are kept.
    """
    stream = np.random.RandomState(seed)
    labels = stream.permutation(np.arange(examples) % 10)
    padded = np.zeros((examples, 72))
    # Not zero where a shape crosses it, or noise would stand there.
    padded[:, :12] = mnist1d_shapes()[labels] + 1e-8
    rows = mnist1d_stretched(padded, 12 + stream.randint(36, 61, examples), 72)
    rows *= stream.uniform(0.8, 1.2, (examples, 1))
    rows = np.take_along_axis(rows, (np.arange(72) - stream.randint(0, 48, (examples, 1))) % 72, axis=1)
    bell = np.exp(-0.5 * (np.arange(-8, 9) / 2) ** 2)
    noise = np.pad(0.25 * stream.normal(size=rows.shape), ((0, 0), (8, 8)), mode="symmetric")
    smooth = sum(share * noise[:, place : place + 72] for place, share in enumerate(bell / bell.sum()))
    rows = np.where(rows != 0, rows, smooth) + 0.02 * stream.normal(size=rows.shape)
    rows -= 0.75 * stream.uniform(-0.5, 0.5, (examples, 1)) * np.linspace(-0.5, 0.5, 72)
    return mnist1d_stretched(rows, np.full(examples, 72), 40), labels


def mnist1d_splits(examples: int = 4000, shape: tuple[int, ...] = (40,)) -> tuple[tuple[torch.Tensor, torch.Tensor], ...]:
    """Train, and validation and test of 1,000 each; shifted and scaled so that training examples have mean 0 and variance 1."""
    drawn = [mnist1d_rows(number, seed) for number, seed in ((examples, 42), (1000, 43), (1000, 44))]
    mean, deviation = drawn[0][0].mean(), drawn[0][0].std()
    scaled = [((rows - mean) / deviation).reshape(len(rows), *shape) for rows, _ in drawn]
    return tuple((torch.tensor(x, dtype=torch.float32), torch.tensor(y)) for x, (_, y) in zip(scaled, drawn, strict=True))


def mnist1d_model() -> nn.Module:
    """40-100-100-10 with ReLU."""
    return nn.Sequential(nn.Linear(40, 100), nn.ReLU(), nn.Linear(100, 100), nn.ReLU(), nn.Linear(100, 10))


def mnist1d_cnn() -> nn.Module:
    """Three convolutions of 25 channels and stride 2, each with ReLU; then one dense layer."""
    layers: list[nn.Module] = []
    for inputs, size in ((1, 5), (25, 3), (25, 3)):
        layers += [nn.Conv1d(inputs, 25, size, stride=2, padding=1), nn.ReLU()]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(125, 10))


def mnist_1d(model: Network = "mlp", examples: int = 4000) -> Task:
    """Ten shapes on a line of 40 points, moved and noisy (MNIST-1D), 40-100-100-10 ReLU or a small CNN, cross entropy; generated.

    Small and quick, and yet hard enough to tell models apart: a dense network names two thirds of fresh examples, a CNN nine tenths.
    """
    count("examples", examples, at_least=10)
    factory, shape = {"mlp": (mnist1d_model, (40,)), "cnn": (mnist1d_cnn, (1, 40))}[model]
    return Task(
        "mnist-1d" if model == "mlp" else f"mnist-1d:{model}",
        factory,
        load=partial(mnist1d_splits, examples, shape),
        loss=F.cross_entropy,
        metrics={"accuracy": accuracy},
        batch_size=64,
        sources=Sources(
            (mnist1d_shapes, mnist1d_stretched, mnist1d_rows, mnist1d_splits, factory),
            model=f"{factory.__name__}()",
            data=f"mnist1d_splits({examples}, {shape})",
            loss="F.cross_entropy",
        ),
        description=f"{examples:,} examples of ten shapes on a line of 40 points",
    )
