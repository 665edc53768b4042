"""Three ways to run one rule over many parameters. The same text of `Rule.update` runs in all of them.

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

from ravine.rules._rule import Rule, State
from ravine.rules._tensorlist import TensorList

Driver: TypeAlias = Callable[[Rule, Mapping[str, float], list[Tensor], list[Tensor], list[State]], list[State]]

BUCKET_ELEMENTS = 1 << 20
"""Largest total size of one foreach bucket: temporaries stay in cache; a larger single tensor is its own bucket."""


class Symbols:
    """Values by attribute, as rules read them. A plain class, because `torch.compile` cannot trace `SimpleNamespace`."""

    def __init__(self, **values: Any) -> None:
        for symbol, value in values.items():
            setattr(self, symbol, value)


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
    tensors = {symbol: torch.tensor(value, dtype=torch.float64).to(wide) for symbol, value in scalars.items()}
    # Detached views carry neither `requires_grad` nor the Parameter type, so freezing a layer meets no guard.
    run([p.detach() for p in params], [g.detach() for g in grads], states, tensors)
    return states


DRIVERS: Mapping[str, Driver] = {"per_tensor": per_tensor, "foreach": foreach, "compiled": compiled}
"""Every driver by its name; "auto" is resolved by `pick`."""


def pick(name: str, rule: Rule) -> Driver:
    """The driver called `name` for `rule`: foreach where "auto" is asked, the loop where foreach cannot run the rule."""
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
    rule = rule_class(**dict.fromkeys(flags, True))

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
