"""Operations that reduce, choose or normalise."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import fx

from ravine.fleet.native.elementwise import PLAIN, power
from ravine.fleet.native.loops import SHORT, Kind
from ravine.fleet.native.lowering import Lowering, handles
from ravine.fleet.native.values import Constant, Memory, Pointwise, Ramp, Reindexed, Unsupported, Value, broadcast

aten = torch.ops.aten


def _dims(given: Any, rank: int) -> list[int]:
    if given is None or given == [] or not rank:
        return list(range(rank))
    return sorted({dim % rank for dim in ([given] if isinstance(given, int) else given)})


def _result(low: Lowering, node: fx.Node, value: Value) -> Value:
    """The reduced value in the shape that was asked for."""
    return low.reshaped(value, node.meta["val"].shape)


@handles(aten.sum.dim_IntList, aten.sum.default)
def _sum(low: Lowering, node: fx.Node) -> Value:
    value, dtype = low.value(node.args[0]), node.meta["val"].dtype
    dims = _dims(node.args[1] if len(node.args) > 1 else None, len(value.shape))
    return _result(low, node, low.reduce(low.converted(value, dtype), dims, "sum"))


@handles(aten.mean.dim, aten.mean.default)
def _mean(low: Lowering, node: fx.Node) -> Value:
    value, dtype = low.value(node.args[0]), node.meta["val"].dtype
    dims = _dims(node.args[1] if len(node.args) > 1 else None, len(value.shape))
    return _result(low, node, mean(low, low.converted(value, dtype), dims))


@handles(aten.amax.default, aten.amin.default)
def _extremum(low: Lowering, node: fx.Node) -> Value:
    value = low.value(node.args[0])
    dims = _dims(node.args[1] if len(node.args) > 1 else None, len(value.shape))
    kind: Kind = "max" if node.target is aten.amax.default else "min"
    return _result(low, node, low.reduce(value, dims, kind))


@handles(aten.any.dim, aten.any.dims, aten.any.default)
def _any(low: Lowering, node: fx.Node) -> Value:
    value = low.value(node.args[0])
    dims = _dims(node.args[1] if len(node.args) > 1 else None, len(value.shape))
    return _result(low, node, low.reduce(low.converted(value, torch.bool), dims, "any"))


@handles(aten.argmax.default)
def _argmax(low: Lowering, node: fx.Node) -> Value:
    """Position of the first largest element along the last dimension; NaN counts as the largest."""
    value, result = low.value(node.args[0]), node.meta["val"]
    dim = node.args[1] if len(node.args) > 1 else None
    if dim is None or dim % len(value.shape) != len(value.shape) - 1:  # type: ignore[operator]  # a number
        raise Unsupported("it takes an argmax along a dimension that is not the last")
    memory, length = low.stored(value), value.shape[-1]
    target = low.new(result.shape, result.dtype)
    source = memory.buffer.name
    low.call(
        f"for (long i = 0; i < {memory.numel // length}; ++i) {{ long best = 0; "
        f"for (long j = 1; j < {length}; ++j) {{ const auto x = {source}[i * {length} + j], y = {source}[i * {length} + best]; "
        f"if (x > y || (x != x && y == y)) best = j; }} {target.buffer.name}[i] = best; }}",
        [memory],
        [target],
    )
    return target


@handles(aten.linalg_vector_norm.default)
def _norm(low: Lowering, node: fx.Node) -> Value:
    value, order = low.value(node.args[0]), float(node.args[1] if len(node.args) > 1 else 2)  # type: ignore[arg-type]  # a number
    dims = _dims(node.args[2] if len(node.args) > 2 else None, len(value.shape))
    if node.kwargs.get("dtype") not in (None, value.dtype):
        raise Unsupported("it takes a vector norm in another dtype")
    if order == 0:
        counted = low.pointwise(lambda a: f"({a} != 0 ? 1 : 0)", value)
        return _result(low, node, low.reduce(counted, dims, "sum"))
    if order in (1, math.inf, -math.inf):
        kind: Kind = "sum" if order == 1 else "max" if order > 0 else "min"
        return _result(low, node, low.reduce(low.pointwise(PLAIN[aten.abs.default], value), dims, kind))
    raised = low.reduce(low.pointwise(power(order, value.dtype), low.pointwise(PLAIN[aten.abs.default], value)), dims, "sum")
    return _result(low, node, low.pointwise(power(1 / order, value.dtype), raised))


@handles(aten.var.correction, aten.var_mean.correction)
def _variance(low: Lowering, node: fx.Node) -> Any:
    value = low.value(node.args[0])
    dims = _dims(node.args[1] if len(node.args) > 1 else node.kwargs.get("dim"), len(value.shape))
    correction = node.kwargs.get("correction")
    centre, spread = moments(low, value, dims, 1 if correction is None else correction)  # type: ignore[arg-type]  # a number
    results = node.meta["val"]
    if isinstance(results, torch.Tensor):
        return low.reshaped(spread, results.shape)
    return [low.reshaped(spread, results[0].shape), low.reshaped(centre, results[1].shape)]


def scaled(low: Lowering, value: Value, factor: float) -> Pointwise:
    """A value times a number."""
    return low.pointwise(lambda a, s: f"({a} * {s})", value, Constant(factor, value.shape, value.dtype))


def mean(low: Lowering, value: Value, dims: Sequence[int]) -> Memory:
    """Mean over dimensions, which stay with length one."""
    count = math.prod(value.shape[dim] for dim in dims)
    return low.stored(scaled(low, low.reduce(value, dims, "sum"), 1.0 / count))


def moments(low: Lowering, value: Value, dims: Sequence[int], correction: float = 0.0) -> tuple[Memory, Memory]:
    """Mean and variance in two passes; reduced dimensions stay with length one."""
    value = low.memory(value)
    count = math.prod(value.shape[dim] for dim in dims)
    centre = mean(low, value, dims)
    apart = low.pointwise(lambda a, m: f"({a} - {m})", value, broadcast(centre, value.shape))
    squares = low.reduce(low.pointwise(lambda a: f"({a} * {a})", apart), dims, "sum")
    return centre, low.stored(scaled(low, squares, 1.0 / (count - correction) if count > correction else math.nan))


def inverse_root(low: Lowering, variance: Value, eps: float) -> Memory:
    """1 / sqrt(variance + eps)."""
    term = Constant(eps, variance.shape, variance.dtype)
    return low.stored(low.pointwise(lambda a, e: f"(1 / math::sqrt({a} + {e}))", variance, term))


def affine(low: Lowering, value: Value, moved: tuple[Value, Value], weight: Value | None, bias: Value | None) -> Value:
    """(value - centre) * scale * weight + bias, `moved` being centre and scale."""
    centre, scale = moved
    shape = value.shape
    result = low.pointwise(lambda a, m, s: f"(({a} - {m}) * {s})", value, broadcast(centre, shape), broadcast(scale, shape))
    if weight is not None:
        result = low.pointwise(lambda a, w: f"({a} * {w})", result, broadcast(weight, shape))
    if bias is not None:
        result = low.pointwise(lambda a, b: f"({a} + {b})", result, broadcast(bias, shape))
    return low.stored(result)


@handles(aten.native_layer_norm.default)
def _layer_norm(low: Lowering, node: fx.Node) -> Any:
    value, shape, weight, bias, eps = (low.value(argument) for argument in node.args)
    dims = list(range(len(value.shape) - len(shape), len(value.shape)))
    value = low.memory(value)
    centre, variance = moments(low, value, dims)
    scale = inverse_root(low, variance, eps)
    return [affine(low, value, (centre, scale), weight, bias), centre, scale]


@handles(aten.native_group_norm.default)
def _group_norm(low: Lowering, node: fx.Node) -> Any:
    value, weight, bias, count, channels, inner, groups, eps = (low.value(argument) for argument in node.args)
    grouped = low.reshaped(low.memory(value), [count, groups, channels // groups, inner])
    centre, variance = moments(low, grouped, [2, 3])
    scale = inverse_root(low, variance, eps)
    pair = [None if each is None else low.reshaped(each, [1, groups, channels // groups, 1]) for each in (weight, bias)]
    result = affine(low, low.memory(grouped), (centre, scale), *pair)
    return [low.reshaped(result, value.shape), low.reshaped(centre, [count, groups]), low.reshaped(scale, [count, groups])]


@handles(aten.native_batch_norm.default, aten._native_batch_norm_legit.default)
def _batch_norm(low: Lowering, node: fx.Node) -> Any:
    value, weight, bias, running_mean, running_var, training, momentum, eps = (low.value(argument) for argument in node.args)
    value = low.memory(value)
    wide = [1, value.shape[1], *[1] * (len(value.shape) - 2)]
    pair = [None if each is None else low.reshaped(each, wide) for each in (weight, bias)]
    if not training:
        scale = inverse_root(low, low.reshaped(running_var, wide), eps)
        empty = Constant(0, (0,), value.dtype)
        return [affine(low, value, (low.reshaped(running_mean, wide), scale), *pair), empty, empty]
    dims = [0, *range(2, len(value.shape))]
    centre, variance = moments(low, value, dims)
    scale = inverse_root(low, variance, eps)
    if running_mean is not None:
        count = value.numel // value.shape[1]
        if count == 1:
            raise Unsupported("it normalises over one value")
        unbiased = scaled(low, variance, count / (count - 1))
        for position, old, new in ((3, running_mean, centre), (4, running_var, unbiased)):
            blended = _blend(low, old, low.reshaped(new, old.shape), momentum)
            low.rebind(node.args[position], blended)  # type: ignore[arg-type]  # the operation writes its running statistics in place
    flat = [value.shape[1]]
    return [affine(low, value, (centre, scale), *pair), low.reshaped(centre, flat), low.reshaped(scale, flat)]


def _blend(low: Lowering, old: Value, new: Value, share: float) -> Memory:
    keep, take = (Constant(number, old.shape, old.dtype) for number in (1.0 - share, share))
    return low.stored(low.pointwise(lambda a, k, b, t: f"({a} * {k} + {b} * {t})", old, keep, new, take))


@handles(aten._softmax.default, aten._log_softmax.default)
def _softmax(low: Lowering, node: fx.Node) -> Value:
    value = low.memory(low.converted(low.value(node.args[0]), node.meta["val"].dtype))
    dims = _dims(node.args[1], len(value.shape))
    top = broadcast(low.reduce(value, dims, "max"), value.shape)
    lowered: Value = low.pointwise(lambda a, m: f"({a} - {m})", value, top)
    if dims == [len(value.shape) - 1] and value.shape[-1] < SHORT:
        lowered = low.stored(lowered)
    raised = low.stored(low.pointwise(lambda a: f"r_exp({a})", lowered))
    total = low.reduce(raised, dims, "sum")
    if node.target is aten._softmax.default:
        scale = low.stored(low.pointwise(lambda s: f"(1 / {s})", total))
        return low.stored(low.pointwise(lambda e, s: f"({e} * {s})", raised, broadcast(scale, value.shape)))
    shift = low.stored(low.pointwise(lambda s: f"r_log({s})", total))
    return low.stored(low.pointwise(lambda a, s: f"({a} - {s})", lowered, broadcast(shift, value.shape)))


@handles(aten.where.self)
def _where(low: Lowering, node: fx.Node) -> Value:
    result = node.meta["val"]
    condition = low.operand(node.args[0], result.shape, torch.bool)
    pair = [low.operand(argument, result.shape, result.dtype) for argument in node.args[1:]]
    return low.pointwise(lambda c, a, b: f"({c} ? {a} : {b})", condition, *pair, dtype=result.dtype)


@handles(aten.pow.Tensor_Scalar)
def _pow(low: Lowering, node: fx.Node) -> Value:
    result = node.meta["val"]
    return low.pointwise(power(node.args[1], result.dtype), low.operand(node.args[0], result.shape, result.dtype))  # type: ignore[arg-type]


@handles(aten.tril.default, aten.triu.default)
def _triangle(low: Lowering, node: fx.Node) -> Value:
    value, shift = low.value(node.args[0]), node.args[1] if len(node.args) > 1 else 0
    row, column = (Ramp(0, 1, length, torch.int64) for length in value.shape[-2:])
    rows = Reindexed(value.shape, row, lambda indices: (indices[-2],))
    columns = Reindexed(value.shape, column, lambda indices: (indices[-1],))
    sign = "<=" if node.target is aten.tril.default else ">="
    return low.pointwise(lambda i, j, a: f"({j} - {i} {sign} {shift} ? {a} : 0)", rows, columns, value, dtype=value.dtype)


@handles(aten.lerp.Scalar, aten.lerp.Tensor)
def _lerp(low: Lowering, node: fx.Node) -> Value:
    result = node.meta["val"]
    start, stop, weight = (low.operand(argument, result.shape, result.dtype) for argument in node.args)
    return low.pointwise(lambda a, b, w: f"({a} + {w} * ({b} - {a}))", start, stop, weight)


@handles(aten.bitwise_not.default)
def _bitwise_not(low: Lowering, node: fx.Node) -> Value:
    value = low.value(node.args[0])
    return low.pointwise((lambda a: f"(!{a})") if value.dtype == torch.bool else (lambda a: f"(~{a})"), value)
