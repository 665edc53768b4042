"""State of one parameter under torch's keys: created when missing, and taken over from a state dict."""

import copy
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from ravine.base.errors import InputError
from ravine.optim import _storage, quantised
from ravine.optim._drivers import compute_dtype
from ravine.optim._storage import COMPENSATION, MASTER, SCALE, Storage
from ravine.rules._keeping import BLOCK
from ravine.rules._rule import Rule, Slot, State

STEP = "step"


PLAIN = Storage()


def prepare(state: dict[str, Any], param: Tensor, rule: Rule, hypers: Mapping[str, float], storage: Storage = PLAIN) -> None:
    """Create what `rule` needs and `state` lacks.

    A parameter whose slots are all missing starts at step 0, even if it was stepped before without them: momentum
    switched on late begins with its own first step. Slots without a step count come from torch's SGD, which keeps
    none; they stand for "not the first step".
    """
    slots = rule.active_slots
    if storage is PLAIN and STEP in state and all(slot.key in state and state[slot.key] is not None for slot in slots):
        return
    missing = [slot for slot in slots if state.get(slot.key) is None]
    if slots and len(missing) == len(slots):
        state[STEP] = step_tensor(0.0)
    elif state.get(STEP) is None:
        state[STEP] = step_tensor(1.0 if slots else 0.0)
    for slot in missing:
        state |= _kept(slot.key, _start(slot, param, hypers), storage.format_of(slot, param), param)
    if storage.weights == "master" and MASTER not in state and _storage.is_narrow(param):
        state[MASTER] = param.detach().to(compute_dtype(param.dtype))
    if storage.weights == "kahan" and COMPENSATION not in state and _storage.is_narrow(param):
        state[COMPENSATION] = torch.zeros_like(param, requires_grad=False)


def kept(state: Mapping[str, Any], rule: Rule) -> State:
    """What a step needs of a parameter's state, named as in `ravine.optim._storage`."""
    own = {slot.symbol: state[slot.key] for slot in rule.active_slots}
    if len(state) == 1 + len(own):  # nothing but a step count beside: what most steps find, and quickly
        return own
    scales = {slot.symbol + SCALE: state[slot.key + SCALE] for slot in rule.active_slots if slot.key + SCALE in state}
    return own | scales | {name: state[name] for name in (MASTER, COMPENSATION) if name in state}


def store(state: dict[str, Any], rule: Rule, values: State) -> None:
    """Put what a step left under torch's keys."""
    for slot in rule.active_slots:
        state |= {slot.key + end: values[slot.symbol + end] for end in ("", SCALE) if slot.symbol + end in values}
    state |= {name: values[name] for name in (MASTER, COMPENSATION) if name in values}


def load(saved: Mapping[str, Any], param: Tensor, rule: type[Rule], *, where: str, storage: Storage = PLAIN) -> dict[str, Any]:
    """A copy of one parameter's saved state.

    Slots take the format of `storage`, float32 at least by default (torch would cast them to the parameter's dtype),
    and keep their bits where they have it already. Step counts become 0-d float32 tensors on the CPU, and a slot saved
    as None counts as missing.

    Raises:
        InputError: a slot is missing, its shape is not the parameter's, or its 8-bit codes are in blocks of another size.
    """
    slots = {slot.key: slot for slot in rule.slots if not slot.of_lane}
    state: dict[str, Any] = {}
    for key, value in saved.items():
        if key == STEP:
            state[key] = step_tensor(float(value))
        elif key.endswith(SCALE) and key.removesuffix(SCALE) in slots:
            continue  # read with its codes
        elif key in (MASTER, COMPENSATION):
            state |= {key: value.detach().to(param.device, copy=True)} if storage.weights == _WEIGHTS[key] else {}
        elif key not in slots:
            state[key] = value.to(param.device, copy=True) if isinstance(value, Tensor) else copy.deepcopy(value)
        elif value is not None:
            state |= _slot(slots[key], saved, param, where, storage)
    missing = [key for key, slot in slots.items() if not (slot.when or slot.shape) and key not in state and STEP in state]
    if missing:
        given = f"the state of {where} in the state dict has no {missing[0]!r}, which {rule.name!r} keeps"
        raise InputError(f"{given}: another kind of optimizer saved it. Load it into that kind.", given=sorted(saved))
    return state


def step_tensor(value: float) -> Tensor:
    """A step count as torch keeps it."""
    return torch.tensor(value, dtype=torch.float32)


def _start(slot: Slot, param: Tensor, hypers: Mapping[str, float]) -> Tensor:
    """A slot before the first step."""
    wide, fill = compute_dtype(param.dtype), hypers[slot.fill] if slot.fill else 0.0
    if slot.copies:
        return param.detach().to(wide, copy=True)
    if slot.shape is None:
        return torch.full_like(param, fill, dtype=wide, requires_grad=False)
    return torch.full(slot.shape_for(param.shape), fill, dtype=wide, device=param.device)


def _slot(slot: Slot, saved: Mapping[str, Any], param: Tensor, where: str, storage: Storage) -> dict[str, Tensor]:
    key, shape = slot.key, slot.shape_for(param.shape)
    value, scale = saved[key], saved.get(key + SCALE)
    if not isinstance(value, Tensor) or tuple(value.shape) != shape:
        found = tuple(value.shape) if isinstance(value, Tensor) else repr(value)
        allowed = f"must be a tensor of shape {shape}"
        raise InputError(
            f"{key} of {where} in the state dict is {found}: {allowed}. Load it into the model it was saved with.", given=found
        )
    value = value.detach().to(param.device, copy=True)
    kind = storage.format_of(slot, param)
    if value.is_floating_point():
        return {key: value} if value.dtype == kind else _kept(key, value.to(compute_dtype(param.dtype)), kind, param)
    if scale is None or scale.numel() * BLOCK != value.numel():
        size = "of unknown size" if scale is None else f"of {value.numel() / max(scale.numel(), 1):g}"
        remedy = f"Load it into what saved it, and save it there with state_dtype=None. Blocks here have {BLOCK}"
        raise InputError(f"{key} of {where} in the state dict has {value.dtype} codes in blocks {size}. {remedy}.", given=value.dtype)
    scale = scale.detach().to(param.device, torch.float32, copy=True)
    # Scales that were read whole, for parts that are other than those that were saved.
    is_apart = _storage.is_sharded(value) and not _storage.is_sharded(scale)
    codes, start = _storage.local(value), _storage.offset(param)
    if value.dtype == kind:
        if is_apart:
            part = scale[start // BLOCK :][: codes.numel() // BLOCK].clone()
            scale = _storage.distributed(part, param)
        return {key: value, key + SCALE: scale}
    wide = quantised.decode_part(codes, scale, start) if is_apart else quantised.decode(codes, _storage.local(scale))
    wide = wide.to(compute_dtype(param.dtype))
    return _kept(key, _storage.distributed(wide, param), kind, param)


def _kept(key: str, wide: Tensor, kind: torch.dtype, param: Tensor) -> dict[str, Tensor]:
    """A slot under its key in the format `kind`, with its scales where that has some."""
    if wide.dtype == kind:
        return {key: wide}
    values, scale = _storage.keep(_storage.local(wide), kind)
    parts = {key: values} if scale is None else {key: values, key + SCALE: scale}
    return {name: _storage.distributed(part, param) for name, part in parts.items()}


_WEIGHTS = {MASTER: "master", COMPENSATION: "kahan"}
"""The way of keeping weights to which a part of the state belongs."""
