"""Operations whose places are computed: lookups in tables, and additions to rows that an integer tensor names.

A place outside its table never touches memory that is not the table's: what is read there is NaN (0 for integers), what
is added there is dropped. torch raises instead; the NaN ends the lane.
"""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import fx

from ravine.fleet.native.calling import contiguous
from ravine.fleet.native.lowering import Lowering, handles
from ravine.fleet.native.values import Constant, Index, Indices, Lookup, Memory, Ramp, Reindexed, Unsupported, Value, broadcast, row_major

aten = torch.ops.aten


@handles(aten.embedding.default)
def _embedding(low: Lowering, node: fx.Node) -> Value:
    return _rows(low, low.value(node.args[0]), 0, low.value(node.args[1]), node)


@handles(aten.index_select.default)
def _index_select(low: Lowering, node: fx.Node) -> Value:
    table = low.value(node.args[0])
    return _rows(low, table, _dim(node.args[1], table.shape), low.value(node.args[2]), node)


@handles(aten.index.Tensor)
def _index(low: Lowering, node: fx.Node) -> Value:
    table = low.value(node.args[0])
    dim, count, position = _chosen(low, node.args[1], table.shape)
    if count > 1:
        shape = [*table.shape[:dim], math.prod(table.shape[dim : dim + count]), *table.shape[dim + count :]]
        table = low.reshaped(table, shape)
    return _rows(low, table, dim, position, node)


def _dim(given: Any, shape: Sequence[int]) -> int:
    return int(given) % max(1, len(shape))


def _chosen(low: Lowering, given: Any, shape: Sequence[int]) -> tuple[int, int, Value]:
    """First dimension that is indexed, how many are, and the position in those dimensions laid end to end."""
    chosen = [(dim, low.value(argument)) for dim, argument in enumerate(given) if argument is not None]
    first, count = chosen[0][0], len(chosen)
    if any(position.dtype in (torch.bool, torch.uint8) for _, position in chosen):
        raise Unsupported("it indexes with a mask")
    if [dim for dim, _ in chosen] != list(range(first, first + count)):
        raise Unsupported("it indexes with tensors in dimensions that are not neighbours")
    if count == 1:
        return first, 1, chosen[0][1]
    wide = torch.broadcast_shapes(*(position.shape for _, position in chosen))  # type: ignore[no-untyped-call]
    lengths = shape[first : first + count]

    def place(*positions: str) -> str:
        text, inside = "0", "true"
        for position, length in zip(positions, lengths, strict=True):
            wrapped = f"({position} < 0 ? {position} + {length} : {position})"
            text, inside = f"({text} * {length} + {wrapped})", f"{inside} && {wrapped} >= 0 && {wrapped} < {length}"
        return f"({inside} ? {text} : {math.prod(lengths)}L)"

    return first, count, low.stored(low.pointwise(place, *(low.operand(position, wide, torch.int64) for _, position in chosen)))


def _rows(low: Lowering, table: Value, dim: int, position: Value, node: fx.Node) -> Value:
    """`table` with its dimension `dim` replaced by the dimensions of `position`."""
    memory, shape, count = low.memory(table), node.meta["val"].shape, len(position.shape)
    if not isinstance(position, Memory | Ramp):
        position = low.stored(position)

    def mapping(indices: Indices) -> Indices:
        return (*indices[:dim], Index(), *indices[dim + count :])

    wide = Reindexed(shape, position, lambda indices: indices[dim : dim + count])
    return Lookup(memory, dim, wide, mapping)


@handles(aten.gather.default)
def _gather(low: Lowering, node: fx.Node) -> Value:
    table, position = low.memory(low.value(node.args[0])), low.value(node.args[2])
    return Lookup(table, _dim(node.args[1], table.shape), position, lambda indices: indices)


@handles(aten.scatter.value, aten.scatter.src, aten.scatter_add.default)
def _scatter(low: Lowering, node: fx.Node) -> Value:
    result, base, position = node.meta["val"], low.value(node.args[0]), low.value(node.args[2])
    dim, kind = _dim(node.args[1], result.shape), result.dtype
    if node.target is aten.scatter.value:
        single = tuple(1 if at == dim else length for at, length in enumerate(result.shape))
        if position.shape == single:
            return _marked(low, low.converted(base, kind), dim, position, node.args[3])
        values: Value = Constant(node.args[3], position.shape, kind)  # type: ignore[arg-type]  # a number
    else:
        source = low.value(node.args[3])
        values = Reindexed(position.shape, source, lambda indices: indices)
    position, values = contiguous(low, position), contiguous(low, low.stored(values))
    target = low.stored(low.converted(base, kind))
    strides = [stride for at, stride in enumerate(row_major(result.shape)) if at != dim]
    numbers = [f"i{at}" for at in range(len(position.shape)) if at != dim]
    elsewhere = " + ".join([f"{number} * {stride}" for number, stride in zip(numbers, strides, strict=True)] or ["0"])
    place = " + ".join(f"i{at} * {stride}" for at, stride in enumerate(row_major(position.shape))) or "0"
    loops = "".join(f"for (long i{at} = 0; i{at} < {length}; ++i{at}) " for at, length in enumerate(position.shape))
    length, step = (result.shape[dim], row_major(result.shape)[dim]) if result.shape else (1, 1)
    sign = "+=" if node.target is aten.scatter_add.default else "="
    low.call(
        f"{loops}{{ const long at = {place}, row = {position.buffer.name}[{position.offset} + at]; "
        f"if ((unsigned long)row < {length}) {target.buffer.name}[{elsewhere} + row * {step}] {sign} "
        f"{values.buffer.name}[{values.offset} + at]; }}",
        [values, position, target],
        [target],
    )
    return target


def _marked(low: Lowering, base: Value, dim: int, position: Value, number: Any) -> Value:
    """One position a row: a comparison with it, instead of a write to it."""
    ramp = Ramp(0, 1, base.shape[dim] if base.shape else 1, position.dtype)
    wide = Reindexed(base.shape, ramp, lambda indices: (indices[dim],) if indices else (Index(),))
    new = Constant(number, base.shape, base.dtype)
    return low.pointwise(
        lambda at, wanted, new, old: f"({at} == {wanted} ? {new} : {old})",
        wide,
        broadcast(position, base.shape),
        new,
        base,
        dtype=base.dtype,
    )


@handles(aten.embedding_dense_backward.default)
def _embedding_backward(low: Lowering, node: fx.Node) -> Value:
    values, position, _, padding, is_scaled = (low.value(argument) for argument in node.args)
    if is_scaled:
        raise Unsupported("it scales an embedding's gradient by frequency")
    return _added(low, Constant(0, node.meta["val"].shape, values.dtype), 0, position, values, padding=padding)


@handles(aten.index_put.default)
def _index_put(low: Lowering, node: fx.Node) -> Value:
    result = node.meta["val"]
    if len(node.args) < 4 or not node.args[3]:
        raise Unsupported("it writes to computed places")
    dim, count, position = _chosen(low, node.args[1], result.shape)
    shape = [*result.shape[:dim], math.prod(result.shape[dim : dim + count]), *result.shape[dim + count :]]
    base = low.reshaped(low.converted(low.value(node.args[0]), result.dtype), shape)
    return low.reshaped(_added(low, base, dim, position, low.value(node.args[2])), result.shape)


def _added(low: Lowering, base: Value, dim: int, position: Value, values: Value, *, padding: int = -1) -> Memory:
    """`base` plus values at computed places of one dimension, one after the other."""
    shape = base.shape
    outer, length, width = math.prod(shape[:dim]), shape[dim], math.prod(shape[dim + 1 :])
    values = contiguous(low, broadcast(values, [*shape[:dim], *position.shape, *shape[dim + 1 :]]))
    position = contiguous(low, position)
    target, rows = low.stored(base), position.numel
    skip = f"if (row == {padding}) continue; " if padding >= 0 else ""
    low.call(
        f"for (long o = 0; o < {outer}; ++o) for (long i = 0; i < {rows}; ++i) {{ "
        f"long row = {position.buffer.name}[{position.offset} + i]; {skip}if (row < 0) row += {length}; "
        f"if ((unsigned long)row >= {length}) continue; "
        f"for (long j = 0; j < {width}; ++j) {target.buffer.name}[(o * {length} + row) * {width} + j] += "
        f"{values.buffer.name}[{values.offset} + (o * {rows} + i) * {width} + j]; }}",
        [values, position, target],
        [target],
    )
    return target
