"""Activations that torch keeps as one operation, and what limits numbers to an interval."""

import math
from typing import Any

import torch
from torch import fx

from ravine.fleet.native.lowering import Lowering, handles
from ravine.fleet.native.values import Constant, Pointwise, Value

aten = torch.ops.aten


def _with(low: Lowering, value: Value, text: Any, *numbers: float) -> Pointwise:
    """A pointwise function of a value and some numbers."""
    return low.pointwise(text, value, *(Constant(number, value.shape, value.dtype) for number in numbers))


def _settings(node: fx.Node, names: str, *defaults: Any) -> list[Any]:
    """The arguments after the first, by position or name."""
    given = [*node.args[1:], *defaults[len(node.args) - 1 :]]
    return [node.kwargs.get(name, value) for name, value in zip(names.split(), given, strict=True)]


@handles(aten.clamp.default, aten.clamp.Tensor, aten.hardtanh.default)
def _clamp(low: Lowering, node: fx.Node) -> Value:
    result, is_fixed = node.meta["val"], node.target is aten.hardtanh.default
    names, defaults = ("min_val max_val", (-1.0, 1.0)) if is_fixed else ("min max", (None, None))
    value = low.operand(node.args[0], result.shape, result.dtype)
    for bound, sign in zip(_settings(node, names, *defaults), "<>", strict=True):
        if bound is not None:
            # Written so that NaN, which compares false, passes on either side.
            value = low.pointwise(
                lambda a, b, s=sign: f"({a} {s} {b} || {b} != {b} ? {b} : {a})", value, low.operand(bound, result.shape, result.dtype)
            )
    return value


@handles(aten.gelu.default)
def _gelu(low: Lowering, node: fx.Node) -> Value:
    value = low.value(node.args[0])
    if node.kwargs.get("approximate", "none") == "tanh":
        return _with(
            low,
            value,
            lambda a, c, k, h: f"({h} * {a} * (1 + r_tanh({c} * ({a} + {k} * {a} * {a} * {a}))))",
            math.sqrt(2 / math.pi),
            0.044715,
            0.5,
        )
    return _with(low, value, lambda a, r, h: f"({h} * {a} * (1 + r_erf({a} * {r})))", math.sqrt(0.5), 0.5)


@handles(aten.leaky_relu.default)
def _leaky_relu(low: Lowering, node: fx.Node) -> Value:
    (slope,) = _settings(node, "negative_slope", 0.01)
    return _with(low, low.value(node.args[0]), lambda a, s: f"({a} > 0 ? {a} : {a} * {s})", slope)


@handles(aten.elu.default)
def _elu(low: Lowering, node: fx.Node) -> Value:
    alpha, scale, input_scale = _settings(node, "alpha scale input_scale", 1, 1, 1)
    return _with(
        low,
        low.value(node.args[0]),
        lambda a, p, n, i: f"({a} <= 0 ? r_expm1({a} * {i}) * {n} : {a} * {p})",
        scale,
        alpha * scale,
        input_scale,
    )


@handles(aten.softplus.default)
def _softplus(low: Lowering, node: fx.Node) -> Value:
    beta, threshold = _settings(node, "beta threshold", 1, 20)
    return _with(
        low,
        low.value(node.args[0]),
        lambda a, b, t: f"({a} * {b} > {t} ? {a} : r_log1p(r_exp({a} * {b})) / {b})",
        beta,
        threshold,
    )
