"""A step over parameters whose weight or state is kept narrower than the arithmetic: widen, run the driver, narrow.

Compiled, all three are one graph, so that the wide values never leave the processor.
"""

import functools
from collections.abc import Callable, Iterator, Mapping
from typing import Any, cast

import torch
from torch import Tensor

from ravine.optim import _storage
from ravine.optim._drivers import _buckets, compute_dtype, foreach, per_tensor, pick
from ravine.optim._native_driver import native_step
from ravine.rules._keeping import BLOCK
from ravine.rules._rule import Rule, State
from ravine.rules._step import Symbols


def pieces(name: str, rule: Rule, params: list[Tensor]) -> Iterator[slice]:
    """The parameters that a driver is given at a time: all that it can do at once, or a bucket where it is a loop anyway."""
    if pick(name, rule) in (per_tensor, foreach):
        yield from _buckets(params)
    else:
        yield slice(0, len(params))


def run(name: str, rule: Rule, scalars: Mapping[str, Any], params: list[Tensor], grads: list[Tensor], *, kept: list[State]) -> list[State]:
    """Take one step, and say what is to be kept, by symbol and in its formats.

    Args:
        name: of the driver.
        rule: of the step.
        scalars: of the rule.
        params: of one dtype and device; written in place.
        grads: as many gradients.
        kept: as many dictionaries as `ravine.optim._storage` describes them.
    """
    if _storage.is_plain(kept):
        return pick(name, rule)(rule, scalars, params, grads, kept)
    if name == "compiled":
        return _compiled(rule, scalars, params, grads, kept)
    if name == "native" and native_step(rule, scalars, params, grads, kept, scale=_storage.SCALE):
        return kept
    pairs = [_storage.opened(param, own) for param, own in zip(params, kept, strict=True)]
    weights = [p for p, _ in pairs]
    updated = pick(name, rule)(rule, scalars, weights, [grad.to(weights[0].dtype) for grad in grads], [slots for _, slots in pairs])
    return [_storage.closed(*parts) for parts in zip(params, weights, updated, kept, strict=True)]


def _compiled(rule: Rule, scalars: Mapping[str, Any], params: list[Tensor], grads: list[Tensor], kept: list[State]) -> list[State]:
    flat = [_in_blocks(*parts) for parts in zip(params, grads, kept, strict=True)]
    layout = tuple((name, t.shape, t.stride(), t.dtype, t.device) for p, g, own in flat for name, t in [("p", p), ("g", g), *own.items()])
    step = _compile(type(rule), rule.key[1], layout)
    wide = compute_dtype(params[0].dtype)
    step(flat, {symbol: torch.as_tensor(value, dtype=torch.float64).to(wide) for symbol, value in scalars.items()})
    return kept


def _in_blocks(param: Tensor, grad: Tensor, own: State) -> tuple[Tensor, Tensor, State]:
    """Views of one row a block, which a compiler can walk without asking where a block begins."""
    param, grad = param.detach(), grad.detach()
    scaled = any(name.endswith(_storage.SCALE) for name in own)
    alike = [param, grad, *(value for value in own.values() if value.shape == param.shape)]
    if not scaled or not all(value.is_contiguous() for value in alike):
        return param, grad, dict(own)

    def rows(value: Tensor) -> Tensor:
        return value.view(-1, BLOCK)

    shape = param.shape
    return rows(param), rows(grad), {name: rows(value) if value.shape == shape else value for name, value in own.items()}


@functools.lru_cache(maxsize=256)
def _compile(rule_class: type[Rule], flags: tuple[str, ...], layout: tuple[Any, ...]) -> Callable[..., None]:
    """A compiled function of its own for every `layout`, as the compiled driver has it."""
    rule = rule_class(**{flag.name: flag.name in flags for flag in rule_class.flags})

    def update_all(parts: list[tuple[Tensor, Tensor, State]], scalars: Mapping[str, Tensor]) -> None:
        c = Symbols(**scalars)
        for param, grad, own in parts:
            p, slots = _storage.opened(param, own)
            delta, after = rule.update(p, grad.to(p.dtype), Symbols(**slots), c)
            for name, value in _storage.closed(param, p + delta, after, own).items():
                own[name].copy_(value)

    del layout  # part of the cache key only
    compiler: Any = torch.compile  # its overloads in torch 2.13 leave isolate_recompiles out
    return cast(Callable[..., None], compiler(update_all, fullgraph=True, dynamic=False, isolate_recompiles=True))
