"""Operations that walk along one dimension in order: running sums, and where an extremum lies."""

import math
from typing import Any

import torch
from torch import fx

from ravine.fleet.native.calling import contiguous
from ravine.fleet.native.lowering import Lowering, handles
from ravine.fleet.native.values import Memory, Value

aten = torch.ops.aten


def _walk(value: Memory, dim: int) -> tuple[str, str, int]:
    """Text of the loops over all lines along `dim`, of the address of a line's first element, and the step along it."""
    inner = math.prod(value.shape[dim + 1 :])
    outer = math.prod(value.shape[:dim])
    length = value.shape[dim] if value.shape else 1
    loops = f"for (long o = 0; o < {outer}; ++o) for (long j = 0; j < {inner}; ++j)"
    return loops, f"o * {length * inner} + j", inner


@handles(aten.cumsum.default)
def _cumsum(low: Lowering, node: fx.Node) -> Value:
    result = node.meta["val"]
    value = contiguous(low, low.converted(low.value(node.args[0]), result.dtype))
    dim = int(node.args[1]) % max(1, len(value.shape))  # type: ignore[arg-type]  # a number
    target, length = low.new(result.shape, result.dtype), value.shape[dim] if value.shape else 1
    loops, start, step = _walk(value, dim)
    wide = "double" if result.dtype.is_floating_point else "int64_t"
    low.call(
        f"{loops} {{ {wide} total = 0; for (long i = 0; i < {length}; ++i) {{ const long at = {start} + i * {step}; "
        f"total += {value.buffer.name}[{value.offset} + at]; {target.buffer.name}[at] = total; }} }}",
        [value],
        [target],
    )
    return target


def _extremum(low: Lowering, given: Value, dim: int, sign: str) -> tuple[Memory, Memory]:
    """The extremum along a dimension and its first place; NaN counts as the extremum."""
    value = contiguous(low, given)
    shape = [1 if at == dim else length for at, length in enumerate(value.shape)]
    found, place = low.new(shape, value.dtype), low.new(shape, torch.int64)
    loops, start, step = _walk(value, dim)
    length, inner = value.shape[dim] if value.shape else 1, math.prod(value.shape[dim + 1 :])
    source = f"{value.buffer.name}[{value.offset} + {start} + "
    low.call(
        f"{loops} {{ long best = 0; for (long i = 1; i < {length}; ++i) {{ "
        f"const auto x = {source}i * {step}], y = {source}best * {step}]; if (x {sign} y || (x != x && y == y)) best = i; }} "
        f"{found.buffer.name}[o * {inner} + j] = {source}best * {step}]; {place.buffer.name}[o * {inner} + j] = best; }}",
        [value],
        [found, place],
    )
    return found, place


@handles(aten.max.dim, aten.min.dim)
def _extremum_and_place(low: Lowering, node: fx.Node) -> list[Value]:
    value, results = low.value(node.args[0]), node.meta["val"]
    dim = int(node.args[1]) % max(1, len(value.shape))  # type: ignore[arg-type]  # a number
    pair = _extremum(low, value, dim, ">" if node.target is aten.max.dim else "<")
    return [low.reshaped(each, result.shape) for each, result in zip(pair, results, strict=True)]


@handles(aten.argmax.default, aten.argmin.default)
def _place(low: Lowering, node: fx.Node) -> Value:
    value: Value = low.value(node.args[0])
    given: Any = node.args[1] if len(node.args) > 1 else None
    if given is None:
        value, given = low.reshaped(value, [value.numel]), 0
    dim = int(given) % max(1, len(value.shape))
    return low.reshaped(_extremum(low, value, dim, ">" if node.target is aten.argmax.default else "<")[1], node.meta["val"].shape)
