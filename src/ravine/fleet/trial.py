"""Two copies of a model stacked, against each copy alone by ordinary autograd."""

import re
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from ravine.fleet.agreement import is_close
from ravine.fleet.data import duplicate
from ravine.fleet.gradients import single_gradient, stacked_gradient, stacked_metrics
from ravine.fleet.stacking import Stack, split_state
from ravine.tasks._randomness import isolated

TOLERANCE = {torch.float64: 1e-8, torch.float32: 1e-3, torch.float16: 2e-2, torch.bfloat16: 6e-2}
"""Largest difference, relative to the largest gradient, that counts as rounding in a model that computes in a dtype."""

Copy = Callable[[], nn.Module]
"""Gives a fresh copy of the model under trial."""


@dataclass(frozen=True, slots=True)
class Single:
    """One step's worth of one copy alone.

    Attributes:
        gradients: by name; None where the loss does not use the parameter.
        loss: the training loss.
        buffers: by name, after the forward.
    """

    gradients: dict[str, Tensor | None]
    loss: Tensor
    buffers: dict[str, Tensor]

    @property
    def unused(self) -> frozenset[str]:
        """Parameters without a gradient."""
        return frozenset(name for name, g in self.gradients.items() if g is None)


OTHER_NUMBERS = "stacked copies gave other numbers than one copy"
"""The obstacle whose cause nobody knows."""


def alone(copy: Copy, batch: Any, seed: int, *, accumulate: bool = False) -> Single:
    """One copy's gradients, loss and buffers, its random streams seeded with `seed`."""
    module = copy().train()
    named = {name: p for name, p in module.named_parameters() if p.requires_grad}
    with isolated(seed):
        gradients, loss = single_gradient(module, list(named.values()), duplicate(batch), accumulate=accumulate)
    return Single(dict(zip(named, gradients, strict=True)), loss, {name: b.detach() for name, b in module.named_buffers()})


def obstacle(copy: Copy, batches: Sequence[Any], seeds: Sequence[int], coarsest: torch.dtype = torch.float64) -> str:
    """Why copies cannot be stacked when all read one batch, as half a sentence; empty if they can.

    Args:
        copy: gives a fresh copy.
        batches: different batches of one shape.
        seeds: of the random streams; one is enough for a model that draws nothing.
        coarsest: least precise dtype in which the model computes.
    """
    unused = None
    for seed in seeds:
        for batch in batches:
            single = alone(copy, batch, seed)
            if unused is not None and single.unused != unused:
                names = ", ".join(sorted(single.unused ^ unused)[:2])
                return f"its forward leaves out other parameters from step to step ({names})"
            unused = single.unused
            reason = _compare(copy, batch, seed, [single, single], coarsest)
            if reason:
                return reason
    return _evaluation(copy, batches[0])


def is_mixable(copy: Copy, batches: Sequence[Any], coarsest: torch.dtype = torch.float64) -> bool:
    """Whether stacked copies may read a batch each: not if Python code looks at the batch's values."""
    if len({tuple(leaf.shape for leaf in pytree.tree_leaves(batch)) for batch in batches}) > 1:
        return False
    batch = pytree.tree_map(lambda *leaves: torch.stack(leaves), *batches)
    return not _compare(copy, batch, 0, [alone(copy, each, 0) for each in batches], coarsest, shared=False)


def _compare(copy: Copy, batch: Any, seed: int, singles: Sequence[Single], coarsest: torch.dtype, *, shared: bool = True) -> str:
    parameters, buffers = _stacks(copy())
    try:
        with isolated(seed), torch.no_grad(), warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            gradients, loss_L, after = stacked_gradient(copy().train(), shared_batch=shared)(parameters, buffers, duplicate(batch))
    except Exception as error:  # anything that a user's module may raise under vmap: the loop takes over and says why
        return _explain(error)
    slow = _slow(caught)
    if slow:
        return slow
    for lane, single in enumerate(singles):
        # One scale for all gradients: those that are zero but for rounding (a bias before BatchNorm) have none of their own.
        used = {name: g for name, g in single.gradients.items() if g is not None}
        close = partial(_close, coarsest=coarsest)
        scale = max((float(g.abs().nan_to_num().max()) for g in used.values() if g.numel()), default=0.0)
        same = close(loss_L[lane], single.loss, 0.0) and all(close(gradients[name][lane], g, scale) for name, g in used.items())
        if not (same and all(close(after[name][lane], buffer, 0.0) for name, buffer in single.buffers.items())):
            return OTHER_NUMBERS
    return ""


def _evaluation(copy: Copy, batch: Any) -> str:
    try:
        with isolated(0), torch.no_grad(), warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            stacked_metrics(copy().eval())(*_stacks(copy()), duplicate(batch))
    except Exception as error:
        return _explain(error)
    return _slow(caught)


def _stacks(module: nn.Module) -> tuple[Stack, Stack]:
    trainable, fixed = split_state(module)
    pair = [{name: torch.stack([tensor, tensor]) for name, tensor in part.items()} for part in (trainable, fixed)]
    return pair[0], pair[1]


def _close(value: Tensor, reference: Tensor, scale: float, coarsest: torch.dtype) -> bool:
    return is_close(value, reference, scale, max(TOLERANCE.get(dtype, 1e-3) for dtype in (reference.dtype, coarsest)))


def _explain(error: Exception) -> str:
    text = str(error)
    if ".item()" in text or "data-dependent control flow" in text:
        return "its forward reads a value out of a tensor (.item() or an if on data)"
    if "requires_grad_()" in text or "does not require grad" in text:
        return "its step differentiates by torch.autograd.grad (torch.func.grad can be stacked)"
    if "dynamic shape" in text:
        return f"shapes in its forward depend on values ({_operator(text) or 'a boolean mask'})"
    if "setup_context" in text or "generate_vmap_rule" in text:
        return "its autograd.Function cannot be stacked (it can with setup_context() and generate_vmap_rule = True, or a vmap() of its own)"
    if "saved tensor hooks" in text:
        return "it saves activations through hooks, as checkpointing does, which torch cannot stack"
    if _operator(text) and ("not implemented for" in text or "not yet support" in text):
        return _ruleless(text)
    line = next((part.strip() for part in text.splitlines() if part.strip()), "")
    return f"{type(error).__name__} under vmap: {line[:160]}"


def _slow(caught: Sequence[warnings.WarningMessage]) -> str:
    return next((_ruleless(str(warning.message)) for warning in caught if "batching rule" in str(warning.message)), "")


def _ruleless(text: str) -> str:
    return f"torch has no batching rule for {_operator(text)}"


def _operator(text: str) -> str:
    found = re.search(r"aten::\w+(\.\w+)?", text)
    return found.group() if found else ""
