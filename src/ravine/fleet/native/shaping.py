"""Operations that rearrange or create: views, copies, constants, joins."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import fx

from ravine.fleet.native.lowering import Lowering, handles
from ravine.fleet.native.values import (
    Constant,
    Index,
    Indices,
    Lookup,
    Memory,
    Pointwise,
    Ramp,
    Reindexed,
    Unsupported,
    Value,
    broadcast,
)

aten = torch.ops.aten


def _viewed(low: Lowering, node: fx.Node) -> Value:
    """The operand of a view; stored first if the view is used more than once and would be computed again each time."""
    value: Value = low.value(node.args[0])
    if not isinstance(value, Memory | Constant) and len(node.users) > 1:
        return low.stored(value)
    return value


@handles(aten.view.default, aten._unsafe_view.default)
def _view(low: Lowering, node: fx.Node) -> Value:
    return low.reshaped(_viewed(low, node), node.meta["val"].shape)


@handles(aten.unsqueeze.default, aten.squeeze.dims, aten.squeeze.dim, aten.squeeze.default)
def _units(low: Lowering, node: fx.Node) -> Value:
    return low.reshaped(_viewed(low, node), node.meta["val"].shape)


@handles(aten.permute.default)
def _permute(low: Lowering, node: fx.Node) -> Value:
    return low.permuted(_viewed(low, node), node.args[1])  # type: ignore[arg-type]  # a list of numbers


@handles(aten.t.default, aten.transpose.int)
def _transpose(low: Lowering, node: fx.Node) -> Value:
    value = _viewed(low, node)
    order = list(range(len(value.shape)))
    first, second = (node.args[1], node.args[2]) if len(node.args) > 1 else (0, -1)
    if len(order) > 1:
        order[first], order[second] = order[second], order[first]  # type: ignore[index]  # numbers
    return low.permuted(value, order)


@handles(aten.expand.default)
def _expand(low: Lowering, node: fx.Node) -> Value:
    value = low.value(node.args[0])
    result = node.meta["val"]
    if isinstance(value, Pointwise | Lookup) and result.numel() > value.numel > 1:
        value = low.stored(value)
    return broadcast(value, result.shape)


@handles(aten.repeat.default)
def _repeat(low: Lowering, node: fx.Node) -> Value:
    value, result = low.value(node.args[0]), node.meta["val"]
    own = [1] * (len(result.shape) - len(value.shape)) + list(value.shape)
    apart = low.reshaped(low.memory(value), [part for length in own for part in (1, length)])
    times = [total // length for total, length in zip(result.shape, own, strict=True)]
    return low.reshaped(broadcast(apart, [part for pair in zip(times, own, strict=True) for part in pair]), result.shape)


@handles(aten.slice.Tensor, aten.select.int, aten.diagonal.default, aten.unfold.default)
def _strided(low: Lowering, node: fx.Node) -> Value:
    operation: Any = node.target
    return low.view(low.value(node.args[0]), lambda stand_in: operation(stand_in, *node.args[1:], **node.kwargs))


@handles(aten.split.Tensor, aten.split_with_sizes.default, aten.unbind.int)
def _pieces(low: Lowering, node: fx.Node) -> list[Value]:
    memory, operation = low.memory(low.value(node.args[0])), node.target
    results: list[Value] = []
    for position in range(len(node.meta["val"])):
        seen = memory.through(lambda stand_in, at=position: operation(stand_in, *node.args[1:], **node.kwargs)[at])  # type: ignore[misc,operator]
        assert seen is not None
        results.append(seen)
    return results


@handles(aten.flip.default)
def _flip(low: Lowering, node: fx.Node) -> Value:
    value: Value = low.value(node.args[0])
    dims = {dim % len(value.shape) for dim in node.args[1]}  # type: ignore[union-attr,operator]  # a list of numbers

    def mapping(indices: Indices) -> Indices:
        return tuple(
            Index(length - 1) + index * -1 if position in dims else index
            for position, (index, length) in enumerate(zip(indices, value.shape, strict=True))
        )

    return Reindexed(value.shape, low.memory(value), mapping)


@handles(aten.clone.default, aten.alias.default, aten.detach.default, aten.lift_fresh_copy.default)
def _same(low: Lowering, node: fx.Node) -> Value:
    value: Value = low.value(node.args[0])
    return value


@handles(aten._to_copy.default)
def _convert(low: Lowering, node: fx.Node) -> Value:
    value, dtype = low.value(node.args[0]), node.meta["val"].dtype
    return low.converted(value, dtype)


@handles(aten.copy.default)
def _copy(low: Lowering, node: fx.Node) -> Value:
    result = node.meta["val"]
    return low.operand(node.args[1], result.shape, result.dtype)


@handles(aten.full.default, aten.full_like.default, aten.new_full.default)
def _full(low: Lowering, node: fx.Node) -> Value:
    number = node.args[2] if node.target is aten.new_full.default else node.args[1]
    return _constant(node, number)


@handles(aten.zeros.default, aten.zeros_like.default, aten.new_zeros.default, aten.new_empty.default)
def _zeros(low: Lowering, node: fx.Node) -> Value:
    return _constant(node, 0)


@handles(
    aten.empty.memory_format,
    aten.empty_like.default,
    aten.empty_permuted.default,
    aten.empty_strided.default,
    aten.new_empty_strided.default,
)
def _empty(low: Lowering, node: fx.Node) -> Value:
    return _constant(node, 0)


@handles(aten.ones.default, aten.ones_like.default, aten.new_ones.default)
def _ones(low: Lowering, node: fx.Node) -> Value:
    return _constant(node, 1)


@handles(aten.scalar_tensor.default)
def _scalar_tensor(low: Lowering, node: fx.Node) -> Value:
    return _constant(node, node.args[0])


def _constant(node: fx.Node, number: Any) -> Constant:
    if isinstance(number, fx.Node):
        raise Unsupported("it fills a tensor with a computed number")
    result = node.meta["val"]
    return Constant(number, result.shape, result.dtype)


@handles(aten.arange.start_step, aten.arange.default, aten.arange.start)
def _arange(low: Lowering, node: fx.Node) -> Value:
    result, numbers = node.meta["val"], list(node.args)
    start = numbers[0] if len(numbers) > 1 else 0
    step = numbers[2] if len(numbers) > 2 else 1
    return Ramp(start, step, len(result), result.dtype)  # type: ignore[arg-type]  # numbers


@handles(aten.cat.default)
def _cat(low: Lowering, node: fx.Node) -> Value:
    result, dim = node.meta["val"], int(node.args[1] if len(node.args) > 1 else 0)  # type: ignore[arg-type]
    dim %= len(result.shape)
    target, start = low.new(result.shape, result.dtype), 0
    for argument in node.args[0]:  # type: ignore[union-attr]  # a list of nodes
        value = low.value(argument)
        if value.shape == (0,):
            continue
        if value.numel:
            place = _part(target, dim, start, value.shape[dim])
            low.store(low.converted(value, result.dtype), place)
        start += value.shape[dim]
    return target


@handles(aten.slice_scatter.default, aten.select_scatter.default)
def _scattered(low: Lowering, node: fx.Node) -> Value:
    result, base, part = node.meta["val"], low.value(node.args[0]), low.value(node.args[1])
    dim = int(node.args[2] if len(node.args) > 2 else 0) % len(result.shape)  # type: ignore[arg-type]
    length = result.shape[dim]
    if node.target is aten.select_scatter.default:
        start = int(node.args[3]) % length  # type: ignore[arg-type]
        stop, part = start + 1, low.reshaped(part, [*part.shape[:dim], 1, *part.shape[dim:]])
    else:
        start, stop = (node.args[3] if len(node.args) > 3 else None) or 0, node.args[4] if len(node.args) > 4 else None
        if len(node.args) > 5 and node.args[5] != 1:
            return _striding(low, node, base, part)
        start, stop, _ = slice(start, stop).indices(length)
    target = low.new(result.shape, result.dtype)
    for low_end, high_end, value in ((0, start, base), (start, stop, part), (stop, length, base)):
        if high_end > low_end:
            piece = value if value is part else low.view(base, lambda s, a=low_end, b=high_end: s.narrow(dim, a, b - a))  # type: ignore[misc]
            low.store(low.converted(piece, result.dtype), _part(target, dim, low_end, high_end - low_end))
    return target


def _striding(low: Lowering, node: fx.Node, base: Value, part: Value) -> Memory:
    """A slice with a step: everything is copied, then every so many overwritten."""
    result = node.meta["val"]
    target = low.new(result.shape, result.dtype)
    place = target.through(lambda stand_in: aten.slice.Tensor(stand_in, *node.args[2:]))
    assert place is not None
    low.store(low.converted(base, result.dtype), target)
    low.store(low.converted(part, result.dtype), place)
    return target


@handles(aten.diagonal_scatter.default)
def _diagonal_scatter(low: Lowering, node: fx.Node) -> Value:
    result = node.meta["val"]
    target = low.new(result.shape, result.dtype)
    place = target.through(lambda stand_in: aten.diagonal.default(stand_in, *node.args[2:]))
    assert place is not None
    low.store(low.converted(low.value(node.args[0]), result.dtype), target)
    low.store(low.converted(low.value(node.args[1]), result.dtype), place)
    return target


@handles(aten.constant_pad_nd.default)
def _pad(low: Lowering, node: fx.Node) -> Value:
    value, result = low.value(node.args[0]), node.meta["val"]
    widths: Sequence[int] = node.args[1]  # type: ignore[assignment]  # numbers, the last dimension's first
    number = node.args[2] if len(node.args) > 2 else 0
    target = low.new(result.shape, result.dtype)
    inner = target
    for position in range(len(widths) // 2):
        dim = len(result.shape) - 1 - position
        before, after = widths[2 * position], widths[2 * position + 1]
        if before < 0:
            value = low.view(value, lambda s, d=dim, a=-before: s.narrow(d, a, s.shape[d] - a))  # type: ignore[misc]
        if after < 0:
            value = low.view(value, lambda s, d=dim, a=-after: s.narrow(d, 0, s.shape[d] - a))  # type: ignore[misc]
        inner = _part(inner, dim, max(0, before), value.shape[dim])
    if inner.numel < target.numel:
        low.store(Constant(number, result.shape, result.dtype), target)  # type: ignore[arg-type]  # a number
    low.store(value, inner)
    return target


def _part(target: Memory, dim: int, start: int, length: int) -> Memory:
    seen = target.through(lambda stand_in: stand_in.narrow(dim, start, length))
    assert seen is not None
    return seen
