"""The norm of all gradients together, and gradients cut to one: `ravine.optim.clip_grad_norm_` for a loop that reads the norm anyway.

On the CPU a small model's step shows every call of torch. The loop wants the norm as a number, so that what follows from it
is worked out as numbers too, rounded as float32 tensors round, and nothing is multiplied by one. The bits are the same.
"""

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from ravine.optim import clip_grad_norm_

_LARGEST = torch.finfo(torch.float32).max
_SMALL = float(np.float32(1e-6))
"""What the norm is raised by before it divides, in torch's function as in ours."""


def clip(parameters: Sequence[Tensor], bound: float) -> float:
    """Scale all gradients so that their norm is at most `bound`; where it is not finite, none changes.

    Args:
        parameters: those without a gradient are passed by.
        bound: largest norm, above 0.

    Returns:
        The norm before.
    """
    gradients = [p.grad for p in parameters if p.grad is not None]
    if not _is_plain(gradients):
        return float(clip_grad_norm_(parameters, bound))
    norm = _norm(gradients)
    factor = _factor(norm, bound)
    if factor < 1.0:
        with torch.no_grad():
            torch._foreach_mul_(gradients, factor)
    return norm


def total_norm(gradients: Sequence[Tensor]) -> float:
    """The norm of all gradients together."""
    return _norm(gradients) if _is_plain(gradients) else float(torch.nn.utils.get_total_norm(gradients))


def _is_plain(gradients: Sequence[Tensor]) -> bool:
    """Whether there are gradients, all of them dense float32 tensors in the processor's own memory."""
    strided, single = torch.strided, torch.float32
    return bool(gradients) and all(type(g) is Tensor and g.is_cpu and g.dtype is single and g.layout is strided for g in gradients)


@torch.no_grad()
def _norm(gradients: Sequence[Tensor]) -> float:
    norms = torch._foreach_norm(list(gradients))
    found: float = torch.linalg.vector_norm(torch.stack(norms)).item()
    return found


def _factor(norm: float, bound: float) -> float:
    """`(bound / (norm + 1e-6)).clamp(max=1)` of a float32 tensor, which divides by multiplying with the reciprocal.

    A double holds sum, quotient and product of two floats so exactly that rounding them once more to float32 gives what
    float32 arithmetic gives.
    """
    if not math.isfinite(norm):
        return 1.0
    single = float(np.float32(min(bound, _LARGEST)))
    reciprocal = float(np.float32(1.0 / float(np.float32(norm + _SMALL))))
    factor = single * reciprocal
    return float(np.float32(factor)) if factor < 1.0 else 1.0
