"""State of one parameter under torch's keys: created when missing, and taken over from a state dict."""

import copy
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from ravine.base.errors import InputError
from ravine.optim._drivers import compute_dtype
from ravine.rules._rule import Rule

STEP = "step"


def prepare(state: dict[str, Any], param: Tensor, rule: Rule, hypers: Mapping[str, float]) -> None:
    """Create what `rule` needs and `state` lacks.

    A parameter whose slots are all missing starts at step 0, even if it was stepped before without them: momentum
    switched on late begins with its own first step. Slots without a step count come from torch's SGD, which keeps
    none; they stand for "not the first step".
    """
    slots = rule.active_slots
    missing = [slot for slot in slots if state.get(slot.key) is None]
    if slots and len(missing) == len(slots):
        state[STEP] = step_tensor(0.0)
    elif state.get(STEP) is None:
        state[STEP] = step_tensor(1.0 if slots else 0.0)
    for slot in missing:
        fill = hypers[slot.fill] if slot.fill else 0.0
        state[slot.key] = torch.full_like(param, fill, dtype=compute_dtype(param.dtype), requires_grad=False)


def load(saved: Mapping[str, Any], param: Tensor, rule: type[Rule], *, where: str) -> dict[str, Any]:
    """A copy of one parameter's saved state.

    Slots keep at least float32 (torch would cast them to the parameter's dtype), step counts become 0-d float32
    tensors on the CPU, and a slot saved as None counts as missing.

    Raises:
        InputError: a slot's shape is not the parameter's.
    """
    slots = {slot.key for slot in rule.slots}
    state: dict[str, Any] = {}
    for key, value in saved.items():
        if key == STEP:
            state[key] = step_tensor(float(value))
        elif key not in slots:
            state[key] = value.to(param.device, copy=True) if isinstance(value, Tensor) else copy.deepcopy(value)
        elif value is not None:
            state[key] = _slot(key, value, param, where)
    return state


def step_tensor(value: float) -> Tensor:
    """A step count as torch keeps it."""
    return torch.tensor(value, dtype=torch.float32)


def _slot(key: str, value: Any, param: Tensor, where: str) -> Tensor:
    if not isinstance(value, Tensor) or value.shape != param.shape:
        found = tuple(value.shape) if isinstance(value, Tensor) else repr(value)
        allowed = f"must be a tensor of shape {tuple(param.shape)}"
        raise InputError(
            f"{key} of {where} in the state dict is {found}: {allowed}. Load it into the model it was saved with.", given=found
        )
    return value.detach().to(param.device, compute_dtype(param.dtype), copy=True)
