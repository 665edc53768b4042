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
    from ravine.fleet.native import StepCounts, TensorsUpdate

PLAIN = (Tensor, torch.nn.Parameter, torch.nn.Buffer)
"""Types whose memory is what they say; others (DTensor, quantised weights) hold theirs elsewhere."""


def native_step(
    rule: Rule,
    scalars: Mapping[str, Any],
    params: Sequence[Tensor],
    grads: Sequence[Tensor],
    states: Sequence[State],
    *,
    scale: str = "",
) -> bool:
    """Take the step in place.

    Args:
        rule: of the step.
        scalars: of the rule.
        params: to change.
        grads: as many gradients.
        states: slots by symbol; float32 parameters may have slots in 8-bit codes.
        scale: appended to a symbol, the name of its scales among the states; where it is empty, there are no codes.

    Returns:
        Whether it could be taken; if not, nothing has changed.
    """
    if rule.granularity != "element" or not params:
        return False
    symbols, dtype = [slot.symbol for slot in rule.active_slots], params[0].dtype
    for p, state in zip(params, states, strict=True):
        if not is_plain(p) or not is_laid_out(p, state, symbols, scale):
            return False
    update = update_of(type(rule), rule.key[1], tuple(scalars), dtype)
    if update is None:
        return False
    alike = [g if _fits(g, p) else torch.empty_like(p).copy_(g) for p, g in zip(params, grads, strict=True)]
    scales = [{s: state[s + scale] for s in symbols if s + scale in state} for state in states] if scale else ()
    update.step(params, alike, states, scalars, scales)
    # Autograd must hear that values have changed under it, as it does of torch's own in-place steps.
    torch.autograd.graph.increment_version(params)
    return True


@functools.lru_cache(maxsize=64)
def update_of(kind: type[Rule], flags: tuple[str, ...], scalars: tuple[str, ...], dtype: torch.dtype) -> "TensorsUpdate | None":
    """Native code of an element rule, built at the first call; None where there is none.

    Args:
        kind: of the rule.
        flags: that are on.
        scalars: names of its scalars.
        dtype: of the parameters.
    """
    # Siblings do not import each other (ARCHITECTURE.md); decision 0013 says why this one line may.
    from ravine.fleet.native import TensorsUpdate, Unsupported

    try:
        return TensorsUpdate(kind(**{flag.name: flag.name in flags for flag in kind.flags}), scalars, dtype)
    except Unsupported:
        return None


def counts_of(counts: Sequence[Tensor]) -> "StepCounts":
    """Step counts of many parameters as one."""
    from ravine.fleet.native import StepCounts

    return StepCounts(counts)


def is_plain(t: Tensor) -> bool:
    """Whether a tensor's memory is the processor's own, with every element in it once."""
    return type(t) in PLAIN and t.device.type == "cpu" and (t.is_contiguous() or t.is_contiguous(memory_format=torch.channels_last))


def is_laid_out(p: Tensor, state: State, symbols: Sequence[str], scale: str) -> bool:
    """Whether a parameter's slots lie in memory as it does, those in codes included."""
    coded = 0
    for symbol in symbols:
        if scale and symbol + scale in state:
            coded += 1
        elif not _fits(state[symbol], p):
            return False
    return len(state) == len(symbols) + coded and (not coded or p.is_contiguous())


def _fits(t: Tensor, p: Tensor) -> bool:
    """Whether a tensor lies in memory as a parameter does."""
    return t.dtype is p.dtype and t.stride() == p.stride() and t.shape == p.shape and type(t) in PLAIN and t.device == p.device
