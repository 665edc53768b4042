"""Pointwise operations of aten as C++ text."""

from collections.abc import Callable
from typing import Any

import torch

from ravine.fleet.native.values import Unsupported, c_type, literal

aten = torch.ops.aten

Text = Callable[..., str]

MOST_FACTORS = 8
"""Largest power of an integer that is written out."""

PLAIN: dict[Any, Text] = {
    aten.add.Tensor: lambda a, b: f"({a} + {b})",
    aten.sub.Tensor: lambda a, b: f"({a} - {b})",
    aten.mul.Tensor: lambda a, b: f"({a} * {b})",
    aten.neg.default: lambda a: f"(-{a})",
    aten.relu.default: lambda a: f"({a} < 0 ? 0 : {a})",
    aten.exp.default: lambda a: f"r_exp({a})",
    aten.log.default: lambda a: f"r_log({a})",
    aten.log1p.default: lambda a: f"r_log1p({a})",
    aten.expm1.default: lambda a: f"r_expm1({a})",
    aten.tanh.default: lambda a: f"r_tanh({a})",
    aten.sigmoid.default: lambda a: f"r_sigmoid({a})",
    aten.erf.default: lambda a: f"r_erf({a})",
    aten.sin.default: lambda a: f"r_sin({a})",
    aten.cos.default: lambda a: f"r_cos({a})",
    aten.sqrt.default: lambda a: f"math::sqrt({a})",
    aten.rsqrt.default: lambda a: f"(1 / math::sqrt({a}))",
    aten.reciprocal.default: lambda a: f"(1 / {a})",
    aten.abs.default: lambda a: f"({a} < 0 ? -{a} : {a} + 0)",
    aten.sign.default: lambda a: f"(({a} > 0) - ({a} < 0))",
    aten.floor.default: lambda a: f"math::floor({a})",
    aten.maximum.default: lambda a, b: f"(({a} > {b} || {a} != {a}) ? {a} : {b})",
    aten.minimum.default: lambda a, b: f"(({a} < {b} || {a} != {a}) ? {a} : {b})",
    aten.pow.Tensor_Tensor: lambda a, b: f"r_pow({a}, {b})",
    aten.threshold_backward.default: lambda g, a, t: f"({a} <= {t} ? 0 : {g})",
    aten.hardshrink_backward.default: lambda g, a, t: f"(({a} > {t} || {a} < -{t}) ? {g} : 0)",
    aten.softshrink_backward.default: lambda g, a, t: f"(({a} > {t} || {a} < -{t}) ? {g} : 0)",
    aten.tanh_backward.default: lambda g, y: f"({g} * (1 - {y} * {y}))",
    aten.sigmoid_backward.default: lambda g, y: f"({g} * ((1 - {y}) * {y}))",
    aten.silu.default: lambda a: f"({a} * r_sigmoid({a}))",
    aten.clamp_min.default: lambda a, low: f"({a} < {low} ? {low} : {a})",
    aten.clamp_max.default: lambda a, high: f"({a} > {high} ? {high} : {a})",
    aten.fmod.Tensor: lambda a, b: f"r_fmod({a}, {b})",
    aten.fmod.Scalar: lambda a, b: f"r_fmod({a}, {b})",
    aten.remainder.Tensor: lambda a, b: f"r_remainder({a}, {b})",
    aten.remainder.Scalar: lambda a, b: f"r_remainder({a}, {b})",
    aten.ceil.default: lambda a: f"math::ceil({a})",
    aten.trunc.default: lambda a: f"math::trunc({a})",
    aten.round.default: lambda a: f"math::nearbyint({a})",
    aten.tan.default: lambda a: f"(r_sin({a}) / r_cos({a}))",
    aten.asin.default: lambda a: f"math::asin({a})",
    aten.acos.default: lambda a: f"math::acos({a})",
    aten.atan.default: lambda a: f"math::atan({a})",
    aten.sinh.default: lambda a: f"math::sinh({a})",
    aten.cosh.default: lambda a: f"math::cosh({a})",
    aten.asinh.default: lambda a: f"math::asinh({a})",
    aten.acosh.default: lambda a: f"math::acosh({a})",
    aten.atanh.default: lambda a: f"math::atanh({a})",
    aten.erfc.default: lambda a: f"math::erfc({a})",
    aten.exp2.default: lambda a: f"math::exp2({a})",
    aten.log2.default: lambda a: f"math::log2({a})",
    aten.log10.default: lambda a: f"math::log10({a})",
    aten.atan2.default: lambda a, b: f"math::atan2({a}, {b})",
    aten.hypot.default: lambda a, b: f"math::hypot({a}, {b})",
    aten.copysign.Tensor: lambda a, b: f"math::copysign({a}, {b})",
}
"""Operands are cast to the result's type first; scalars among the operands become constants."""

for _name in ("add", "sub", "mul", "div"):
    if hasattr(getattr(aten, _name), "Scalar"):
        PLAIN[getattr(aten, _name).Scalar] = PLAIN.get(getattr(aten, _name).Tensor, lambda a, b: f"({a} / {b})")
PLAIN[aten.div.Tensor] = lambda a, b: f"({a} / {b})"
PLAIN[aten.clamp_min.Tensor] = PLAIN[aten.maximum.default]
PLAIN[aten.clamp_max.Tensor] = PLAIN[aten.minimum.default]
PLAIN[aten.pow.Scalar] = PLAIN[aten.pow.Tensor_Tensor]

COMPARISONS: dict[Any, str] = {}
for _name, _sign in {"eq": "==", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">="}.items():
    COMPARISONS[getattr(aten, _name).Tensor] = _sign
    COMPARISONS[getattr(aten, _name).Scalar] = _sign
"""Operands are cast to their common type; the result is a bool."""

LOGICAL: dict[Any, Text] = {
    aten.logical_and.default: lambda a, b: f"(({a}) && ({b}))",
    aten.logical_or.default: lambda a, b: f"(({a}) || ({b}))",
    aten.logical_xor.default: lambda a, b: f"(!({a}) != !({b}))",
    aten.logical_not.default: lambda a: f"(!({a}))",
    aten.isnan.default: lambda a: f"(({a}) != ({a}))",
    aten.isinf.default: lambda a: f"(({a}) == ({a}) && (({a}) - ({a})) != (({a}) - ({a})))",
}
"""Operands as they are; the result is a bool."""

BITWISE: dict[Any, str] = {
    aten.bitwise_and.Tensor: "&",
    aten.bitwise_or.Tensor: "|",
    aten.bitwise_xor.Tensor: "^",
}

COSTLY = frozenset(
    {
        aten.exp.default,
        aten.log.default,
        aten.log1p.default,
        aten.expm1.default,
        aten.tanh.default,
        aten.sigmoid.default,
        aten.erf.default,
        aten.sin.default,
        aten.cos.default,
        aten.silu.default,
        aten.pow.Tensor_Tensor,
        aten.pow.Tensor_Scalar,
    }
)
"""Operations worth storing rather than repeating."""


def cast(text: str, given: torch.dtype, wanted: torch.dtype) -> str:
    """A value's text converted as torch converts it."""
    if given == wanted:
        return text
    if wanted == torch.bool:
        return f"(({text}) != 0)"
    return f"(({c_type(wanted)})({text}))"


def power(exponent: float, dtype: torch.dtype) -> Text:
    """`a ** exponent`, the usual exponents without a call."""
    if not dtype.is_floating_point:
        return _whole_power(exponent)
    known: dict[float, Text] = {
        0.5: lambda a: f"math::sqrt({a})",
        1.0: lambda a: f"({a})",
        2.0: lambda a: f"({a} * {a})",
        3.0: lambda a: f"({a} * {a} * {a})",
        -1.0: lambda a: f"(1 / {a})",
        -0.5: lambda a: f"(1 / math::sqrt({a}))",
        -2.0: lambda a: f"(1 / ({a} * {a}))",
    }
    return known.get(float(exponent)) or (lambda a: f"r_pow({a}, {literal(exponent, dtype)})")


def _whole_power(exponent: float) -> Text:
    if exponent != int(exponent) or not 0 <= exponent <= MOST_FACTORS:
        raise Unsupported(f"it raises integers to the power {exponent}")
    return lambda a: f"({' * '.join(['1', *[a] * int(exponent)])})"
