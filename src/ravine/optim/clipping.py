"""Clipping for plain loops: torch's calls, except that a norm which is not finite leaves the gradients as they are."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor

from ravine.base._checks import number
from ravine.base.errors import InputError
from ravine.rules._units import unit_norms

Parameters = Tensor | Iterable[Tensor]
"""One parameter, or several."""


@torch.no_grad()
def clip_grad_norm_(
    parameters: Parameters, max_norm: float, norm_type: float = 2.0, error_if_nonfinite: bool = False, foreach: bool | None = None
) -> Tensor:
    """Scale all gradients so that their norm, taken together, is at most `max_norm`.

    Where the norm is infinite or NaN, no gradient changes, while torch's function makes every one of them NaN. The step
    had better be left out then:

        norm = clip_grad_norm_(model.parameters(), 1.0)
        if norm.isfinite():
            optimizer.step()

    The wrapper "clip" does this inside the optimizer. Norms are accumulated in at least float32, so that float16 does
    not overflow. Gradients that are DTensors give the norm of the whole, not of this process's shard. With a GradScaler, call
    `scaler.unscale_(optimizer)` first, or the norm is that of scaled gradients.

    Args:
        parameters: parameters, of which those without a gradient are passed by.
        max_norm: largest norm.
        norm_type: p of the p-norm; may be infinity.
        error_if_nonfinite: raise where the norm is infinite or NaN. The host waits for the device then.
        foreach: scale many gradients by one call; where possible if None.

    Returns:
        The norm before, 0-d, in at least float32.

    Raises:
        InputError: `max_norm` or `norm_type` is out of range, or, if asked for, the norm is not finite.

    Example:
        >>> import torch
        >>> weight = torch.nn.Parameter(torch.zeros(2))
        >>> weight.grad = torch.tensor([3.0, 4.0])
        >>> clip_grad_norm_(weight, 1.0)
        tensor(5.)
        >>> weight.grad
        tensor([0.6000, 0.8000])
    """
    bound, order = number("max_norm", max_norm, at_least=0.0), number("norm_type", norm_type, above=0.0)
    grads = _gradients(parameters)
    total = _total_norm(grads, order)
    if error_if_nonfinite and not bool(total.isfinite()):
        raise InputError(f"the norm of the gradients is {float(total)}: must be finite. Leave the step out, or lower the learning rate.")
    # At most as many as the norm allows; where it is not finite a factor of 1, and no look at it from the host.
    factor = torch.where(total.isfinite(), (bound / (total + 1e-6)).clamp(max=1.0), 1.0)
    _scale(grads, factor, use_foreach=foreach is not False)
    return total


@torch.no_grad()
def clip_grad_value_(parameters: Parameters, clip_value: float, foreach: bool | None = None) -> None:
    """Cut every element of every gradient off at `-clip_value` and `clip_value`; NaN stays NaN.

    Args:
        parameters: parameters, of which those without a gradient are passed by.
        clip_value: largest size of an element, at least 0.
        foreach: change many gradients by one call; where possible if None.
    """
    bound = number("clip_value", clip_value, at_least=0.0)
    for group in _alike(_gradients(parameters)):
        if foreach is False or _is_distributed(group[0]):
            for grad in group:
                grad.clamp_(-bound, bound)
        else:
            torch._foreach_clamp_min_(group, -bound)
            torch._foreach_clamp_max_(group, bound)


@torch.no_grad()
def clip_grad_agc_(parameters: Parameters, clip_factor: float = 0.01, eps: float = 1e-3) -> Tensor:
    """Scale each unit's gradient so that its norm is at most `clip_factor` times that of its weights (Brock et al., 2021).

    A unit is the weights of one output: the first dimension of a tensor, or the whole of a vector. The paper leaves the
    output layer out: do not pass its parameters. A unit whose gradient is infinite or NaN stays as it is; see
    `clip_grad_norm_` for leaving out such a step.

    Args:
        parameters: parameters, of which those without a gradient are passed by.
        clip_factor: largest ratio of the two norms.
        eps: least norm that a unit's weights count for.

    Returns:
        The norm of all gradients before, 0-d, in at least float32.
    """
    most, least = number("clip_factor", clip_factor, at_least=0.0), number("eps", eps, at_least=0.0)
    chosen = [param for param in _listed(parameters) if param.grad is not None]
    total = _total_norm([param.grad for param in chosen if param.grad is not None], 2.0)
    for param in chosen:
        grad = param.grad
        assert grad is not None
        wide = _wide(grad)
        norms = unit_norms(grad.to(wide))
        factor = (most * unit_norms(param.to(wide)).clamp(min=least) / norms.clamp(min=1e-6)).clamp(max=1.0)
        grad.copy_(grad.to(wide) * torch.where(norms.isfinite(), factor, 1.0))
    return total


def _listed(parameters: Parameters) -> list[Tensor]:
    return [parameters] if isinstance(parameters, Tensor) else list(parameters)


def _gradients(parameters: Parameters) -> list[Tensor]:
    return [param.grad for param in _listed(parameters) if param.grad is not None]


def _wide(tensor: Tensor) -> torch.dtype:
    return torch.promote_types(tensor.dtype, torch.float32)


def _is_distributed(tensor: Tensor) -> bool:
    # DTensor by what it can do: importing its module takes long, and most processes never need it.
    return hasattr(tensor, "full_tensor")


def _alike(grads: Sequence[Tensor]) -> list[list[Tensor]]:
    """Gradients of one dtype and device, and of one mesh where they are distributed."""
    groups: defaultdict[Any, list[Tensor]] = defaultdict(list)
    for grad in grads:
        groups[grad.dtype, grad.device, getattr(grad, "device_mesh", None)].append(grad)
    return list(groups.values())


def _total_norm(grads: Sequence[Tensor], order: float) -> Tensor:
    """The norm of all gradients together, on the first one's device."""
    if not grads:
        return torch.zeros(())
    norms = list[Tensor]()
    for group in _alike(grads):
        own = torch.stack([torch.linalg.vector_norm(grad, order, dtype=_wide(grad)) for grad in group])
        norm = torch.linalg.vector_norm(own, order)
        norms.append(norm.full_tensor() if _is_distributed(norm) else norm)
    return torch.linalg.vector_norm(torch.stack([norm.to(norms[0].device) for norm in norms]), order) if len(norms) > 1 else norms[0]


def _scale(grads: Sequence[Tensor], factor: Tensor, *, use_foreach: bool) -> None:
    for group in _alike(grads):
        own = factor.to(group[0].device)
        if use_foreach and not _is_distributed(group[0]):
            torch._foreach_mul_(group, own)
        else:
            for grad in group:
                grad.mul_(own)
