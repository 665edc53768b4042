"""A native step of parameters that stand where they stood: all that is looked up again is whether they do.

With a hundred small tensors, what a step must look up costs more than what it computes. A group whose parameters, state
and settings are the same objects at the same places as at the step before skips that; anything else is a step as ever.
"""

import math
from collections.abc import Iterable, Mapping
from operator import is_
from typing import TYPE_CHECKING, Any, final

import torch
from torch import Tensor

from ravine.optim import _native_driver, _settings, _state, _storage
from ravine.optim._storage import SCALE, Storage
from ravine.rules._rule import Rule
from ravine.rules._step import Symbols

if TYPE_CHECKING:
    from ravine.fleet.native import TensorsUpdate

PATIENCE = 2
"""Groups that twice in a row could not be bound are not tried again: they hold what has no native code."""


@final
class Footing:
    """Parameters and their state as they were found, and whether they are so still. It holds on to the state.

    Args:
        params: all of one dtype and contiguous.
        states: their entries in the optimizer's state, all with the same keys.
        keys: of the state, the step count first; those that are not there are passed over.

    Attributes:
        counts: the step counts.
    """

    def __init__(self, params: list[Tensor], states: list[dict[str, Any]], keys: Iterable[str]) -> None:
        self._params, self._states, self._dtype = params, states, params[0].dtype
        self._parts = [(key, [state[key] for state in states]) for key in keys if key in states[0]]
        self._fixed = [*params, *(tensor for _, tensors in self._parts for tensor in tensors)]
        self._places = list(map(Tensor.data_ptr, self._fixed))
        self.counts: list[Tensor] = self._parts[0][1]

    def gradients(self, group: Mapping[str, Any], state: Mapping[Tensor, dict[str, Any]]) -> list[Any] | None:
        """The gradients of the next step, if everything stands where it stood and they lie as the parameters do.

        Args:
            group: settings and parameters as they are now.
            state: of the optimizer.
        """
        params, dtype = [p for p in group["params"] if p.grad is not None], self._dtype
        is_same = len(params) == len(self._params) and all(map(is_, params, self._params))
        if not is_same or not all(map(is_, map(state.get, params), self._states)):
            return None
        if not all(all(map(is_, [own.get(key) for own in self._states], tensors)) for key, tensors in self._parts):
            return None
        grads: list[Any] = [p.grad for p in params]
        if not all(g.dtype is dtype and type(g) is Tensor and g.layout is torch.strided and g.is_contiguous() for g in grads):
            return None
        if list(map(Tensor.data_ptr, self._fixed)) != self._places or not all(p.dtype is dtype and p.is_contiguous() for p in params):
            return None
        return grads


@final
class Standing:
    """Parameters of one group, bound to native code. It holds on to their state until a step finds that it has moved.

    Args:
        update: native code of the rule.
        rule: with its flags.
        params: those that have gradients.
        states: their entries in the optimizer's state.
    """

    def __init__(self, update: "TensorsUpdate", rule: Rule, params: list[Tensor], states: list[dict[str, Any]]) -> None:
        self._update, self._key, self._params = update, rule.key, params
        self._footing = Footing(params, states, [_state.STEP, *(slot.key + end for slot in rule.active_slots for end in ("", SCALE))])
        kept = [_state.kept(state, rule) for state in states]
        scales = [{slot.symbol: own[slot.symbol + SCALE] for slot in rule.active_slots if slot.symbol + SCALE in own} for own in kept]
        self._bound, self._counts = update.bind(params, kept, scales), _native_driver.counts_of(self._footing.counts)
        self._scalars: Mapping[str, Any] = {}

    def is_ready(self, kind: type[Rule], group: Mapping[str, Any], state: Mapping[Tensor, dict[str, Any]]) -> bool:
        """Whether the next step is like the one before; it is then prepared, and nothing has been changed.

        Args:
            kind: of the rule.
            group: settings and parameters as they are now.
            state: of the optimizer.
        """
        grads = self._footing.gradients(group, state)
        if grads is None:
            return False
        step, hypers = self._counts.add(0.0) + 1.0, _settings.read(kind, group)
        rule = _settings.rule_of(kind, group, hypers)
        if math.isnan(step) or rule.key != self._key or group["maximize"] or not _is_bindable(group):
            return False
        self._scalars = rule.scalars(Symbols(**hypers, peak_lr=_settings.peak_rate(group)), int(step))
        self._bound.point(grads)
        return True

    def step(self) -> None:
        """Take the prepared step."""
        self._update.run(self._bound, self._scalars)
        self._counts.add(1.0)
        torch.autograd.graph.increment_version(self._params)


def bind(kind: type[Rule], group: Mapping[str, Any], state: Mapping[Tensor, dict[str, Any]]) -> Standing | None:
    """The parameters of a group that have gradients, bound; None where that cannot be, or not yet.

    Args:
        kind: of the rule.
        group: settings and parameters.
        state: of the optimizer.
    """
    params = [p for p in group["params"] if p.grad is not None]
    if not params or not _is_bindable(group):
        return None
    hypers = _settings.read(kind, group)
    rule = _settings.rule_of(kind, group, hypers)
    if not rule.is_plain or rule.granularity != "element" or any(slot.shape is not None for slot in rule.active_slots):
        return None
    states = [state.get(p, {}) for p in params]
    if not all(_is_settled(p, own, rule, params[0].dtype) for p, own in zip(params, states, strict=True)):
        return None
    scalars = rule.scalars(Symbols(**hypers, peak_lr=_settings.peak_rate(group)), 1)
    update = _native_driver.update_of(type(rule), rule.key[1], tuple(scalars), params[0].dtype)
    return None if update is None or len({frozenset(own) for own in states}) > 1 else Standing(update, rule, params, states)


def _is_bindable(group: Mapping[str, Any]) -> bool:
    storage = Storage.of(group)
    return group["driver"] == "native" and storage.weights == "plain" and storage.state_dtype in (None, "8bit")


def _is_settled(p: Tensor, state: Mapping[str, Any], rule: Rule, dtype: torch.dtype) -> bool:
    """Whether a parameter's state is complete, and lies beside it as native code wants it."""
    slots, count = rule.active_slots, state.get(_state.STEP)
    if not isinstance(count, Tensor) or count.dtype != torch.float32 or count.ndim or count.device.type != "cpu":
        return False
    if any(slot.key not in state for slot in slots) or p.dtype is not dtype or not p.is_contiguous() or not _native_driver.is_plain(p):
        return False
    kept = _state.kept(state, rule)
    is_known = all(_storage.is_slot(name) or name.endswith(SCALE) for name in kept)
    return is_known and _native_driver.is_laid_out(p, kept, [slot.symbol for slot in slots], SCALE)
