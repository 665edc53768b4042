# ruff: noqa: B008, PLW0108, E731, E501, RUF100 - a table of short functions, each bound to the operation that it calls
"""One table for the operations that have native code: how each is called, on which tensors. Operations are called by their own names, so
that every handler is reached, whatever torch decomposes today."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

import ravine.fleet.native.program  # noqa: F401 - importing it registers every handler
from ravine.fleet.native.lowering import HANDLERS

aten = torch.ops.aten
F32, F64, I64, I32, U8, BOOL = torch.float32, torch.float64, torch.int64, torch.int32, torch.uint8, torch.bool


@dataclass(frozen=True)
class Case:
    """A call.

    Attributes:
        target: the operation that it holds to account.
        call: function of the tensors; returns one or a tuple.
        inputs: the tensors.
        id: unique.
        tolerance: of results, by default a few roundings of their dtype.
    """

    target: Any
    call: Callable[..., Any]
    inputs: tuple[torch.Tensor, ...]
    id: str
    tolerance: float | None = None

    @property
    def element(self):
        return F64 if any(tensor.dtype == F64 for tensor in self.inputs) else F32

    @property
    def limit(self):
        return self.tolerance or (1e-12 if self.element == F64 else 2e-6)


def normal(*shape, dtype=F32, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=F64).to(dtype)


def whole(*shape, low=-5, high=6, dtype=I64, seed=0):
    return torch.randint(low, high, shape, generator=torch.Generator().manual_seed(seed)).to(dtype)


def coins(*shape, seed=0):
    return whole(*shape, low=0, high=2, seed=seed).bool()


def special(dtype=F32):
    """The numbers that comparisons and extrema trip over."""
    inf, nan = float("inf"), float("nan")
    return torch.tensor([nan, inf, -inf, 0.0, -0.0, 1.0, -1.0, 0.5, -2.5, 1e-30, -3e30, 7.0, 88.0, -88.0, 1e-3, 3.0], dtype=dtype)


def pairs(dtype=F32):
    """Every pair of the special numbers."""
    values = special(dtype)
    return values[:, None].expand(16, 16).contiguous(), values[None, :].expand(16, 16).contiguous()


UNARY = [
    "neg", "relu", "exp", "log", "log1p", "expm1", "tanh", "sigmoid", "erf", "sin", "cos", "sqrt", "rsqrt", "reciprocal", "abs",
    "sign", "floor", "silu", "ceil", "trunc", "round", "tan", "asin", "acos", "atan", "sinh", "cosh", "asinh", "acosh", "atanh", "erfc",
    "exp2", "log2", "log10",
]  # fmt: skip
LOGICAL_ONE = ["logical_not", "isnan", "isinf"]
BINARY = [
    "add.Tensor",
    "sub.Tensor",
    "mul.Tensor",
    "div.Tensor",
    "maximum.default",
    "minimum.default",
    "clamp_min.Tensor",
    "clamp_max.Tensor",
]
COMPARED = [f"{name}.Tensor" for name in ("eq", "ne", "lt", "le", "gt", "ge")]


def op(name):
    packet, _, overload = name.partition(".")
    return getattr(getattr(aten, packet), overload or "default")


def unary_cases():
    for name in UNARY:
        target = op(name)
        for dtype in (F32, F64):
            # Sine and cosine of huge numbers are only promised to lie between -1 and 1 in float32.
            given = special(dtype)
            given[10] = -30.0 if name in ("sin", "cos", "tan") else given[10]
            yield Case(target, target, (given,), f"{name}-special-{dtype}")
            yield Case(target, target, (normal(3, 1, 37, dtype=dtype),), f"{name}-{dtype}")
        if name in ("neg", "relu", "abs", "sign"):
            yield Case(target, target, (whole(40),), f"{name}-int64")
            yield Case(target, target, (whole(40, dtype=I32),), f"{name}-int32")
    for name in LOGICAL_ONE:
        target = op(name)
        yield Case(target, target, (special(),), f"{name}-special")
        yield Case(target, target, (whole(9, low=-1, high=2),), f"{name}-int64")
        yield Case(target, target, (coins(9),), f"{name}-bool")


def binary_cases():
    for name in (*BINARY, *COMPARED):
        target = op(name)
        for dtype in (F32, F64):
            yield Case(target, target, pairs(dtype), f"{name}-special-{dtype}")
        yield Case(target, target, (normal(4, 1, 5), normal(3, 1, seed=1)), f"{name}-broadcast")
        yield Case(target, target, (whole(30), whole(30, low=1, seed=1)), f"{name}-int64")
        yield Case(target, target, (normal(7), whole(7, low=1)), f"{name}-mixed")
        yield Case(target, target, (normal(7), normal(dtype=F64)), f"{name}-zero-dimensional-double")
    for name in ("add.Tensor", "mul.Tensor", "maximum.default", *COMPARED):
        yield Case(op(name), op(name), (coins(20), coins(20, seed=1)), f"{name}-bool")
    for name in ("logical_and", "logical_or", "logical_xor"):
        for kind, given in {"bool": (coins(20), coins(20, seed=1)), "special": pairs(), "int": (whole(30), whole(30, seed=1))}.items():
            yield Case(op(name), op(name), given, f"{name}-{kind}")
    for name in ("bitwise_and", "bitwise_or", "bitwise_xor"):
        target = op(f"{name}.Tensor")
        yield Case(target, target, (coins(20), coins(20, seed=1)), f"{name}-bool")
        yield Case(target, target, (whole(30), whole(30, seed=1)), f"{name}-int64")
        yield Case(target, target, (coins(30), whole(30, seed=1)), f"{name}-mixed")


def scalar_cases():
    for name in ("eq", "ne", "lt", "le", "gt", "ge"):
        target = op(f"{name}.Scalar")
        yield Case(target, lambda x, t=target: t(x, 0.5), (special(),), f"{name}-number")
        yield Case(target, lambda x, t=target: t(x, 0.5), (whole(20),), f"{name}-int-and-float")
        yield Case(target, lambda x, t=target: t(x, 1), (coins(20),), f"{name}-bool-and-int")
    for name in ("add", "sub", "mul", "div"):
        target = op(f"{name}.Scalar")
        yield Case(target, lambda x, t=target: t(x, 0.1), (normal(20),), f"{name}-number")
        yield Case(target, lambda x, t=target: t(x, 0.1), (whole(20),), f"{name}-int-and-float")
        yield Case(target, lambda x, t=target: t(x, 3), (whole(20),), f"{name}-int-and-int")
    for name in ("add", "sub"):
        yield Case(
            op(f"{name}.Tensor"), lambda x, y, t=op(f"{name}.Tensor"): t(x, y, alpha=0.3), (normal(9), normal(9, seed=1)), f"{name}-alpha"
        )
        yield Case(op(f"{name}.Scalar"), lambda x, t=op(f"{name}.Scalar"): t(x, 0.7, 0.3), (normal(9),), f"{name}-number-alpha")
    base, exponent = normal(200).abs() + 0.1, normal(200, seed=2) * 3
    yield Case(aten.pow.Tensor_Tensor, aten.pow.Tensor_Tensor, (base, exponent), "pow-two-tensors")
    yield Case(aten.pow.Tensor_Tensor, aten.pow.Tensor_Tensor, pairs(F64), "pow-special-double")
    yield Case(aten.pow.Tensor_Tensor, aten.pow.Tensor_Tensor, tuple(t.clamp(-60, 60) for t in pairs()), "pow-special")
    yield Case(aten.pow.Scalar, lambda x: aten.pow.Scalar(2.5, x), (exponent,), "pow-number-base")
    for power in (0, 0.5, 1, 2, 3, 4, 1.7, -1, -0.5, -2, -3):
        yield Case(aten.pow.Tensor_Scalar, lambda x, p=power: aten.pow.Tensor_Scalar(x, p), (base,), f"pow-{power}")
    yield Case(aten.pow.Tensor_Scalar, lambda x: aten.pow.Tensor_Scalar(x, 2), (whole(20),), "pow-2-int")
    yield Case(aten.pow.Tensor_Scalar, lambda x: aten.pow.Tensor_Scalar(x, 4), (whole(20),), "pow-4-int")
    yield Case(aten.pow.Tensor_Scalar, lambda x: aten.pow.Tensor_Scalar(x, 0.5), (whole(20, low=0),), "pow-root-of-int")
    g, x = normal(16), special()
    yield Case(aten.threshold_backward.default, lambda g, x: aten.threshold_backward(g, x, 0), (g, x), "threshold_backward")
    for name in ("hardshrink_backward", "softshrink_backward"):
        yield Case(op(name), lambda g, x, o=op(name): o(g, x, 0.5), (g, x), name)
    yield Case(aten.tanh_backward.default, aten.tanh_backward, (g, normal(16, seed=1).tanh()), "tanh_backward")
    yield Case(aten.sigmoid_backward.default, aten.sigmoid_backward, (g, normal(16, seed=1).sigmoid()), "sigmoid_backward")
    yield Case(aten.clamp_min.default, lambda x: aten.clamp_min(x, 0.5), (x,), "clamp_min")
    yield Case(aten.clamp_max.default, lambda x: aten.clamp_max(x, 0.5), (x,), "clamp_max")
    for name in ("atan2", "hypot", "copysign.Tensor"):
        yield Case(op(name), op(name), pairs(), f"{name}-special")
        yield Case(op(name), op(name), (normal(50, dtype=F64), normal(50, dtype=F64, seed=1)), f"{name}-double")
    for name in ("fmod", "remainder"):
        for divisor in (0.75, -2, 3):
            yield Case(
                op(f"{name}.Scalar"), lambda t, o=op(f"{name}.Scalar"), d=divisor: o(t, d), (normal(50) * 9,), f"{name}-by-{divisor}"
            )
            yield Case(op(f"{name}.Scalar"), lambda t, o=op(f"{name}.Scalar"), d=divisor: o(t, d), (whole(50),), f"{name}-int-by-{divisor}")
    yield Case(aten.remainder.Tensor, aten.remainder.Tensor, (normal(50) * 9, normal(50, seed=1)), "remainder")
    yield Case(aten.fmod.Tensor, aten.fmod.Tensor, (normal(50) * 9, normal(50, seed=1)), "fmod")
    yield Case(aten.fmod.Tensor, aten.fmod.Tensor, (whole(50), whole(50, low=1, seed=1)), "fmod-int")


ELEMENTWISE = [*unary_cases(), *binary_cases(), *scalar_cases()]


def shaping_cases():
    x = normal(4, 6, 5)
    yield Case(aten.view.default, lambda t: aten.view(t, [6, 20]) + 0, (x,), "view")
    yield Case(aten.view.default, lambda t: aten.view(aten.exp(t), [4, 1, 30]) * 2, (x,), "view-of-a-result")
    yield Case(aten.view.default, lambda t: aten.view(aten.exp(t), [4, 1, 6, 5]) * 2, (x,), "view-with-a-unit")
    yield Case(
        aten._unsafe_view.default,
        lambda t: aten._unsafe_view(aten.clone(aten.permute(t, [2, 0, 1]), memory_format=torch.contiguous_format), [20, 6]),
        (x,),
        "unsafe-view",
    )
    yield Case(aten.unsqueeze.default, lambda t: aten.unsqueeze(aten.exp(t), 1) * 2, (x,), "unsqueeze")
    for name, call in {
        "dims": lambda t: aten.squeeze.dims(t, [1, 3]), "dim": lambda t: aten.squeeze.dim(t, -1), "default": lambda t: aten.squeeze.default(t),
    }.items():  # fmt: skip
        yield Case(op(f"squeeze.{name}"), lambda t, c=call: c(t) * 2, (normal(4, 1, 3, 1),), f"squeeze-{name}")
    yield Case(aten.permute.default, lambda t: aten.permute(t, [2, 0, 1]) * 2, (x,), "permute")
    yield Case(aten.permute.default, lambda t: aten.permute(aten.exp(t), [1, -1, 0]) + 1, (x,), "permute-of-a-result")
    yield Case(aten.t.default, lambda t: aten.t(t) * 2, (normal(3, 4),), "t")
    yield Case(aten.t.default, lambda t: aten.t(t) * 2, (normal(3),), "t-of-a-vector")
    yield Case(aten.transpose.int, lambda t: aten.transpose(t, 0, -1) * 2, (x,), "transpose")
    yield Case(aten.expand.default, lambda t: aten.expand(aten.exp(t), [3, 4, 6, -1]) * 2, (normal(4, 1, 5),), "expand")
    yield Case(aten.expand.default, lambda t: aten.expand(t, [3, 4]) + 0, (normal(),), "expand-a-number")
    for name, (begin, end, step) in {"front": (0, 2, 1), "steps": (1, 6, 2), "end": (-2, 9223372036854775807, 1)}.items():
        yield Case(aten.slice.Tensor, lambda t, a=(begin, end, step): aten.slice(aten.exp(t), 1, *a) * 2, (x,), f"slice-{name}")
    yield Case(aten.select.int, lambda t: aten.select(t, 1, -2) * 2, (x,), "select")
    yield Case(aten.diagonal.default, lambda t: aten.diagonal(t, 1, 0, 1) * 2, (x,), "diagonal")
    yield Case(aten.unfold.default, lambda t: aten.unfold(t, 1, 3, 2) * 2, (x,), "unfold")
    yield Case(aten.split.Tensor, lambda t: [p * 2 for p in aten.split(aten.exp(t), 4, 1)], (x,), "split")
    yield Case(aten.split_with_sizes.default, lambda t: [p * 2 for p in aten.split_with_sizes(t, [1, 2, 3], 1)], (x,), "split-with-sizes")
    yield Case(aten.unbind.int, lambda t: [p * 2 for p in aten.unbind(aten.exp(t), 2)], (x,), "unbind")
    yield Case(aten.flip.default, lambda t: aten.flip(t, [0, -1]) + t, (x,), "flip")
    yield Case(aten.flip.default, lambda t: aten.sum(aten.flip(aten.exp(t), [1])[:, :3], [2]), (x,), "flip-then-sum")
    for name in ("clone", "alias", "detach", "lift_fresh_copy"):
        yield Case(op(name), lambda t, o=op(name): o(t) + 1, (x,), name)
    for given in (F32, F64, I64, I32, U8, BOOL):
        source = (whole(30, low=0) if given in (U8, BOOL) else normal(30) * 5).to(given)
        for wanted in (F32, F64, I64, I32, BOOL):
            call = lambda t, w=wanted: aten._to_copy(t, dtype=w)  # noqa: E731 - a table
            yield Case(aten._to_copy.default, call, (source,), f"to-{given}-{wanted}", 1e-7)
    yield Case(
        aten._to_copy.default,
        lambda t: aten._to_copy(aten._to_copy(aten.full([3], 0.7), dtype=I64), dtype=F32) + t,
        (normal(3),),
        "to-int-of-a-constant",
    )
    yield Case(aten._to_copy.default, lambda t: aten._to_copy(aten.full([3], 0.5), dtype=BOOL) & t, (coins(3),), "to-bool-of-a-constant")
    yield Case(
        aten._to_copy.default,
        lambda t: aten._to_copy(aten._to_copy(aten.full([3], 0.1, dtype=F64), dtype=F32), dtype=F64) + t,
        (normal(3, dtype=F64) * 0,),
        "to-float-of-a-constant",
        1e-15,
    )
    yield Case(aten.copy.default, lambda t, s: aten.copy(t, s) + 0, (x, normal(6, 1, dtype=F64)), "copy")
    yield Case(aten.full.default, lambda t: aten.full([4, 6, 5], 2.5) * t, (x,), "full")
    yield Case(aten.full_like.default, lambda t: aten.full_like(t, -1.5) * t, (x,), "full_like")
    yield Case(aten.new_full.default, lambda t: aten.new_full(t, [3], 4.0) * 2, (x,), "new_full")
    yield Case(aten.full.default, lambda t: aten.full([2], float("nan")) + aten.full([2], float("-inf")) + t, (normal(2),), "full-nan")
    for name, arguments in {"zeros": ([3],), "ones": ([3],)}.items():
        yield Case(op(name), lambda t, o=op(name), a=arguments: o(*a) + t, (normal(3),), name)
        yield Case(op(f"{name}_like"), lambda t, o=op(f"{name}_like"): o(t) + t, (normal(3),), f"{name}_like")
        yield Case(op(f"new_{name}"), lambda t, o=op(f"new_{name}"): o(t, [3]) + t, (normal(3),), f"new_{name}")
    yield Case(aten.new_empty.default, lambda t: aten.copy(aten.new_empty(t, [4, 6, 5]), t) + 1, (x,), "new_empty")
    yield Case(aten.empty.memory_format, lambda t: aten.copy(aten.empty([4, 6, 5]), t) + 1, (x,), "empty")
    yield Case(aten.empty_like.default, lambda t: aten.copy(aten.empty_like(t), t) + 1, (x,), "empty_like")
    yield Case(aten.empty_permuted.default, lambda t: aten.copy(aten.empty_permuted([4, 6, 5], [2, 0, 1]), t) + 1, (x,), "empty_permuted")
    yield Case(aten.empty_strided.default, lambda t: aten.copy(aten.empty_strided([4, 6, 5], [30, 5, 1]), t) + 1, (x,), "empty_strided")
    yield Case(aten.scalar_tensor.default, lambda t: aten.scalar_tensor(2.5) * t, (x,), "scalar_tensor")
    yield Case(aten.arange.default, lambda t: aten.arange(5) + t, (x,), "arange")
    yield Case(aten.arange.start, lambda t: aten.arange.start(2, 7) + t, (x,), "arange-start")
    yield Case(aten.arange.start_step, lambda t: aten.arange.start_step(9, -1, -2) + t, (x,), "arange-step")
    yield Case(aten.arange.start_step, lambda t: aten.arange.start_step(0.5, 3.0, 0.5) + t, (x,), "arange-float")
    for dim in (0, 1, -1):
        yield Case(aten.cat.default, lambda a, b, d=dim: aten.cat([aten.exp(a), b, a], d), (x, normal(4, 6, 5, seed=1)), f"cat-{dim}")
    yield Case(aten.cat.default, lambda a, b: aten.cat([a, b], 1) * 2, (x, whole(4, 1, 5)), "cat-promotes")
    yield Case(
        aten.cat.default, lambda a, b: aten.sum(aten.cat([a, b], 1) * aten.cat([b, a], 1), [0]), (x, normal(4, 6, 5, seed=1)), "cat-and-sum"
    )
    for name, more in {"middle": (1, 1, 3), "all": (1, 0, 9223372036854775807), "end": (1, -2, 9223372036854775807)}.items():
        call = lambda t, p, m=more: aten.slice_scatter(t, aten.exp(p)[:, : len(range(6)[slice(*m[1:])])], *m)  # noqa: E731 - a table
        yield Case(aten.slice_scatter.default, call, (x, normal(4, 6, 5, seed=1)), f"slice_scatter-{name}")
    yield Case(
        aten.slice_scatter.default, lambda t, p: aten.slice_scatter(t, p, 1, 1, 6, 2), (x, normal(4, 3, 5, seed=1)), "slice_scatter-steps"
    )
    yield Case(
        aten.select_scatter.default, lambda t, p: aten.select_scatter(aten.exp(t), p, 1, -2), (x, normal(4, 5, seed=1)), "select_scatter"
    )
    for name, widths in {"both": [1, 2, 0, 3], "crop": [-1, 2, 1, -2], "one": [0, 1]}.items():
        yield Case(aten.constant_pad_nd.default, lambda t, w=widths: aten.constant_pad_nd(aten.exp(t), w, 1.5), (x,), f"pad-{name}")
    table, rows = normal(7, 5), whole(4, 3, low=0, high=7)
    yield Case(aten.embedding.default, lambda t, i: aten.embedding(t, i, 2) * 2, (table, rows), "embedding")
    yield Case(aten.index_select.default, lambda t, i: aten.index_select(t, 1, i) * 2, (x, whole(9, low=0, high=6)), "index_select")
    yield Case(
        aten.index_select.default,
        lambda t, i: aten.index_select(aten.exp(t), -1, i + 1) * 2,
        (x, whole(9, low=0, high=4)),
        "index_select-computed",
    )
    for dim in range(3):
        index = whole(3, 2, low=-4, high=4)
        call = lambda t, i, d=dim: aten.index(t, [*[None] * d, i]) * 2  # noqa: E731 - a table
        yield Case(aten.index.Tensor, call, (x, index), f"index-{dim}")
    yield Case(aten.index.Tensor, lambda t, i: aten.index(t, [i]) * 2, (x, whole(9, low=0, high=4, dtype=I32)), "index-int32")
    yield Case(
        aten.index.Tensor,
        lambda t, i, j: aten.index(t, [i, j]) * 2,
        (x, whole(9, low=-4, high=4), whole(9, low=-6, high=6, seed=1)),
        "index-pairs",
    )
    yield Case(
        aten.index.Tensor,
        lambda t, i, j: aten.index(t, [i, j]) * 2,
        (x, whole(3, 1, low=-4, high=4), whole(1, 4, low=-6, high=6, seed=1)),
        "index-grid",
    )
    yield Case(
        aten.index.Tensor,
        lambda t, i, j: aten.index(t, [None, i, j]) * 2,
        (x, whole(9, low=-6, high=6), whole(9, low=-5, high=5, seed=1)),
        "index-later-pairs",
    )
    for dim in range(3):
        index = whole(3, 4, 2, low=0, high=4)
        yield Case(aten.gather.default, lambda t, i, d=dim: aten.gather(aten.exp(t), d, i), (x, index), f"gather-{dim}")
    yield Case(aten.scatter.value, lambda t, i: aten.scatter(t, 1, i, -1.0), (normal(8, 5), whole(8, 1, low=0, high=5)), "scatter-value")
    yield Case(
        aten.scatter.value,
        lambda t, i: aten.scatter(aten.exp(t), 1, i, -1.0) * 2,
        (x, whole(4, 1, 5, low=0, high=6)),
        "scatter-value-middle",
    )
    for name, padding in {"": -1, "-padding": 2}.items():
        call = lambda g, i, p=padding: aten.embedding_dense_backward(g, i, 7, p, False)  # noqa: E731 - a table
        yield Case(aten.embedding_dense_backward.default, call, (normal(4, 3, 5), rows), f"embedding-backward{name}")
    index = whole(9, low=-4, high=4)
    yield Case(aten.index_put.default, lambda t, i, v: aten.index_put(t, [i], v, True), (x, index, normal(9, 6, 5, seed=1)), "index_put")
    yield Case(
        aten.index_put.default,
        lambda t, i, v: aten.index_put(aten.exp(t), [i], v, True),
        (x, index, normal(5, seed=1)),
        "index_put-broadcast",
    )
    call = lambda t, i, j, v: aten.index_put(t, [i, j], v, True)  # noqa: E731 - a table
    yield Case(aten.index_put.default, call, (x, index, whole(9, low=-6, high=6, seed=1), normal(9, 5, seed=1)), "index_put-pairs")
    call = lambda t, i, v: aten.index_put(t, [None, i], v, True)  # noqa: E731 - a table
    yield Case(aten.index_put.default, call, (x, index, normal(4, 9, 5, seed=1)), "index_put-later")
    for dim in range(3):
        call = lambda t, i, v, d=dim: aten.scatter_add(t, d, i, v)  # noqa: E731 - a table
        yield Case(aten.scatter_add.default, call, (x, whole(3, 4, 2, low=0, high=4), normal(4, 5, 5, seed=1)), f"scatter_add-{dim}")
    yield Case(aten.repeat.default, lambda t: aten.repeat(aten.exp(t), [2, 1, 3]) * 2, (normal(4, 5),), "repeat")
    yield Case(
        aten.diagonal_scatter.default, lambda t, d: aten.diagonal_scatter(t, aten.exp(d), 1), (normal(4, 6), normal(4)), "diagonal_scatter"
    )
    call = lambda t: aten.copy(aten.new_empty_strided(t, [4, 6, 5], [30, 5, 1]), t) + 1  # noqa: E731 - a table
    yield Case(aten.new_empty_strided.default, call, (x,), "new_empty_strided")
    yield Case(
        aten.scatter.src, lambda t, i, v: aten.scatter(t, 1, i, v), (x, whole(4, 1, 5, low=0, high=6), normal(4, 2, 6, seed=1)), "scatter"
    )
    yield Case(aten.scatter.value, lambda t, i: aten.scatter(t, 1, i, 9.0), (x, whole(3, 4, 5, low=0, high=6)), "scatter-value-several")


SHAPING = list(shaping_cases())


def reducing_cases():
    x = normal(5, 1, 4, 6)
    for name, dims in {
        "first": [0],
        "middle": [2],
        "last": [-1],
        "outer": [0, 3],
        "inner": [1, 2],
        "all": [0, 1, 2, 3],
        "unit": [1],
    }.items():
        for keep in (False, True):
            for dtype in (F32, F64):
                given = normal(5, 1, 4, 6, dtype=dtype)
                yield Case(
                    op("sum.dim_IntList"), lambda t, d=dims, k=keep: aten.sum.dim_IntList(t, d, k), (given,), f"sum-{name}-{keep}-{dtype}"
                )
            yield Case(op("mean.dim"), lambda t, d=dims, k=keep: aten.mean.dim(t, d, k), (x,), f"mean-{name}-{keep}")
            for extremum in ("amax", "amin"):
                yield Case(op(extremum), lambda t, d=dims, k=keep, o=op(extremum): o(t, d, k), (x,), f"{extremum}-{name}-{keep}")
        for correction in (0, 1, 1.5):
            if name != "unit":
                yield Case(
                    op("var.correction"),
                    lambda t, d=dims, c=correction: aten.var.correction(t, d, correction=c),
                    (x,),
                    f"var-{name}-{correction}",
                    1e-5,
                )
        yield Case(
            op("var_mean.correction"),
            lambda t, d=dims: aten.var_mean.correction(t, d, correction=0, keepdim=True),
            (x,),
            f"var_mean-{name}",
            1e-5,
        )
        for order in (2, 1, 0, float("inf"), float("-inf"), 3):
            yield Case(
                op("linalg_vector_norm"), lambda t, d=dims, o=order: aten.linalg_vector_norm(t, o, d), (x,), f"norm-{order}-{name}", 1e-5
            )
        yield Case(op("any.dims"), lambda t, d=dims: aten.any.dims(t, d), (coins(5, 1, 4, 6) & coins(5, 1, 4, 6, seed=1),), f"any-{name}")
    for kind in ("amax", "amin"):
        target = op(kind)
        yield Case(target, lambda a, b, o=target: (o(a, [0]), o(a, [1]), o(a, [0, 1]), o(b, [1])), pairs(), f"{kind}-special")
        for given in (
            whole(6, 7, low=-9, high=0),
            whole(6, 7, low=0, high=1, dtype=U8),
            whole(6, 7, dtype=I32),
            coins(6, 7),
            whole(2, 3, low=-1, high=0) * 2**63,
        ):
            yield Case(target, lambda t, o=target: (o(t, [0]), o(t, [1])), (given,), f"{kind}-{given.dtype}-{int(given.sum()) % 1000}")
        yield Case(target, lambda t, o=target: o(t), (normal(),), f"{kind}-of-a-number")
    yield Case(op("sum"), lambda t: aten.sum(t), (normal(3, 4),), "sum-default")
    yield Case(op("sum"), lambda t: aten.sum(t), (normal(),), "sum-of-a-number")
    yield Case(op("sum"), lambda t: aten.sum(t), (whole(3, 4),), "sum-int")
    yield Case(op("sum"), lambda t: aten.sum(t), (coins(30, 4),), "sum-bool")
    yield Case(op("sum.dim_IntList"), lambda t: aten.sum.dim_IntList(t, [0], dtype=F64), (normal(30, 4),), "sum-to-double")
    yield Case(op("sum.dim_IntList"), lambda t: aten.sum.dim_IntList(t, []), (normal(30, 4),), "sum-no-dims")
    yield Case(op("sum"), lambda t: aten.sum(aten.exp(aten.permute(t, [2, 0, 1]))), (normal(3, 4, 5),), "sum-of-a-permutation")
    yield Case(
        op("sum.dim_IntList"), lambda t: aten.sum.dim_IntList(aten.expand(t, [9, 4, 5]), [0, 2]), (normal(4, 1),), "sum-of-an-expansion"
    )
    yield Case(op("mean"), lambda t: aten.mean(t), (normal(3, 4),), "mean-default")
    yield Case(op("any.dim"), lambda t: aten.any.dim(t, 1), (whole(9, 4, low=0, high=2),), "any-dim")
    yield Case(op("any"), lambda t: aten.any(t), (special(),), "any-special")
    yield Case(op("any"), lambda t: aten.any(t), (normal(),), "any-of-a-number")
    for dim in (0, 1, -1):
        for name in ("_softmax", "_log_softmax"):
            for dtype in (F32, F64):
                yield Case(
                    op(name), lambda t, d=dim, o=op(name): o(t, d, False), (normal(4, 6, 5, dtype=dtype) * 5,), f"{name}-{dim}-{dtype}"
                )
    masked = normal(4, 6)
    masked[0, 1:], masked[1], masked[2, 2], masked[3, 1] = -torch.inf, -torch.inf, torch.nan, torch.inf
    for name in ("_softmax", "_log_softmax"):
        yield Case(op(name), lambda t, o=op(name): o(t, 1, False), (masked,), f"{name}-special")
        yield Case(op(name), lambda t, o=op(name): o(t, 0, False), (normal(),), f"{name}-of-a-number")
    for names, call, weights in NORMALISED:
        yield Case(names[0], call, weights, names[1], 1e-5)
    a, b = pairs()
    yield Case(op("where.self"), lambda a, b: aten.where(a > b, a, b), (a, b), "where-special")
    yield Case(op("where.self"), lambda c, a, b: aten.where(c, a, b), (coins(4, 1), normal(3), whole(4, 3)), "where-broadcast")
    for name, bounds in {"both": (-0.5, 0.5), "low": (-0.5, None), "high": (None, 0.5), "crossed": (0.5, -0.5)}.items():
        yield Case(op("clamp"), lambda t, v=bounds: aten.clamp(t, *v), (special(),), f"clamp-{name}")
    yield Case(op("clamp"), lambda t: aten.clamp(t, max=1), (whole(20),), "clamp-int")
    yield Case(op("clamp"), lambda t: aten.clamp(t, -0.5, 1.5), (whole(20),), "clamp-int-by-float")
    yield Case(
        op("clamp.Tensor"),
        lambda t, a, b: aten.clamp.Tensor(t, a, b),
        (normal(4, 5), normal(5, seed=1), normal(4, 1, seed=2)),
        "clamp-tensors",
    )
    yield Case(op("clamp.Tensor"), lambda a, b: aten.clamp.Tensor(a, b), pairs(), "clamp-tensor-special")
    yield Case(op("hardtanh"), lambda t: aten.hardtanh(t), (special(),), "hardtanh")
    yield Case(op("hardtanh"), lambda t: aten.hardtanh(t, -0.3, 2.0), (normal(40),), "hardtanh-bounds")
    for approximate in ("none", "tanh"):
        for dtype in (F32, F64):
            yield Case(
                op("gelu"), lambda t, a=approximate: aten.gelu(t, approximate=a), (normal(50, dtype=dtype),), f"gelu-{approximate}-{dtype}"
            )
    for name in ("tril", "triu"):
        for shift in (-1, 0, 2):
            yield Case(op(name), lambda t, s=shift, o=op(name): o(t, s), (normal(3, 5, 4),), f"{name}-{shift}")
    yield Case(op("tril"), lambda t: aten.tril(aten.ones([4, 4], dtype=BOOL)) & t, (coins(4, 4),), "tril-bool")
    yield Case(op("lerp.Scalar"), lambda a, b: aten.lerp.Scalar(a, b, 0.3), (normal(9), normal(9, seed=1)), "lerp")
    yield Case(
        op("lerp.Tensor"), lambda a, b, w: aten.lerp.Tensor(a, b, w), (normal(4, 9), normal(9, seed=1), normal(4, 1, seed=2)), "lerp-tensor"
    )
    for given in (coins(9), whole(9), whole(9, dtype=I32)):
        yield Case(op("bitwise_not"), aten.bitwise_not, (given,), f"bitwise_not-{given.dtype}")
    yield Case(op("leaky_relu"), lambda t: aten.leaky_relu(t, 0.2), (special(),), "leaky_relu")
    yield Case(op("elu"), lambda t: aten.elu(t, 1.3), (special(),), "elu")
    yield Case(op("elu"), lambda t: aten.elu(t, 1.67, 1.05, 0.9), (normal(40),), "elu-scaled")
    yield Case(op("softplus"), lambda t: aten.softplus(t, 2.0, 5.0), (normal(40) * 9,), "softplus")

    for dim in (0, 1, -1):
        for given in (x[:, 0], whole(5, 4, 6)):
            yield Case(op("cumsum"), lambda t, d=dim: aten.cumsum(t, d), (given,), f"cumsum-{dim}-{given.dtype}")
            for name in ("max.dim", "min.dim"):
                yield Case(op(name), lambda t, d=dim, o=op(name): o(t, d), (given,), f"{name}-{dim}-{given.dtype}")
        for name in ("argmax", "argmin"):
            yield Case(op(name), lambda t, d=dim, o=op(name): o(t, d, True), (x[:, 0],), f"{name}-{dim}")
            yield Case(op(name), lambda t, o=op(name): o(t), (special().roll(dim),), f"{name}-special-{dim}")
    yield Case(op("cumsum"), lambda t: aten.cumsum(t, 0), (normal(),), "cumsum-of-a-number")


W, B = normal(6, seed=1), normal(6, seed=2)
M, V = normal(6, seed=3), normal(6, seed=4).abs()
NORMALISED = [
    ((op("native_layer_norm"), "layer_norm"), lambda t, w, b: aten.native_layer_norm(t, [6], w, b, 1e-5), (normal(4, 3, 6) * 3 + 5, W, B)),
    ((op("native_layer_norm"), "layer_norm-bare"), lambda t: aten.native_layer_norm(t, [3, 6], None, None, 1e-5), (normal(4, 3, 6),)),
    ((op("native_group_norm"), "group_norm"), lambda t, w, b: aten.native_group_norm(t, w, b, 4, 6, 10, 3, 1e-5), (normal(4, 6, 2, 5), W, B)),
    ((op("native_group_norm"), "group_norm-bare"), lambda t: aten.native_group_norm(t, None, None, 4, 6, 10, 2, 1e-5), (normal(4, 6, 10),)),
    ((op("_native_batch_norm_legit"), "batch_norm-evaluation"), lambda t, w, b, m, v: aten._native_batch_norm_legit(t, w, b, m, v, False, 0.1, 1e-5)[0], (normal(4, 6, 2, 5), W, B, M, V)),
    ((op("native_batch_norm"), "native_batch_norm"), lambda t, w, b: aten.native_batch_norm(t, w, b, None, None, True, 0.1, 1e-5), (normal(4, 6, 2, 5) * 3 + 5, W, B)),
]  # fmt: skip
REDUCING = list(reducing_cases())


def calling_cases():
    for dtype in (F32, F64):
        a, b, c = normal(7, 5, dtype=dtype), normal(5, 9, dtype=dtype, seed=1), normal(7, 9, dtype=dtype, seed=2)
        yield Case(op("mm"), aten.mm, (a, b), f"mm-{dtype}", 1e-5)
        yield Case(op("mm"), lambda a, b: aten.mm(aten.t(b), aten.t(a)), (a, b), f"mm-transposed-{dtype}", 1e-5)
        yield Case(op("mm"), lambda a, b: aten.mm(aten.exp(a)[:, 1:4], aten.slice(b, 0, 0, 5, 2)), (a, b), f"mm-sliced-{dtype}", 1e-5)
        yield Case(op("addmm"), aten.addmm, (c, a, b), f"addmm-{dtype}", 1e-5)
        yield Case(op("addmm"), lambda c, a, b: aten.addmm(c[0], a, b, beta=0.5, alpha=2), (c, a, b), f"addmm-scaled-{dtype}", 1e-5)
        yield Case(op("mv"), lambda a, b: aten.mv(a, b[:, 2]), (a, b), f"mv-{dtype}", 1e-5)
        yield Case(op("dot"), lambda a, b: aten.dot(a[2], b[:, 1]), (a, b), f"dot-{dtype}", 1e-5)
        x, y = normal(3, 7, 5, dtype=dtype), normal(3, 5, 9, dtype=dtype, seed=1)
        yield Case(op("bmm"), aten.bmm, (x, y), f"bmm-{dtype}", 1e-5)
        yield Case(op("bmm"), lambda x, b: aten.bmm(x, aten.expand(b, [3, 5, 9])), (x, b), f"bmm-shared-{dtype}", 1e-5)
        yield Case(
            op("bmm"), lambda x, y: aten.bmm(aten.permute(y, [0, 2, 1]), aten.transpose(x, 1, 2)), (x, y), f"bmm-transposed-{dtype}", 1e-5
        )
        yield Case(
            op("baddbmm"),
            lambda c, x, y: aten.baddbmm(c, x, y, beta=0.5, alpha=2),
            (normal(7, 9, dtype=dtype).expand(3, 7, 9).contiguous(), x, y),
            f"baddbmm-{dtype}",
            1e-5,
        )
    yield from convolution_cases()
    image = normal(2, 3, 8, 9)
    image[0, 0, 2, 2], image[1, 1, 0, 0] = torch.nan, -torch.inf
    for name, more in {
        "plain": ([2, 2],),
        "stride": ([3], [2]),
        "padding": ([3, 3], [1, 2], [1, 1]),
        "dilation": ([2], [1], [0], [2, 1]),
        "ceil": ([3, 2], [2], [0], [1], True),
    }.items():
        yield Case(op("max_pool2d_with_indices"), lambda t, m=more: aten.max_pool2d_with_indices(t, *m), (image,), f"max_pool-{name}")
        clean, full = normal(2, 3, 8, 9), [*more, *[[], [0], [1], False][len(more) - 1 :]]
        _, index = aten.max_pool2d_with_indices(clean, *full)
        call = lambda g, t, i, m=tuple(full): aten.max_pool2d_with_indices_backward(g, t, *m, i)  # noqa: E731 - a table
        yield Case(op("max_pool2d_with_indices_backward"), call, (normal(*index.shape, seed=1), clean, index), f"max_pool-backward-{name}")
    clean = normal(2, 3, 8, 9)
    for name, more in {
        "plain": ([2, 2], [2, 2], [0, 0], False, True), "padding": ([3, 3], [2, 1], [1, 1], False, True),
        "without-padding": ([3, 3], [2, 2], [1, 1], False, False), "divisor": ([3], [1], [0], False, True, 5), "ceil": ([3, 2], [2, 2], [1, 1], True, False), "ceil-padding": ([3, 2], [2, 2], [1, 1], True, True),
    }.items():  # fmt: skip
        result = aten.avg_pool2d(clean, *more)
        yield Case(op("avg_pool2d"), lambda t, m=more: aten.avg_pool2d(t, *m), (clean,), f"avg_pool-{name}")
        full = [*more, *[None][len(more) - 5 :]]
        call = lambda g, t, m=tuple(full): aten.avg_pool2d_backward(g, t, *m)  # noqa: E731 - a table
        yield Case(op("avg_pool2d_backward"), call, (normal(*result.shape, seed=1), clean), f"avg_pool-backward-{name}")
    yield Case(op("avg_pool2d"), lambda t: aten.avg_pool2d(t, [2]), (clean,), "avg_pool-defaults")
    yield Case(
        op("max_pool2d_with_indices"), lambda t: aten.max_pool2d_with_indices(aten.exp(t), [2]), (clean[0],), "max_pool-of-one-image"
    )


CONVOLUTIONS = {
    # name: image, weight, stride, padding, dilation, transposed, output padding, groups
    "plain": ((2, 3, 8, 7), (4, 3, 3, 3), [1], [0], [1], False, [0], 1),
    "padding": ((2, 3, 8, 7), (4, 3, 3, 2), [2, 1], [1, 0], [1, 2], False, [0], 1),
    "grouped": ((2, 4, 8, 7), (6, 2, 3, 3), [1], [1], [1], False, [0], 2),
    "depthwise": ((2, 4, 8, 7), (4, 1, 3, 3), [1, 1], [1, 1], [1, 1], False, [0, 0], 4),
    "one-by-one": ((2, 4, 8, 7), (6, 4, 1, 1), [2], [0], [1], False, [0], 1),
    "line": ((2, 3, 20), (4, 3, 5), [2], [2], [1], False, [0], 1),
    "transposed": ((2, 4, 5, 6), (4, 3, 3, 3), [2, 2], [1, 1], [1, 1], True, [1, 0], 1),
    "transposed-plain": ((2, 4, 5, 6), (4, 3, 2, 2), [2], [0], [1], True, [0], 1),
    "transposed-grouped": ((2, 4, 5, 6), (4, 3, 3, 2), [2, 1], [1, 0], [1, 2], True, [0, 0], 2),
    "transposed-line": ((2, 4, 9), (4, 3, 5), [3], [1], [1], True, [2], 1),
}


def convolution_cases():
    for name, (image, weight, *settings) in CONVOLUTIONS.items():
        channels = weight[1] * settings[-1] if settings[3] else weight[0]
        for dtype in (F32, F64):
            given = normal(*image, dtype=dtype), normal(*weight, dtype=dtype, seed=1), normal(channels, dtype=dtype, seed=2)
            call = lambda x, w, b, s=tuple(settings): aten.convolution(x, w, b, *s)  # noqa: E731 - a table
            yield Case(op("convolution"), call, given, f"convolution-{name}-{dtype}", 1e-5)
            gradient = normal(*call(*given).shape, dtype=dtype, seed=3)
            for mask in ([True, True, True], [False, True, False]):
                back = lambda g, x, w, s=tuple(settings), m=mask, c=channels: [
                    r for r in aten.convolution_backward(g, x, w, [c], *s, m) if r is not None
                ]  # noqa: E731, E501 - a table
                yield Case(
                    op("convolution_backward"), back, (gradient, *given[:2]), f"convolution-backward-{name}-{sum(mask)}-{dtype}", 1e-5
                )


def resampling_cases():
    image, line = normal(2, 3, 5, 6), normal(2, 3, 7)
    for name, size, scales in (("double", [10, 12], (2.0, 2.0)), ("odd", [7, 4], (None, None)), ("scaled", [8, 9], (1.7, 1.5))):
        gradient = normal(2, 3, *size, seed=1)
        for aligned in (False, True):
            settings = (size, aligned, *scales)
            target, back = aten.upsample_bilinear2d.default, aten.upsample_bilinear2d_backward.default
            yield Case(target, lambda t, s=settings, o=target: o(t, *s), (image,), f"bilinear-{name}-{aligned}", 1e-5)
            settings = (size, [2, 3, 5, 6], aligned, *scales)
            yield Case(back, lambda g, s=settings, o=back: o(g, *s), (gradient,), f"bilinear-backward-{name}-{aligned}", 1e-5)
            target, back = aten.upsample_linear1d.default, aten.upsample_linear1d_backward.default
            settings = (size[:1], aligned, scales[0] and size[0] / 7 + 0.01)
            yield Case(target, lambda t, s=settings, o=target: o(t, *s), (line,), f"linear-{name}-{aligned}", 1e-5)
            settings = (size[:1], [2, 3, 7], aligned, scales[0] and size[0] / 7 + 0.01)
            yield Case(back, lambda g, s=settings, o=back: o(g, *s), (gradient[:, :, :, 0],), f"linear-backward-{name}-{aligned}", 1e-5)
        target, back = aten.upsample_nearest2d.default, aten.upsample_nearest2d_backward.default
        yield Case(target, lambda t, s=(size, *scales), o=target: o(t, *s), (image,), f"nearest-{name}")
        yield Case(back, lambda g, s=(size, [2, 3, 5, 6], *scales), o=back: o(g, *s), (gradient,), f"nearest-backward-{name}")
        target, back = aten.upsample_nearest1d.default, aten.upsample_nearest1d_backward.default
        yield Case(target, lambda t, s=(size[:1],), o=target: o(t, *s), (line,), f"nearest-line-{name}")
        yield Case(back, lambda g, s=(size[:1], [2, 3, 7]), o=back: o(g, *s), (gradient[:, :, :, 0],), f"nearest-line-backward-{name}")
    for size in ([1, 1], [5, 3], [4, 4], [2, 6]):
        target, back = aten._adaptive_avg_pool2d.default, aten._adaptive_avg_pool2d_backward.default
        yield Case(target, lambda t, s=size, o=target: o(t, s), (image,), f"adaptive-{size}")
        yield Case(back, back, (normal(2, 3, *size, seed=1), image), f"adaptive-backward-{size}")


CALLING = [*calling_cases(), *resampling_cases()]


def of(*modules):
    """The cases whose operation is handled in one of these modules of the generator."""
    wanted = {f"ravine.fleet.native.{module}" for module in modules}
    handled = [case for case in (*SHAPING, *REDUCING, *CALLING) if getattr(HANDLERS.get(case.target), "__module__", "") in wanted]
    return handled + (ELEMENTWISE if "elementwise" in modules else [])
