"""Operations that are calls of a precompiled kernel: matrix products, convolutions, pooling."""

import ctypes
from collections.abc import Sequence
from typing import Any

import torch
from torch import fx

from ravine.fleet.native.lowering import Lowering, handles
from ravine.fleet.native.structures import Convolution, Pooling, Product
from ravine.fleet.native.values import Constant, Memory, Unsupported, Value, broadcast

aten = torch.ops.aten


def _initialiser(structure: ctypes.Structure) -> str:
    return ", ".join(str(getattr(structure, name)) for name, *_ in structure._fields_)


def product(low: Lowering, left: Value, right: Value) -> Value:
    """Left (..., M, K) times right (..., K, N), with at most one batch dimension, at any strides.

    Products with a vector are loops instead of calls: they join the loops around them.
    """
    if left.shape[-1] == 1:
        shape = (*left.shape[:-1], right.shape[-1])
        return low.pointwise(lambda x, y: f"({x} * {y})", broadcast(left, shape), broadcast(right, shape))
    if len(left.shape) == 2 and right.shape[1] == 1:
        return low.reshaped(_weighted_rows(low, left, low.reshaped(right, right.shape[:1])), [left.shape[0], 1])
    if len(left.shape) == 2 and left.shape[0] == 1:
        turned = low.permuted(low.memory(right), [1, 0])
        return low.reshaped(_weighted_rows(low, turned, low.reshaped(left, left.shape[1:])), [1, right.shape[1]])
    return _called_product(low, left, right)


def _weighted_rows(low: Lowering, matrix: Value, vector: Value) -> Memory:
    """Matrix (M, K) times vector (K,), over the matrix in the order in which it lies in memory."""
    matrix = low.memory(matrix)
    if matrix.strides[0] < matrix.strides[1]:
        turned = low.permuted(matrix, [1, 0])
        weights = broadcast(low.reshaped(low.memory(vector), [*vector.shape, 1]), turned.shape)
        terms, dim = low.pointwise(lambda x, y: f"({x} * {y})", turned, weights), 0
    else:
        terms, dim = low.pointwise(lambda x, y: f"({x} * {y})", matrix, broadcast(low.memory(vector), matrix.shape)), 1
    return low.reduce(terms, [dim], "sum")


def _called_product(low: Lowering, left: Value, right: Value) -> Memory:
    a, b = low.memory(left), low.memory(right)
    if not a.dtype.is_floating_point or a.dtype != b.dtype:
        raise Unsupported("it multiplies matrices of integers")
    batch = a.shape[0] if len(a.shape) == 3 else 1
    target = low.new([*a.shape[:-1], b.shape[-1]], a.dtype)
    if a.shape[-1] == 0 or target.numel == 0:
        raise Unsupported("a matrix in it is empty")
    single = len(a.shape) == 2
    description = Product(
        batch, a.shape[-2], b.shape[-1], a.shape[-1],
        0 if single else a.strides[0], a.strides[-2], a.strides[-1],
        0 if single else b.strides[0], b.strides[-2], b.strides[-1],
        0 if single else target.strides[0], target.strides[-2], target.strides[-1],
        0,
    )  # fmt: skip
    text = (
        f"static const Product d = {{{_initialiser(description)}}}; "
        f"kernels->product(&d, {a.buffer.name} + {a.offset}, {b.buffer.name} + {b.offset}, {target.buffer.name}, workspace);"
    )
    low.call(text, [a, b], [target], lambda kernels: int(kernels.product_scratch(ctypes.byref(description))))
    return target


@handles(aten.mm.default, aten.bmm.default)
def _product(low: Lowering, node: fx.Node) -> Value:
    return product(low, low.value(node.args[0]), low.value(node.args[1]))


@handles(aten.addmm.default, aten.baddbmm.default)
def _added_product(low: Lowering, node: fx.Node) -> Value:
    result = product(low, low.value(node.args[1]), low.value(node.args[2]))
    scales = [node.kwargs.get("beta", 1), node.kwargs.get("alpha", 1)]
    added = broadcast(low.value(node.args[0]), result.shape)
    if scales == [1, 1]:
        return low.pointwise(lambda a, p: f"({a} + {p})", added, result)
    beta, alpha = (Constant(scale, result.shape, result.dtype) for scale in scales)  # type: ignore[arg-type]  # numbers
    return low.pointwise(lambda a, s, p, t: f"({a} * {s} + {p} * {t})", added, beta, result, alpha)


@handles(aten.mv.default)
def _matrix_vector(low: Lowering, node: fx.Node) -> Value:
    matrix, vector = low.value(node.args[0]), low.value(node.args[1])
    return low.reshaped(product(low, matrix, low.reshaped(vector, [*vector.shape, 1])), node.meta["val"].shape)


@handles(aten.dot.default)
def _dot(low: Lowering, node: fx.Node) -> Value:
    left, right = low.value(node.args[0]), low.value(node.args[1])
    pair = low.reshaped(left, [1, *left.shape]), low.reshaped(right, [*right.shape, 1])
    return low.reshaped(product(low, *pair), ())


def _pair(given: Any, rank: int, default: int = 0) -> tuple[int, int]:
    """A setting for height and width; one-dimensional operations have height one."""
    values = [int(number) for number in given] or [default] * rank
    values = values * rank if len(values) == 1 else values
    return (default, values[0]) if rank == 1 else (values[0], values[1])


def _convolution(shapes: Sequence[Sequence[int]], settings: Sequence[Any]) -> Convolution:
    """The description of a convolution from the shapes of its image, weight and result.

    A transposed one is described by the ordinary one whose gradient by the image it is.
    """
    image, weight, result = ([*shape[:2], *([1] if len(shape) == 3 else []), *shape[2:]] for shape in shapes)
    stride, padding, dilation, is_transposed, _, groups = settings
    if is_transposed:
        image, result = result, image
    rank = len(shapes[0]) - 2
    if rank not in (1, 2):
        raise Unsupported(f"it convolves in {rank} dimensions")
    (stride_h, stride_w), (pad_h, pad_w), (dilation_h, dilation_w) = (
        _pair(given, rank, default) for given, default in ((stride, 1), (padding, 0), (dilation, 1))
    )
    return Convolution(
        image[0], groups, image[1], weight[0], *image[2:], *result[2:], *weight[2:],
        stride_h, stride_w, pad_h, pad_w, dilation_h, dilation_w,
    )  # fmt: skip


def _call_convolution(low: Lowering, name: str, description: Convolution, reads: Sequence[Memory], target: Memory) -> None:
    pointers = ", ".join(f"{memory.buffer.name} + {memory.offset}" for memory in reads)
    text = (
        f"static const Convolution d = {{{_initialiser(description)}}}; kernels->{name}(&d, {pointers}, {target.buffer.name}, workspace);"
    )
    low.call(text, reads, [target], lambda kernels: int(kernels.convolution_scratch(ctypes.byref(description))))


def contiguous(low: Lowering, value: Value) -> Memory:
    """The value in row-major memory."""
    memory = low.memory(value)
    whole = Memory(memory.buffer, memory.shape, None, memory.offset)
    same = all(a == b for a, b, n in zip(memory.strides, whole.strides, memory.shape, strict=True) if n > 1)
    return memory if same else low.stored(memory)


@handles(aten.convolution.default)
def _forward(low: Lowering, node: fx.Node) -> Value:
    image, weight = contiguous(low, low.value(node.args[0])), contiguous(low, low.value(node.args[1]))
    target = low.new(node.meta["val"].shape, image.dtype)
    description = _convolution([image.shape, weight.shape, target.shape], node.args[3:])
    kernel = "convolution_input" if node.args[6] else "convolution"
    _call_convolution(low, kernel, description, [image, weight], target)
    bias = low.value(node.args[2])
    if bias is None:
        return target
    wide = low.reshaped(bias, [1, *bias.shape, *[1] * (len(target.shape) - 2)])
    return low.pointwise(lambda a, b: f"({a} + {b})", target, broadcast(wide, target.shape))


@handles(aten.convolution_backward.default)
def _backward(low: Lowering, node: fx.Node) -> list[Value | None]:
    gradient, image, weight = (contiguous(low, low.value(argument)) for argument in node.args[:3])
    description, is_transposed = _convolution([image.shape, weight.shape, gradient.shape], node.args[4:10]), node.args[7]
    wanted: Sequence[bool] = node.args[10]  # type: ignore[assignment]  # three flags
    used = {user.args[1] for user in node.users}
    results: list[Value | None] = [None, None, None]
    if wanted[0] and 0 in used:
        results[0] = target = low.new(image.shape, image.dtype)
        _call_convolution(low, "convolution" if is_transposed else "convolution_input", description, [gradient, weight], target)
    if wanted[1] and 1 in used:
        results[1] = target = low.new(weight.shape, weight.dtype)
        pair = [gradient, image] if is_transposed else [image, gradient]
        _call_convolution(low, "convolution_weight", description, pair, target)
    if wanted[2] and 2 in used:
        dims = [0, *range(2, len(gradient.shape))]
        results[2] = low.reshaped(low.reduce(gradient, dims, "sum"), [gradient.shape[1]])
    return results


def _pooling(node: fx.Node, image: Memory, result: Sequence[int], settings: Sequence[Any]) -> Pooling:
    kernel, stride, padding, dilation = (_pair(given, 2) for given in (settings[0], settings[1] or settings[0], *settings[2:4]))
    planes = image.numel // (image.shape[-1] * image.shape[-2])
    return Pooling(planes, *image.shape[-2:], *result[-2:], *kernel, *stride, *padding, *dilation)


@handles(aten.max_pool2d_with_indices.default)
def _max_pool(low: Lowering, node: fx.Node) -> list[Value]:
    image = contiguous(low, low.value(node.args[0]))
    result, index = node.meta["val"]
    settings = [*node.args[1:], *[[], [0], [1], False][len(node.args) - 2 :]]
    target, places = low.new(result.shape, result.dtype), low.new(index.shape, index.dtype)
    description = _pooling(node, image, result.shape, settings)
    text = (
        f"static const Pooling d = {{{_initialiser(description)}}}; "
        f"kernels->max_pool(&d, {image.buffer.name} + {image.offset}, {target.buffer.name}, {places.buffer.name});"
    )
    low.call(text, [image], [target, places])
    return [target, places]


@handles(aten.max_pool2d_with_indices_backward.default)
def _max_pool_backward(low: Lowering, node: fx.Node) -> Value:
    gradient, image, places = (contiguous(low, low.value(node.args[position])) for position in (0, 1, 7))
    target = low.new(image.shape, gradient.dtype)
    description = _pooling(node, image, gradient.shape, node.args[2:6])
    text = (
        f"static const Pooling d = {{{_initialiser(description)}}}; kernels->max_pool_input(&d, "
        f"{gradient.buffer.name} + {gradient.offset}, {places.buffer.name} + {places.offset}, {target.buffer.name});"
    )
    low.call(text, [gradient, places], [target])
    return target


@handles(aten.avg_pool2d.default)
def _average_pool(low: Lowering, node: fx.Node) -> Value:
    image, result = contiguous(low, low.value(node.args[0])), node.meta["val"]
    target = low.new(result.shape, result.dtype)
    _call_average(low, "average_pool", _averaging(node, image, result.shape, node.args[1:]), image, target)
    return target


@handles(aten.avg_pool2d_backward.default)
def _average_pool_backward(low: Lowering, node: fx.Node) -> Value:
    gradient, result = contiguous(low, low.value(node.args[0])), node.meta["val"]
    target = low.new(result.shape, result.dtype)
    _call_average(low, "average_pool_input", _averaging(node, target, gradient.shape, node.args[2:]), gradient, target)
    return target


def _averaging(node: fx.Node, image: Memory, result: Sequence[int], given: Sequence[Any]) -> Pooling:
    defaults = [[], [], [0], False, True, None]
    settings = [*given, *defaults[len(given) :]]
    description = _pooling(node, image, result, [settings[0], settings[1], settings[2], [1]])
    description.count_include_pad, description.divisor = int(settings[4]), settings[5] or 0
    return description


def _call_average(low: Lowering, name: str, description: Pooling, source: Memory, target: Memory) -> None:
    pointers = f"{source.buffer.name} + {source.offset}, {target.buffer.name}"
    low.call(f"static const Pooling d = {{{_initialiser(description)}}}; kernels->{name}(&d, {pointers});", [source], [target])
