"""When another way of running a model agrees with the plain one."""

import torch
from torch import Tensor, nn

TOLERANCE = {torch.float32: 1e-3, torch.float64: 1e-8}
"""Largest difference from torch, relative to the largest gradient, that counts as rounding."""

UPDATE_TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-12}
"""The same for an update, where no sums of many terms are taken."""


def shrink(objective: nn.Module) -> None:
    """Change every parameter: a function that kept weights from its trace must not pass a comparison with the same weights."""
    with torch.no_grad():
        for parameter in objective.parameters():
            if parameter.is_floating_point():
                parameter.mul_(0.9)


def is_close(value: Tensor, reference: Tensor, scale: float, tolerance: float) -> bool:
    """Whether two tensors differ by no more than `tolerance` of the largest number, or of `scale` if that is larger."""
    value, reference = value.detach(), reference.detach()
    if not reference.numel():
        return True
    if not reference.is_floating_point():
        return bool((value == reference).all())
    finite = reference.isfinite()
    # A loss that is not finite by itself is no fault of the other way, as long as it is not finite there either.
    if not torch.equal(value.isfinite(), finite):
        return False
    if not bool(finite.any()):
        return True
    scale = max(scale, float(reference[finite].abs().max()), 1e-6)
    return float((value[finite] - reference[finite]).abs().max()) <= tolerance * scale
