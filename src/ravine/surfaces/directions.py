"""Directions through the space of a model's weights: random ones scaled filter by filter, and those that a training took."""

from collections.abc import Mapping, Sequence
from typing import TypeAlias

import numpy as np
import torch
from torch import Tensor

from ravine.base._seeds import derive

Weights: TypeAlias = Mapping[str, Tensor]
"""Trainable tensors by name."""


def filter_normalised(weights: Weights, seed: int, number: int) -> dict[str, Tensor]:
    """A random direction whose every filter is as long as the model's own (Li et al. 2018, equation 1).

    A filter is what makes one output: a row of a matrix, a kernel of a convolution. Biases and the scales of normalisations
    have no filters and stay, as in the authors' figures: scaling them says little of the function.

    Args:
        weights: of the model in the middle.
        seed: of the draws.
        number: 0 for the first direction, 1 for the second.
    """
    generator = torch.Generator().manual_seed(derive(seed, "slice direction", number))
    found = {}
    for name, tensor in weights.items():
        if tensor.ndim < 2:
            found[name] = torch.zeros_like(tensor)
            continue
        drawn = torch.randn(tensor.shape, generator=generator, dtype=torch.float64)
        wanted, own = _filter_norms(tensor.double().cpu()), _filter_norms(drawn)
        found[name] = (drawn * wanted / own).to(tensor.device, tensor.dtype)
    return found


def _filter_norms(tensor: Tensor) -> Tensor:
    """Euclidean norm of every filter, shaped to multiply."""
    norms: Tensor = torch.linalg.vector_norm(tensor.flatten(1), dim=1)
    return norms.view(-1, *[1] * (tensor.ndim - 1))


def principal(snapshots: Sequence[Weights]) -> tuple[list[dict[str, Tensor]], np.ndarray, tuple[float, float]]:
    """The plane that holds most of a trajectory (Li et al. 2018, section 7).

    Args:
        snapshots: weights in order, at least three; the last is the origin.

    Returns:
        both directions, of length 1, every snapshot's coordinates (models, 2), and the shares of the sum of squared
        distances from the last model that the directions explain.
    """
    last = snapshots[-1]
    names = list(last)
    # Models x models instead of weights x weights: the same plane, and there are far fewer models.
    moves = torch.stack([torch.cat([(one[name] - last[name]).double().flatten().cpu() for name in names]) for one in snapshots])
    values, vectors = torch.linalg.eigh(moves @ moves.T)
    largest = values.flip(0)[:2].clamp_min(0.0)
    axes = (vectors.flip(1)[:, :2].T @ moves) / largest.sqrt().clamp_min(1e-300)[:, None]
    # The path comes from the left and from above: a sign is nobody's choice.
    coordinates = moves @ axes.T
    signs = torch.where(coordinates[0] > 0, -1.0, 1.0)
    axes, coordinates = axes * signs[:, None], coordinates * signs
    total = float(values.clamp_min(0.0).sum())
    first, second = (float(value) / total if total > 0 else 0.0 for value in largest)
    return [_cut(axis, last) for axis in axes], coordinates.numpy(), (first, second)


def _cut(flat: Tensor, like: Weights) -> dict[str, Tensor]:
    pieces = torch.split(flat, [tensor.numel() for tensor in like.values()])
    return {
        name: piece.view(tensor.shape).to(tensor.device, tensor.dtype) for (name, tensor), piece in zip(like.items(), pieces, strict=True)
    }
