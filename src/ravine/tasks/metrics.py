"""Metrics: `function(output, target) -> mean scalar`, usable under `torch.func.vmap`.

Higher is better unless the function carries the attribute `lower_is_better = True`. A metric is averaged over
batches by their sizes, so it must itself be a mean over rows.

Shapes: B rows, T time or space, C classes, D features.
"""

import math
from collections.abc import Callable
from typing import TypeVar

import torch

from ravine.base._checks import count

_Function = TypeVar("_Function", bound=Callable[..., torch.Tensor])


def lower_is_better(function: _Function) -> _Function:
    """Mark a metric whose smaller values are the better ones."""
    function.lower_is_better = True  # type: ignore[attr-defined]
    return function


def accuracy(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Share of targets that the largest output names.

    Args:
        output: logits or probabilities, (B, C), (B, T, C), or torch's (B, C, T). Where both readings fit
            (T equals C), classes are taken to stand last. With targets of floating type of the same shape and a
            last size of 1 or none: binary logits, whose sign decides.
        target: class numbers, (B,) or (B, T); class shares of the output's shape; or zeros and ones.

    Returns:
        0-d tensor in [0, 1].
    """
    if output.shape == target.shape:
        if output.ndim == 1 or output.shape[-1] == 1:
            return _mean((output > 0) == (target > 0.5))
        return _mean(output.argmax(-1) == target.argmax(-1))
    if output.shape == (*target.shape, 1):
        return _mean((output[..., 0] > 0) == (target > 0.5))
    return _mean(_classes_last(output, target).argmax(-1) == target)


def top(k: int) -> Callable[[torch.Tensor, torch.Tensor], torch.Tensor]:
    """A metric: share of targets among the `k` largest outputs; shapes as in `accuracy` with class numbers."""
    count("k", k)

    def top_k(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        best = _classes_last(output, target).topk(k, dim=-1).indices
        return _mean((best == target.unsqueeze(-1)).any(-1))

    top_k.__name__ = top_k.__qualname__ = f"top_{k}"
    top_k.__doc__ = f"Share of targets among the {k} largest outputs."
    return top_k


@lower_is_better
def bits_per_symbol(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Mean of -log2 of the target's probability, from logits and class numbers; shapes as in `accuracy`."""
    logits = _classes_last(output, target)
    return torch.nn.functional.cross_entropy(logits.flatten(0, -2), target.flatten()) / math.log(2)


@lower_is_better
def mean_squared_error(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Mean of squared differences; shapes must agree, (B, D)."""
    return (output - _same_shape(output, target)).square().mean()


@lower_is_better
def mean_absolute_error(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Mean of absolute differences; shapes must agree, (B, D)."""
    return (output - _same_shape(output, target)).abs().mean()


def _mean(hits: torch.Tensor) -> torch.Tensor:
    return hits.to(torch.float32).mean()


def _classes_last(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    if output.shape[:-1] == target.shape:
        return output
    if output.ndim > 2 and (output.shape[0], *output.shape[2:]) == tuple(target.shape):
        return output.movedim(1, -1)
    shapes = f"output {tuple(output.shape)} and target {tuple(target.shape)}"
    raise ValueError(f"{shapes}: the output must have the target's shape and one dimension of classes besides")


def _same_shape(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    # Broadcasting (B, 1) against (B,) would silently average B x B differences.
    if output.shape != target.shape:
        raise ValueError(f"output {tuple(output.shape)} and target {tuple(target.shape)}: shapes must agree")
    return target
