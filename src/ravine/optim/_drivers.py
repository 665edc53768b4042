"""Five ways to run one rule over many parameters. The same text of `Rule.update` runs in all of them.

Every driver takes a rule, its scalars (Python floats), and equally long lists of parameters, gradients and states
(by symbol); writes the parameters in place, never the gradients; and returns the next states. A call's parameters
share dtype and device. Arithmetic is done in at least float32: narrower parameters are widened, updated, and rounded
once when written.
"""

import functools
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias, cast

import torch
from torch import Tensor
from torch.func import vmap

from ravine.optim._native_driver import native_step
from ravine.optim._native_whole import native_update
from ravine.rules._rule import Rule, State
from ravine.rules._step import Symbols
from ravine.rules._tensorlist import TensorList

Driver: TypeAlias = Callable[[Rule, Mapping[str, float], list[Tensor], list[Tensor], list[State]], list[State]]

BUCKET_ELEMENTS = 1 << 20
"""Largest total size of one foreach bucket: temporaries stay in cache; a larger single tensor is its own bucket."""

STACK_ELEMENTS = 1 << 22
"""Largest total size of one stack of equal shapes."""

LARGEST_STACKED_ON_CPU = 1 << 15
"""Largest parameter that a CPU stacks: 100 matrices of 64 x 64 gain twofold, 8 of 256 x 256 nothing."""


def compute_dtype(dtype: torch.dtype) -> torch.dtype:
    """The dtype of arithmetic and state for parameters of `dtype`: itself, or float32 if that is wider."""
    return torch.promote_types(dtype, torch.float32)


def per_tensor(rule: Rule, scalars: Mapping[str, float], params: list[Tensor], grads: list[Tensor], states: list[State]) -> list[State]:
    """The reference: a plain loop."""
    c = Symbols(**scalars)
    updated = []
    for param, grad, state in zip(params, grads, states, strict=True):
        wide = compute_dtype(param.dtype)
        p = param.to(wide)
        delta, after = rule.update(p, grad.to(wide), Symbols(**state), c)
        if p is param:
            param.add_(delta)
        else:
            param.copy_(p + delta)
        updated.append(after)
    return updated


def foreach(rule: Rule, scalars: Mapping[str, float], params: list[Tensor], grads: list[Tensor], states: list[State]) -> list[State]:
    """One foreach call per operation and bucket: the reference's bits with less Python per parameter."""
    updated: list[State] = []
    for bucket in _buckets(params):
        updated += _one_bucket(rule, scalars, params[bucket], grads[bucket], states[bucket])
    return updated


def compiled(rule: Rule, scalars: Mapping[str, float], params: list[Tensor], grads: list[Tensor], states: list[State]) -> list[State]:
    """One whole-graph compile per rule, flags and list of shapes; scalars are 0-d tensors, so lr and t never recompile.

    The states are changed in place and returned. Rounding may differ from the reference where the compiler
    contracts a product and a sum.
    """
    wide = compute_dtype(params[0].dtype)
    layout = tuple((t.shape, t.stride(), t.dtype, t.device) for pair in zip(params, grads, strict=True) for t in pair)
    run = _compile(type(rule), rule.key[1], layout)
    tensors = {symbol: torch.as_tensor(value, dtype=torch.float64).to(wide) for symbol, value in scalars.items()}
    # Detached views carry neither `requires_grad` nor the Parameter type, so freezing a layer meets no guard.
    run([p.detach() for p in params], [g.detach() for g in grads], states, tensors)
    return states


def stacked(rule: Rule, scalars: Mapping[str, float], params: list[Tensor], grads: list[Tensor], states: list[State]) -> list[State]:
    """Parameters of one shape together, so that many small matrices cost few launches; the reference's numbers to rounding."""
    updated: list[State] = [{} for _ in params]
    for places in _alike(params):
        pick = [[items[place] for place in places] for items in (params, grads, states)]
        after = (per_tensor if len(places) == 1 else _one_stack)(rule, scalars, *pick)  # type: ignore[arg-type]
        for place, state in zip(places, after, strict=True):
            updated[place] = state
    return updated


def native(rule: Rule, scalars: Mapping[str, float], params: list[Tensor], grads: list[Tensor], states: list[State]) -> list[State]:
    """One native call for all parameters; what has no native code here is left to the driver that "auto" picks.

    The states are changed in place and returned. Rounding may differ from the reference, as in `compiled`.
    """
    if native_step(rule, scalars, params, grads, states):
        return states
    left = native_update(rule, scalars, params, grads, states)
    if not left:
        return states
    rest: list[Any] = [[items[place] for place in left] for items in (params, grads, states)]
    updated = list(states)
    for place, state in zip(left, pick("auto", rule)(rule, scalars, *rest), strict=True):
        updated[place] = state
    return updated


DRIVERS: Mapping[str, Driver] = {
    "per_tensor": per_tensor,
    "foreach": foreach,
    "compiled": compiled,
    "stacked": stacked,
    "native": native,
    "capturable": per_tensor,
}
"""Every driver by its name; "auto" is resolved by `pick`."""


def pick(name: str, rule: Rule) -> Driver:
    """The driver called `name` for `rule`: "auto" is foreach, or stacked for matrices; foreach is the loop where it cannot run the rule."""
    if name == "auto" and rule.granularity == "matrix":
        return stacked
    if name in ("auto", "foreach"):
        return foreach if rule.granularity == "element" else per_tensor
    return DRIVERS[name]


def _buckets(params: list[Tensor]) -> Iterator[slice]:
    """Consecutive slices of at most `BUCKET_ELEMENTS` elements, each with at least one parameter."""
    start = size = 0
    for index, param in enumerate(params):
        if index > start and size + param.numel() > BUCKET_ELEMENTS:
            yield slice(start, index)
            start, size = index, 0
        size += param.numel()
    yield slice(start, len(params))


def _alike(params: list[Tensor]) -> Iterator[list[int]]:
    """Positions of parameters of one shape and dtype, at most `STACK_ELEMENTS` in all, each with at least one."""
    shapes: dict[tuple[Any, ...], list[int]] = {}
    for place, param in enumerate(params):
        shapes.setdefault((param.shape, param.dtype), []).append(place)
    for places in shapes.values():
        first = params[places[0]]
        is_alone = first.device.type == "cpu" and first.numel() > LARGEST_STACKED_ON_CPU
        size = 1 if is_alone else max(1, STACK_ELEMENTS // max(1, first.numel()))
        yield from (places[start : start + size] for start in range(0, len(places), size))


def _one_stack(rule: Rule, scalars: Mapping[str, float], params: list[Tensor], grads: list[Tensor], states: list[State]) -> list[State]:
    wide, c = compute_dtype(params[0].dtype), Symbols(**scalars)

    def update(p: Tensor, g: Tensor, s: State) -> tuple[Tensor, State]:
        return rule.update(p, g, Symbols(**s), c)

    p = torch.stack([param.detach() for param in params]).to(wide)
    g = torch.stack([grad.detach() for grad in grads]).to(wide)
    s = {symbol: torch.stack([state[symbol] for state in states]) for symbol in states[0]}
    delta, after = vmap(update)(p, g, s)
    torch._foreach_copy_(params, list((p + delta).unbind()))
    return [dict(zip(after, values, strict=True)) for values in zip(*(value.unbind() for value in after.values()), strict=True)]


def _one_bucket(rule: Rule, scalars: Mapping[str, float], params: list[Tensor], grads: list[Tensor], states: list[State]) -> list[State]:
    wide = compute_dtype(params[0].dtype)
    p = TensorList([param.to(wide) for param in params])
    g = TensorList([grad.to(wide) for grad in grads])
    s = Symbols(**{symbol: TensorList([state[symbol] for state in states]) for symbol in states[0]})
    delta, after = rule.update(p, g, s, Symbols(**scalars))
    if params[0].dtype == wide:
        torch._foreach_add_(params, delta.tensors)
    else:
        torch._foreach_copy_(params, (p + delta).tensors)
    return [{symbol: values.tensors[index] for symbol, values in after.items()} for index in range(len(params))]


@functools.lru_cache(maxsize=256)
def _compile(rule_class: type[Rule], flags: tuple[str, ...], layout: tuple[Any, ...]) -> Callable[..., None]:
    """A compiled function of its own for every `layout`, so that no model spends another's recompilation budget."""
    rule = rule_class(**{flag.name: flag.name in flags for flag in rule_class.flags})

    def update_all(params: list[Tensor], grads: list[Tensor], states: list[State], scalars: Mapping[str, Tensor]) -> None:
        c = Symbols(**scalars)
        for param, grad, state in zip(params, grads, states, strict=True):
            wide = compute_dtype(param.dtype)
            p = param.to(wide)
            delta, after = rule.update(p, grad.to(wide), Symbols(**state), c)
            param.copy_(p + delta)
            for symbol, value in after.items():
                state[symbol].copy_(value)

    del layout  # part of the cache key only
    compiler: Any = torch.compile  # its overloads in torch 2.13 leave isolate_recompiles out
    return cast(Callable[..., None], compiler(update_all, fullgraph=True, dynamic=False, isolate_recompiles=True))
