"""One optimiser step of a whole tile: the lanes driver of rules, and the freeze of diverged lanes.

Shapes: L lanes of the tile, G lanes of one group.
"""

from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor
from torch.func import vmap

from ravine.fleet.lanes import Group
from ravine.fleet.stacking import LANE, Replicas, Stack, compute_dtype, spread
from ravine.rules import Rule
from ravine.rules._step import Part, Symbols, step_lane
from ravine.tasks.kinds import Kind

GroupScalars = Sequence[Mapping[str, Tensor]]
"""For each group, scalar name -> vector over the group's lanes, in the compute dtype."""


def _as(tensor: Tensor, dtype: torch.dtype) -> Tensor:
    """In a dtype; without a call into torch where it is so already, which under `vmap` costs as much as arithmetic."""
    return tensor if tensor.dtype is dtype else tensor.to(dtype)


def update_lanes(rule: Rule, p: Tensor, g: Tensor, s: Mapping[str, Tensor], c: Mapping[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
    """Run `rule.update` on stacked lanes, each with its own scalars.

    Element rules read scalars by broadcasting; rules that look at a whole tensor run under `vmap`, so that their
    norms stay per lane. Either way the rule's text sees one lane.

    Args:
        rule: the rule.
        p: parameter, (G, ...).
        g: gradient, (G, ...).
        s: slots, symbol -> (G, ...).
        c: scalars, name -> (G,).

    Returns:
        delta (G, ...) and the next slots.
    """
    if rule.granularity == "element":
        wide = {name: spread(value, p.ndim) for name, value in c.items()}
        return rule.update(p, g, SimpleNamespace(**s), SimpleNamespace(**wide))

    def one_lane(p: Tensor, g: Tensor, s: dict[str, Tensor], c: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        return rule.update(p, g, SimpleNamespace(**s), SimpleNamespace(**c))

    return vmap(one_lane)(p, g, dict(s), dict(c))


def propose(
    groups: Sequence[Group],
    state: Replicas,
    gradients: Stack,
    scalars: GroupScalars,
    *,
    kinds: Mapping[str, Kind],
    rules: Sequence[Rule] | None = None,
) -> Replicas:
    """Parameters and slots after one step, with nothing changed in place (buffers are passed through).

    Args:
        groups: of the lanes.
        state: of all of them.
        gradients: name -> (L, ...).
        scalars: see `GroupScalars`.
        kinds: name -> kind of the parameter.
        rules: for each group its rule with the flags of the step; the groups' own if None.
    """
    parts: dict[str, list[Tensor]] = {name: [] for name in state.parameters}
    slots: list[dict[str, Stack]] = []
    dtypes = {compute_dtype(parameter) for parameter in state.parameters.values()}
    for group, rule, old, values in zip(groups, rules or [group.rule for group in groups], state.slots, scalars, strict=True):
        if not rule.is_plain:
            fresh, after = _together(group, rule, (state.parameters, gradients, old, values), kinds)
            for name, value in fresh.items():
                parts[name].append(value)
            slots.append(after)
            continue
        # Scalars are vectors, which would widen a float32 parameter that shares a model with float64 ones.
        cast = {dtype: {name: _as(value, dtype) for name, value in values.items()} for dtype in dtypes}
        new: dict[str, Stack] = {symbol: {} for symbol in old}
        for name, parameter in state.parameters.items():
            p = parameter[group.start : group.stop]
            dtype = compute_dtype(p)
            g = _as(gradients[name][group.start : group.stop], dtype)
            wide = _as(p, dtype)
            delta, s = update_lanes(rule, wide, g, {symbol: old[symbol][name] for symbol in old}, cast[dtype])
            parts[name].append(_as(wide + delta, p.dtype))
            for symbol, value in s.items():
                new[symbol][name] = value
        slots.append(new)
    parameters = {name: blocks[0] if len(blocks) == 1 else torch.cat(blocks) for name, blocks in parts.items()}
    return Replicas(parameters, state.buffers, slots)


def _together(
    group: Group, rule: Rule, given: tuple[Stack, Stack, dict[str, Stack], Mapping[str, Tensor]], kinds: Mapping[str, Kind]
) -> tuple[Stack, dict[str, Stack]]:
    """Parameters and slots of one group whose rule looks at all tensors of a lane, or treats kinds differently."""
    parameters, gradients, old, values = given
    names, lane_symbols = list(parameters), [slot.symbol for slot in rule.lane_slots]

    def one_lane(p: Stack, g: Stack, s: dict[str, Stack], c: dict[str, Tensor]) -> tuple[Stack, dict[str, Stack]]:
        parts = []
        for name in names:
            dtype = compute_dtype(p[name])
            own = {symbol: s[symbol][name] for symbol in s if name in s[symbol]}
            cast = {key: _as(value, dtype) for key, value in c.items()}
            parts.append(Part(rule.part(kinds[name]), _as(p[name], dtype), _as(g[name], dtype), own, cast))
        changes, lane = step_lane(parts, {symbol: s[symbol][LANE] for symbol in lane_symbols})
        after: dict[str, Stack] = {symbol: {LANE: lane[symbol]} for symbol in lane_symbols}
        fresh: Stack = {}
        for name, part, (delta, state) in zip(names, parts, changes, strict=True):
            fresh[name] = _as(part.p + delta, p[name].dtype)
            for symbol, value in state.items():
                after.setdefault(symbol, {})[name] = value
        return fresh, after

    p, g = ({name: stack[group.start : group.stop] for name, stack in stacks.items()} for stacks in (parameters, gradients))
    fresh, after = vmap(one_lane)(p, g, old, dict(values))
    # What a rule is given for one step only, as an estimate of the curvature is, it does not give back.
    return fresh, {symbol: {name: after[symbol][name] for name in held} for symbol, held in old.items() if symbol in after}


def evaluated(groups: Sequence[Group], state: Replicas, scalars: GroupScalars, kinds: Mapping[str, Kind]) -> Stack:
    """The weights at which lanes are to be evaluated: those that are trained, unless a rule says otherwise.

    Args:
        groups: of the lanes.
        state: of all of them.
        scalars: of their last step.
        kinds: name -> kind of the parameter.
    """
    if not any(group.rule.is_averaging for group in groups):
        return state.parameters
    result: dict[str, list[Tensor]] = {name: [] for name in state.parameters}
    for group, slots, values in zip(groups, state.slots, scalars, strict=True):
        for name, stack in state.parameters.items():
            part, rule = stack[group.start : group.stop], group.rule.part(kinds[name])
            own = {symbol: held.get(name, held.get(LANE)) for symbol, held in slots.items() if name in held or LANE in held}
            result[name].append(_evaluated(rule, part, own, values) if rule.is_averaging else part)
    return {name: torch.cat(parts) for name, parts in result.items()}


def _evaluated(rule: Rule, p: Tensor, s: Mapping[str, Any], c: Mapping[str, Tensor]) -> Tensor:
    def one_lane(p: Tensor, s: dict[str, Tensor], c: dict[str, Tensor]) -> Tensor:
        return rule.evaluate(p.to(compute_dtype(p)), Symbols(**s), Symbols(**c)).to(p.dtype)  # type: ignore[no-any-return]

    return vmap(one_lane)(p, dict(s), {name: value.to(compute_dtype(p)) for name, value in c.items()})


def finite_lanes(loss_L: Tensor, parameters: Stack) -> Tensor:
    """Lanes whose loss and parameters are all finite, bool (L,).

    A sum is finite only if its terms are; sums of finite values, taken in the widest dtype among them and at least
    in float32, overflow only beyond 1e38, where training has long ended.
    """
    total = loss_L.to(compute_dtype(loss_L))
    for parameter in parameters.values():
        flat = parameter.reshape(len(parameter), parameter.numel() // len(parameter))
        total = total + flat.sum(1, dtype=compute_dtype(parameter))
    return torch.isfinite(total)


def in_float32(loss: Tensor) -> Tensor:
    """Losses as they are recorded; a finite one beyond float32 becomes float32's largest number, since infinite means diverged."""
    largest = torch.finfo(torch.float32).max
    return torch.where(torch.isfinite(loss), loss.clamp(-largest, largest), loss).float() if loss.dtype == torch.float64 else loss.float()


def keep_frozen(keep_L: Tensor, groups: Sequence[Group], new: Replicas, old: Replicas) -> Replicas:
    """`new` in the lanes where `keep_L` is True, `old` elsewhere; exact, whatever a frozen lane holds."""

    def select(mask: Tensor, fresh: Stack, stale: Stack) -> Stack:
        return {name: torch.where(spread(mask, value.ndim), value, stale[name]) for name, value in fresh.items()}

    slots = [
        {symbol: select(keep_L[group.start : group.stop], fresh[symbol], stale[symbol]) for symbol in fresh}
        for group, fresh, stale in zip(groups, new.slots, old.slots, strict=True)
    ]
    return Replicas(select(keep_L, new.parameters, old.parameters), select(keep_L, new.buffers, old.buffers), slots)
