"""Whether a model can be stacked, found out by stacking two copies of it and comparing with ordinary autograd."""

import copy
import pickle
import random
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.utils import _pytree as pytree

from ravine.fleet.gradients import single_gradient, stacked_gradient, stacked_metrics
from ravine.fleet.memory import Footprint, measure
from ravine.fleet.stacking import split_state
from ravine.tasks._randomness import isolated

TOLERANCE = {torch.float64: 1e-8}
"""Largest difference, relative to the largest gradient, that counts as rounding; 1e-3 in lower precisions."""


@dataclass(frozen=True, slots=True)
class Support:
    """What the engine may do with a model.

    Attributes:
        stackable: whether copies can run as one.
        reason: why not, as half a sentence; empty when stackable.
        draws_random: whether a training forward draws random numbers, from torch or otherwise.
        footprint: bytes of one lane.
    """

    stackable: bool
    reason: str
    draws_random: bool
    footprint: Footprint


def probe(objective: nn.Module, batch: Any, other: nn.Module | None = None) -> Support:
    """Run one batch through the model in every way the fleet would.

    The caller's random generators, the module and the batch are left as they were.

    Args:
        objective: freshly built, in training mode.
        batch: one training batch.
        other: the same model built under another seed, to find out whether weights and buffers are all that differs.
    """
    module = copy.deepcopy(objective).train()
    torch_draws, other_draws = _draws(module, batch)
    with isolated(0):
        footprint = measure(module, batch)
    if other_draws:
        reason = "its forward draws from Python's or numpy's random stream"
    elif other is not None and not _same_function(objective, other, batch):
        reason = "its forward uses a value that differs by seed and is neither parameter nor buffer (register_buffer makes it one)"
    else:
        reason = _obstacle(objective, batch)
    return Support(not reason, reason, torch_draws or other_draws, footprint)


def _same_function(objective: nn.Module, other: nn.Module, batch: Any) -> bool:
    """Whether two seeds' modules give one loss from one state: a stack runs every lane through one module's code."""
    state = {name: tensor for part in split_state(objective) for name, tensor in part.items()}
    losses = []
    for module in (objective, other):
        with isolated(0), torch.no_grad():
            own = copy.deepcopy(module).train()
            losses.append(functional_call(own, {name: tensor.clone() for name, tensor in state.items()}, (batch,)))
    return torch.equal(losses[0], losses[1]) or not bool(torch.isfinite(losses[0]).all())


def _draws(module: nn.Module, batch: Any) -> tuple[bool, bool]:
    """Whether a forward moves torch's random streams, and whether it moves Python's or numpy's."""
    with isolated(0):
        before = _streams(batch)
        with torch.no_grad():
            copy.deepcopy(module)(batch)
        after = _streams(batch)
    return any(not torch.equal(old, new) for old, new in zip(before[0], after[0], strict=True)), before[1] != after[1]


def _streams(batch: Any) -> tuple[list[Tensor], bytes]:
    devices = {leaf.device for leaf in pytree.tree_leaves(batch)}
    states = [torch.get_rng_state(), *(torch.cuda.get_rng_state(device) for device in devices if device.type == "cuda")]
    return states, pickle.dumps((random.getstate(), np.random.get_state()))  # noqa: NPY002 - what a user's forward draws from


def _obstacle(objective: nn.Module, batch: Any) -> str:
    single = copy.deepcopy(objective).train()
    named = {name: p for name, p in single.named_parameters() if p.requires_grad}
    trainable, fixed = split_state(objective)
    parameters = {name: torch.stack([p, p]) for name, p in trainable.items()}
    buffers = {name: torch.stack([b, b]) for name, b in fixed.items()}
    with isolated(0):
        expected, loss = single_gradient(single, list(named.values()), batch)
    try:
        with isolated(0), torch.no_grad(), warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            gradients, loss_L, after = stacked_gradient(copy.deepcopy(objective).train(), shared_batch=True)(parameters, buffers, batch)
            stacked_metrics(copy.deepcopy(objective).eval())(parameters, after, batch)
    except Exception as error:  # anything that a user's module may raise under vmap: the loop takes over and says why
        return _explain(error)
    slow = next((str(warning.message) for warning in caught if "batching rule" in str(warning.message)), "")
    if slow:
        return f"torch has no batching rule for {slow.partition('batching rule for ')[2].partition('. ')[0]}"
    # One scale for all gradients: those that are zero but for rounding (a bias before BatchNorm) have none of their own.
    scale = max((float(g.abs().max()) for g in expected if g.numel()), default=0.0)
    same = _close(loss_L, loss, 0.0) and all(_close(gradients[name], g, scale) for name, g in zip(named, expected, strict=True))
    if same and all(_close(after[name], buffer, 0.0) for name, buffer in single.named_buffers()):
        return ""
    return "stacked copies gave other numbers than one copy"


def _close(stack: Tensor, reference: Tensor, scale: float) -> bool:
    if not reference.numel():
        return True
    if not reference.is_floating_point():
        return bool((stack == reference).all())
    scale = max(scale, float(reference.detach().abs().max()))
    if not scale < float("inf"):
        return True
    difference = float((stack.detach() - reference.detach()).abs().max())
    return difference <= TOLERANCE.get(reference.dtype, 1e-3) * max(scale, 1e-6)


def _explain(error: Exception) -> str:
    text = str(error)
    if ".item()" in text or "data-dependent control flow" in text:
        return "its forward reads a value out of a tensor (.item() or an if on data)"
    line = next((part.strip() for part in text.splitlines() if part.strip()), "")
    return f"{type(error).__name__} under vmap: {line[:160]}"
