"""The loss of a model that ignores its input: what a network must beat to have learnt anything."""

import math
from typing import Any

import torch
from torch import nn
from torch.nn import functional

_CLASSES = (nn.CrossEntropyLoss, nn.NLLLoss)
_SQUARES = (nn.MSELoss,)
_BINARY = (nn.BCEWithLogitsLoss, nn.BCELoss)


def baseline_loss(loss: Any, target: Any) -> float | None:
    """The smallest loss that a constant output reaches on `target`.

        cross entropy   H = -sum_k p_k ln p_k               p_k the share of class k
        mean square     the variance of every output, averaged over outputs
        binary          H = -p ln p - (1 - p) ln(1 - p)     p the share of ones, averaged over outputs

    Args:
        loss: a function of `torch.nn.functional`, a module of `torch.nn` with its default settings, or a function with the
            attribute `is_cross_entropy = True`.
        target: the targets of the training split.

    Returns:
        the loss in nats or squared target units; None where it is not known, e.g. for the user's own function.
    """
    if not isinstance(target, torch.Tensor) or not _has_default_settings(loss):
        return None
    is_own = getattr(loss, "is_cross_entropy", False)
    integer = not target.is_floating_point() and not target.is_complex()
    if integer and (isinstance(loss, _CLASSES) or loss in (functional.cross_entropy, functional.nll_loss) or is_own):
        return _class_entropy(target)
    if not target.is_floating_point():
        return None
    if isinstance(loss, _SQUARES) or loss is functional.mse_loss:
        return float(target.double().var(dim=0, correction=0).mean())
    if isinstance(loss, _BINARY) or loss in (functional.binary_cross_entropy_with_logits, functional.binary_cross_entropy):
        return _binary_entropy(target)
    return None


def _has_default_settings(loss: Any) -> bool:
    if not isinstance(loss, nn.Module):
        return True
    plain = {"reduction": "mean", "label_smoothing": 0.0, "weight": None, "pos_weight": None, "ignore_index": -100}
    return all(getattr(loss, name, value) == value for name, value in plain.items() if getattr(loss, name, None) is not None)


def _class_entropy(target: torch.Tensor) -> float | None:
    # -100 is the default ignore_index of torch's losses.
    counts = torch.unique(target[target != -100], return_counts=True)[1].double()
    if not len(counts):
        return None
    shares = counts / counts.sum()
    return float(-(shares * shares.log()).sum().clamp(max=0.0)) if len(counts) > 1 else 0.0


def _binary_entropy(target: torch.Tensor) -> float:
    shares = target.double().mean(dim=0).flatten().tolist()
    return math.fsum(-(p * math.log(p) + (1 - p) * math.log(1 - p)) if 0 < p < 1 else 0.0 for p in shares) / len(shares)
