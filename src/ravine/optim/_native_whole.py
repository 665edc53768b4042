"""Rules that look at whole tensors or at the whole model, in native code: each of their two phases in one call.

A tensor that has none is left to torch, alone.
"""

import functools
import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ravine.optim._native_driver import PLAIN
from ravine.rules._declarations import Slot
from ravine.rules._rule import Rule, State
from ravine.rules._step import Part, add_up, measure_each

if TYPE_CHECKING:
    import numpy as np

    from ravine.fleet.native import WholePhase


def native_update(
    rule: Rule, scalars: Mapping[str, Any], params: Sequence[Tensor], grads: Sequence[Tensor], states: Sequence[State]
) -> Sequence[int]:
    """Take the update in place, and say for which parameters it could not be taken; nothing of theirs has changed.

    Args:
        rule: of the step.
        scalars: of the rule.
        params: of one dtype; to change.
        grads: as many gradients.
        states: slots by symbol.
    """
    everyone = range(len(params))
    phase = phase_of(type(rule), rule.key[1], "update", tuple(scalars), params[0].dtype) if is_whole(rule) and params else None
    if phase is None:
        return everyone
    left, _ = _run(phase, params, grads, states, scalars)
    if len(left) < len(params):
        kept = set(left)
        # Autograd must hear that values have changed under it, as it does of torch's own in-place steps.
        torch.autograd.graph.increment_version([param for place, param in enumerate(params) if place not in kept])
    return left


def is_whole(rule: Rule) -> bool:
    """Whether a rule is of those served here; those that change every element on its own have a way of their own."""
    return rule.granularity == "tensor" or not rule.is_plain or any(slot.shape is not None for slot in rule.active_slots)


def measuring(natively: Sequence[bool]) -> Callable[[Sequence[Part], State], tuple[State, list[State]]]:
    """`ravine.rules._step.measure_each`; parts for which `natively` is true are measured in native code, in place, where there is any."""
    return functools.partial(_measure, natively) if any(natively) else measure_each


def _measure(natively: Sequence[bool], parts: Sequence[Part], lane: State) -> tuple[State, list[State]]:
    totals: State = {}
    measured = list[State]()
    pairs = zip(natively, parts, strict=True)
    for (is_native, *_), group in itertools.groupby(pairs, lambda pair: (pair[0], id(pair[1].c), id(pair[1].rule), pair[1].p.dtype)):
        members = [part for _, part in group]
        terms, states = (_measure_alike if is_native else measure_each)(members, lane)
        add_up(totals, terms)
        measured += states
    return totals, measured


def _measure_alike(parts: Sequence[Part], lane: State) -> tuple[State, list[State]]:
    """Of one rule, scalars and dtype."""
    rule, dtype = parts[0].rule, parts[0].p.dtype
    scalars = {**parts[0].c, **lane}
    phase = phase_of(type(rule), rule.key[1], "measure", tuple(scalars), dtype)
    if phase is None:
        return measure_each(parts, lane)
    if phase.is_idle:
        return {}, [{}] * len(parts)
    left, sums = _run(phase, [part.p for part in parts], [part.g for part in parts], [part.s for part in parts], scalars)
    rest, states = measure_each([parts[place] for place in left], lane)
    totals: State = {name: torch.tensor(value, dtype=dtype) for name, value in sums.items()}
    add_up(totals, rest)
    fresh = dict(zip(left, states, strict=True))
    return totals, [fresh.get(place, {}) for place in range(len(parts))]


def _run(
    phase: "WholePhase",
    params: Sequence[Tensor],
    grads: Sequence[Tensor],
    states: Sequence[Mapping[str, Tensor]],
    scalars: Mapping[str, Any],
) -> tuple[list[int], dict[str, float]]:
    """The positions for which there is no native code, and the sums over the others."""
    from ravine.fleet.native import Places, Unsupported

    slots, count = phase.rule.active_slots, len(params)
    found = [fields(*each, slots, is_row=phase.is_flat) for each in zip(params, grads, states, strict=True)]
    able = [place for place in range(count) if found[place] is not None]
    try:
        forms = phase.forms([params[place].shape for place in able])
    except Unsupported:
        return list(range(count)), {}
    taken = [place for place, form in zip(able, forms, strict=True) if form]
    able_fields: list[list[Tensor]] = [found[place] for place in taken]  # type: ignore[misc]  # none of these is None
    sums: dict[str, float] = {}
    if able_fields:
        places = Places([own[0] for own in able_fields], [own[2:] for own in able_fields])
        places.point([own[1] for own in able_fields])
        sums = phase.run(places, forms[forms != 0], scalars)
    return sorted(set(range(count)) - set(taken)), sums


@functools.lru_cache(maxsize=64)
def phase_of(kind: type[Rule], flags: tuple[str, ...], phase: Any, scalars: tuple[str, ...], dtype: torch.dtype) -> "WholePhase | None":
    """Native code of one phase of a rule; None where there is none.

    Args:
        kind: of the rule.
        flags: that are on.
        phase: "measure" or "update".
        scalars: names of what the phase finds in `c`.
        dtype: of the parameters.
    """
    # Siblings do not import each other (ARCHITECTURE.md); decision 0013 says why this module may.
    from ravine.fleet.native import Unsupported, WholePhase

    try:
        return WholePhase(kind(**{flag.name: flag.name in flags for flag in kind.flags}), phase, scalars, dtype)
    except Unsupported:
        return None


def forms_of(phase: "WholePhase", shapes: Sequence[tuple[int, ...]]) -> "np.ndarray | None":
    """What `WholePhase.run` needs for tensors of these shapes; None if some have no native code."""
    from ravine.fleet.native import Unsupported

    try:
        forms = phase.forms(shapes)
    except Unsupported:
        return None
    return forms if forms.all() else None


def fields(p: Tensor, g: Tensor, state: Mapping[str, Tensor], slots: Sequence[Slot], *, is_row: bool) -> list[Tensor] | None:
    """Value, gradient and slots as native code takes them; None if it does not.

    Args:
        p: the parameter.
        g: its gradient, copied where it lies otherwise.
        state: slots by symbol.
        slots: of the rule.
        is_row: whether the order of a tensor's elements is of no matter.
    """
    is_dense = p.is_contiguous() or (is_row and p.is_contiguous(memory_format=torch.channels_last))
    if not (type(p) in PLAIN and p.device.type == "cpu" and is_dense and p.numel() and len(state) == len(slots)):
        return None
    shape, strides = p.shape, p.stride()
    fields = [p, g if _lies(g, p, shape, strides) else torch.empty_like(p).copy_(g)]
    for slot in slots:
        value = state[slot.symbol]
        if slot.shape is None:
            fits = _lies(value, p, shape, strides)
        else:
            fits = value.is_contiguous() and tuple(value.shape) == slot.shape_for(tuple(shape)) and type(value) in PLAIN
            fits = fits and value.dtype is p.dtype and value.device == p.device
        if not fits:
            return None
        fields.append(value)
    return fields


def _lies(t: Tensor, p: Tensor, shape: torch.Size, strides: tuple[int, ...]) -> bool:
    """Whether a tensor lies in memory as a parameter of this shape and these strides does."""
    return t.dtype is p.dtype and t.shape == shape and t.stride() == strides and type(t) in PLAIN and t.device == p.device
