"""Where a number first was not finite, asked in the moment before the step that would spread it over all weights."""

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from ravine.doctor.looking import Given, look_again


def witnesses(params: Sequence[nn.Parameter]) -> list[nn.Parameter]:
    """Small parameters near both ends of what an optimizer steps: a broken loss reaches the last, a broken backward pass the first."""
    found = [p for p in params if p.requires_grad and p.ndim < 2 and p.device.type == "cpu"]
    found = found or [p for p in params if p.requires_grad and p.device.type == "cpu"]
    return [*found[:1], *found[1:][-1:]]


def is_broken(params: Sequence[nn.Parameter]) -> bool:
    """Whether the gradient of any of them is not finite."""
    for p in params:
        grad = p.grad
        if grad is not None and not math.isfinite(grad.sum().item()):
            return True
    return False


def place_of_break(model: nn.Module, calls: Sequence[tuple[nn.Module, Given]]) -> str:
    """The first place that is not finite: a weight, the output of a module, the loss, or a gradient.

    Args:
        model: the user's own.
        calls: what modules of it were called with last.
    """
    named = dict(model.named_parameters())
    bad = next((name for name, p in named.items() if not _finite(p)), "")
    if bad:
        return f"the weights {bad}, changed by an earlier step"
    try:
        broken = look_again(model, calls).broken
    except Exception:  # the user's code was not made to be called twice; what gradients say remains
        broken = ""
    return broken or _from_gradients(named)


def _from_gradients(named: Mapping[str, nn.Parameter]) -> str:
    """A backward pass runs from the last layer to the first, and what it breaks stays broken."""
    have = [(name, p.grad) for name, p in named.items() if p.grad is not None]
    bad = [name for name, grad in have if not _finite(grad)]
    if not bad or len(bad) == len(have):
        return "the loss, from a finite output"
    return f"the gradient of {bad[-1]}, on the way back from the loss"


def _finite(tensor: Tensor) -> bool:
    return bool(torch.isfinite(tensor.detach()).all())
