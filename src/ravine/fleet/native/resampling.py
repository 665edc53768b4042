"""Resizing images and sequences: along each axis a result is a weighted sum of a few inputs.

Nearest, linear and adaptive average differ only in those weights, which are known when the code is generated.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import torch
from torch import fx

from ravine.fleet.native.calling import contiguous
from ravine.fleet.native.lowering import Lowering, handles
from ravine.fleet.native.values import Memory, Value, c_type

aten = torch.ops.aten

Weights: TypeAlias = list[list[tuple[int, float]]]
"""For each place of the result, the places of the input and what they weigh."""


def linear(given: int, wanted: int, *, aligned: bool, scale: float | None) -> Weights:
    """Weights of linear interpolation, where corners are aligned or pixels have an area."""
    step = (given - 1) / max(1, wanted - 1) if aligned else (1 / scale if scale else given / wanted)
    rows: Weights = []
    for place in range(wanted):
        source = step * place if aligned else max(0.0, step * (place + 0.5) - 0.5)
        first = min(int(source), given - 1)
        share = min(source - first, 1.0)
        rows.append([(first, 1 - share), (min(first + 1, given - 1), share)])
    return rows


def nearest(given: int, wanted: int, *, scale: float | None) -> Weights:
    """Weights of the nearest place at or before."""
    step = float(torch.tensor(1 / scale if scale else given / wanted, dtype=torch.float32))
    return [[(min(int(float(torch.tensor(place * step, dtype=torch.float32))), given - 1), 1.0)] for place in range(wanted)]


def windows(given: int, wanted: int) -> Weights:
    """Weights of averages over windows that cover the axis."""
    ends = [(place * given // wanted, math.ceil((place + 1) * given / wanted)) for place in range(wanted)]
    return [[(source, 1 / (stop - start)) for source in range(start, stop)] for start, stop in ends]


def _table(name: str, rows: Weights, kind: str) -> str:
    """An axis as C++ arrays: where the entries of each place begin, their sources, their weights."""
    starts = [sum(map(len, rows[:place])) for place in range(len(rows) + 1)]
    entries = [entry for row in rows for entry in row]
    numbers = {"s": map(str, starts), "i": (str(source) for source, _ in entries), "w": (f"({kind}){weight!r}" for _, weight in entries)}
    return " ".join(
        f"static const {'long' if part != 'w' else kind} {name}{part}[] = {{{', '.join(texts)}}};" for part, texts in numbers.items()
    )


def _resampled(low: Lowering, node: fx.Node, axes: Sequence[Weights], *, backward: bool) -> Memory:
    """The result of the weights of the last one or two axes, or with `backward` the gradient by what was resampled."""
    value, shape = contiguous(low, low.value(node.args[0])), node.meta["val"].shape
    target = low.new(shape, value.dtype)
    small, large = (shape, value.shape) if backward else (value.shape, shape)
    high, wide = [[[(0, 1.0)]], *axes][-2:]
    kind, rank = c_type(value.dtype), len(axes)
    height, width = (1, small[-1]) if rank == 1 else small[-2:]
    planes = math.prod(large[: len(large) - rank])
    inner = f"[(p * {height} + hi[a]) * {width} + wi[b]]"
    outer = f"[(p * {len(high)} + y) * {len(wide)} + x]"
    source, result = f"({value.buffer.name} + {value.offset})", target.buffer.name
    step = f"{result}{inner} += hw[a] * ww[b] * {source}{outer};" if backward else f"{result}{outer} += hw[a] * ww[b] * {source}{inner};"
    low.call(
        f"{_table('h', high, kind)} {_table('w', wide, kind)} for (long j = 0; j < {target.numel}; ++j) {result}[j] = 0; "
        f"for (long p = 0; p < {planes}; ++p) for (long y = 0; y < {len(high)}; ++y) for (long x = 0; x < {len(wide)}; ++x) "
        f"for (long a = hs[y]; a < hs[y + 1]; ++a) for (long b = ws[x]; b < ws[x + 1]; ++b) {step}",
        [value],
        [target],
    )
    return target


def _sizes(node: fx.Node, *, backward: bool, rank: int) -> list[tuple[int, int]]:
    """For each axis the length of the input and of the result."""
    given, other = (node.args[0].meta["val"].shape, node.meta["val"].shape)  # type: ignore[union-attr]  # a node
    small, large = (other, given) if backward else (given, other)
    return list(zip(small[-rank:], large[-rank:], strict=True))


def _scales(node: fx.Node, first: int, rank: int) -> list[Any]:
    return [*node.args[first:], None, None][:rank]


def _register(target: Any, rank: int, rows: Callable[[fx.Node, int, int, Any], Weights], first: int, *, backward: bool) -> None:
    @handles(target)
    def _handle(low: Lowering, node: fx.Node) -> Value:
        sizes, scales = _sizes(node, backward=backward, rank=rank), _scales(node, first, rank)
        axes = [rows(node, given, wanted, scale) for (given, wanted), scale in zip(sizes, scales, strict=True)]
        return _resampled(low, node, axes, backward=backward)


def _linear_rows(position: int) -> Callable[[fx.Node, int, int, Any], Weights]:
    return lambda node, given, wanted, scale: linear(given, wanted, aligned=bool(node.args[position]), scale=scale)


def _nearest_rows(node: fx.Node, given: int, wanted: int, scale: Any) -> Weights:
    return nearest(given, wanted, scale=scale)


def _window_rows(node: fx.Node, given: int, wanted: int, scale: Any) -> Weights:
    return windows(given, wanted)


_register(aten.upsample_linear1d.default, 1, _linear_rows(2), 3, backward=False)
_register(aten.upsample_bilinear2d.default, 2, _linear_rows(2), 3, backward=False)
_register(aten.upsample_linear1d_backward.default, 1, _linear_rows(3), 4, backward=True)
_register(aten.upsample_bilinear2d_backward.default, 2, _linear_rows(3), 4, backward=True)
_register(aten.upsample_nearest1d.default, 1, _nearest_rows, 2, backward=False)
_register(aten.upsample_nearest2d.default, 2, _nearest_rows, 2, backward=False)
_register(aten.upsample_nearest1d_backward.default, 1, _nearest_rows, 3, backward=True)
_register(aten.upsample_nearest2d_backward.default, 2, _nearest_rows, 3, backward=True)
_register(aten._adaptive_avg_pool2d.default, 2, _window_rows, 9, backward=False)
_register(aten._adaptive_avg_pool2d_backward.default, 2, _window_rows, 9, backward=True)
