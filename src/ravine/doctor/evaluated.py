"""A model that is evaluated beside the trained one, such as an average of its weights: whether its statistics go with its weights."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn

TOLD = 2
"""Pairs of evaluations that must agree."""

Sums = tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Evaluated:
    """What of a model was as it was at an earlier evaluation, in sums that change whenever any number does.

    Attributes:
        layers: with running statistics.
        weights: of the evaluated model's parameters.
        statistics: of its running statistics.
        trained: of the running statistics of the trained model.
    """

    layers: int
    weights: Sums
    statistics: Sums
    trained: Sums


def evaluated(model: nn.Module, trained: nn.Module) -> Evaluated:
    """What an evaluated model is now.

    Args:
        model: that is evaluated.
        trained: that is trained meanwhile.
    """
    held = _statistics(model)
    return Evaluated(len(held) // 2, _sums(model.parameters()), _sums(held), _sums(_statistics(trained)))


def stale(seen: list[Evaluated]) -> int:
    """Evaluations in which only the weights had moved on, statistics had not, and those of the trained model had; 0 if in any they had.

    Args:
        seen: at each evaluation.
    """
    moved = [(old, new) for old, new in pairwise(seen) if new.weights != old.weights and new.trained != old.trained]
    is_stale = len(moved) >= TOLD and all(old.layers and new.statistics == old.statistics for old, new in moved)
    return len(moved) + 1 if is_stale else 0


def _statistics(model: nn.Module) -> list[Tensor]:
    norms = [part for part in model.modules() if isinstance(part, nn.modules.batchnorm._NormBase)]
    return [held for norm in norms for held in (norm.running_mean, norm.running_var) if held is not None]


def _sums(tensors: Iterable[Tensor]) -> Sums:
    sums = [tensor.detach().double().sum() for tensor in tensors]
    return tuple(torch.stack([one.to(sums[0].device) for one in sums]).tolist()) if sums else ()
