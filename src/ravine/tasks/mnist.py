"""`mnist` and `fashion-mnist`: 70,000 images of 28 x 28 pixels from IDX files on disk."""

from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from ravine.base.errors import DataError
from ravine.tasks._task import IMPORTS, Sources, Task
from ravine.tasks.data import find, locate, read_idx
from ravine.tasks.metrics import accuracy

Network = Literal["mlp", "cnn"]


def mnist_model() -> nn.Module:
    """784-128-64-10 with ReLU."""
    return nn.Sequential(nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 64), nn.ReLU(), nn.Linear(64, 10))


def mnist_cnn() -> nn.Module:
    """Twice two 3x3 convolutions, each with BatchNorm and ReLU, and the largest of 2x2 places; then one dense layer."""
    layers: list[nn.Module] = []
    for inputs, outputs in ((1, 16), (16, 16), (16, 32), (32, 32)):
        # A bias would vanish in the mean that BatchNorm takes off.
        layers += [nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]
        if inputs == outputs:
            layers += [nn.MaxPool2d(2)]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(32 * 7 * 7, 10))


def mnist_splits(paths: list[str], shape: tuple[int, ...] = (784,)) -> tuple[tuple[torch.Tensor, torch.Tensor], ...]:
    """Train, validation and test from the files of training images and labels, test images and labels.

    Every twelfth training image of each class, after a fixed shuffle, is for validation: 5,000 of 60,000. Pixels
    are divided by 255 and left so: shifting and scaling inputs is a choice that moves every good rate, and what
    is raced here is the optimiser.
    """
    images, labels, test_images, test_labels = (read_idx(path) for path in paths)
    if len(images) != len(labels) or len(test_images) != len(test_labels):
        counts = f"{len(images)} and {len(labels)}, test {len(test_images)} and {len(test_labels)}"
        raise ValueError(f"{paths[0]} and its companions hold unequal numbers of images and labels: {counts}")
    shuffled = np.random.RandomState(0).permutation(len(labels))
    by_class = shuffled[np.argsort(labels[shuffled], kind="stable")]
    held_out = torch.zeros(len(labels), dtype=torch.bool)
    held_out[torch.tensor(by_class[::12])] = True
    x, test_x = (torch.tensor(part, dtype=torch.float32).view(len(part), *shape) / 255 for part in (images, test_images))
    y, test_y = (torch.tensor(part, dtype=torch.int64) for part in (labels, test_labels))
    return (x[~held_out], y[~held_out]), (x[held_out], y[held_out]), (test_x, test_y)


def mnist(model: Network = "mlp") -> Task:
    """Handwritten digits of 28x28 pixels, 784-128-64-10 ReLU or a small CNN, cross entropy; IDX files from RAVINE_DATA."""
    return _task("mnist", model, "70,000 handwritten digits of 28x28 pixels")


def fashion_mnist(model: Network = "mlp") -> Task:
    """Ten kinds of clothing in 28x28 pixels, 784-128-64-10 ReLU or a small CNN, cross entropy; IDX files from RAVINE_DATA."""
    return _task("fashion-mnist", model, "70,000 pictures of clothing of 28x28 pixels")


def _task(name: str, network: Network, description: str) -> Task:
    # Only named here, not read: the task can be listed and described to people before its data is there.
    factory, shape = {"mlp": (mnist_model, (784,)), "cnn": (mnist_cnn, (1, 28, 28))}[network]
    paths = [str(path) for path in locate(name) or ()]
    return Task(
        name if network == "mlp" else f"{name}:{network}",
        factory,
        load=partial(_load, name, shape),
        loss=F.cross_entropy,
        metrics={"accuracy": accuracy},
        batch_size=64,
        sources=Sources(
            (read_idx, factory, mnist_splits),
            model=f"{factory.__name__}()",
            data=f"mnist_splits({paths!r})" if network == "mlp" else f"mnist_splits({paths!r}, {shape})",
            loss="F.cross_entropy",
            imports=("import gzip", "import zlib", "", *IMPORTS),
        ),
        description=description,
    )


def _load(name: str, shape: tuple[int, ...]) -> tuple[tuple[torch.Tensor, torch.Tensor], ...]:
    paths: list[Path] = find(name)
    try:
        return mnist_splits([str(path) for path in paths], shape)
    except (ValueError, OSError) as error:
        raise DataError(f"{error}. Delete it and run: ravine data get {name}") from error
