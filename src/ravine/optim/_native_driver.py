"""The native driver: one call of code generated from the rule's text for all tensors of a group, in place.

It serves element rules on dense float32 and float64 tensors of the CPU where there is a C++ compiler. The code is
built at first use, in about a second, and kept on disk; it moves each byte between memory and processor once.
"""

import functools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ravine.rules._rule import Rule, State

if TYPE_CHECKING:
    from ravine.fleet.native import TensorsUpdate

PLAIN = (Tensor, torch.nn.Parameter, torch.nn.Buffer)
"""Types whose memory is what they say; others (DTensor, quantised weights) hold theirs elsewhere."""


def native_step(rule: Rule, scalars: Mapping[str, Any], params: Sequence[Tensor], grads: Sequence[Tensor], states: Sequence[State]) -> bool:
    """Take the step in place.

    Returns:
        Whether it could be taken; if not, nothing has changed.
    """
    slots = ((t, p) for p, state in zip(params, states, strict=True) for t in state.values())
    if not all(_is_plain(p) for p in params) or not all(_fits(t, p) for t, p in slots):
        return False
    update = _update(type(rule), rule.key[1], tuple(scalars), params[0].dtype)
    if update is None:
        return False
    alike = [g if _fits(g, p) else torch.empty_like(p).copy_(g) for p, g in zip(params, grads, strict=True)]
    update.step(params, alike, states, scalars)
    # Autograd must hear that values have changed under it, as it does of torch's own in-place steps.
    torch.autograd.graph.increment_version(params)
    return True


@functools.lru_cache(maxsize=64)
def _update(kind: type[Rule], flags: tuple[str, ...], scalars: tuple[str, ...], dtype: torch.dtype) -> "TensorsUpdate | None":
    # Siblings do not import each other (ARCHITECTURE.md); decision 0013 says why this one line may.
    from ravine.fleet.native import TensorsUpdate, Unsupported

    try:
        return TensorsUpdate(kind(**{flag.name: flag.name in flags for flag in kind.flags}), scalars, dtype)
    except Unsupported:
        return None


def _is_plain(t: Tensor) -> bool:
    is_dense = t.is_contiguous() or t.is_contiguous(memory_format=torch.channels_last)
    return type(t) in PLAIN and t.device.type == "cpu" and is_dense


def _fits(t: Tensor, p: Tensor) -> bool:
    """Whether a tensor lies in memory as a parameter does."""
    return type(t) in PLAIN and t.dtype == p.dtype and t.device == p.device and t.shape == p.shape and t.stride() == p.stride()
