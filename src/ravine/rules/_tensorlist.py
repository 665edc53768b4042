"""A list of tensors with operators: a rule's `update` runs on it unchanged, one foreach call per operation."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor


class TensorList:
    """Tensors of several parameters, combined element by element with another list, a tensor or a number.

    Results are new lists; nothing is changed in place.

    Args:
        tensors: any shapes; an operation between two lists needs equal lengths.
    """

    __slots__ = ("tensors",)

    def __init__(self, tensors: Sequence[Tensor]) -> None:
        self.tensors = list(tensors)

    def __len__(self) -> int:
        return len(self.tensors)

    def __iter__(self) -> Iterator[Tensor]:
        return iter(self.tensors)

    def _binary(self, function: Callable[..., Any], other: Any) -> "TensorList":
        return TensorList(function(self.tensors, other.tensors if isinstance(other, TensorList) else other))

    def __add__(self, other: Any) -> "TensorList":
        return self._binary(torch._foreach_add, other)

    def __sub__(self, other: Any) -> "TensorList":
        return self._binary(torch._foreach_sub, other)

    def __mul__(self, other: Any) -> "TensorList":
        return self._binary(torch._foreach_mul, other)

    def __truediv__(self, other: Any) -> "TensorList":
        return self._binary(torch._foreach_div, other)

    def __radd__(self, other: float) -> "TensorList":
        return self + other

    def __rmul__(self, other: float) -> "TensorList":
        return self * other

    def __rsub__(self, other: float) -> "TensorList":
        return -self + other

    def __rtruediv__(self, other: float) -> "TensorList":
        return TensorList(torch._foreach_mul(torch._foreach_reciprocal(self.tensors), other))

    def __neg__(self) -> "TensorList":
        return TensorList(torch._foreach_neg(self.tensors))

    def sqrt(self) -> "TensorList":
        """Square root of every element."""
        return TensorList(torch._foreach_sqrt(self.tensors))

    def abs(self) -> "TensorList":
        """Absolute value of every element."""
        return TensorList(torch._foreach_abs(self.tensors))

    def sign(self) -> "TensorList":
        """-1, 0 or 1 for every element."""
        return TensorList(torch._foreach_sign(self.tensors))

    def maximum(self, other: "TensorList") -> "TensorList":
        """The larger of two lists, element by element."""
        return self._binary(torch._foreach_maximum, other)

    def clamp_min(self, low: float) -> "TensorList":
        """Every element, or `low` where it is smaller."""
        return TensorList(torch._foreach_clamp_min(self.tensors, low))

    def clamp_max(self, high: float) -> "TensorList":
        """Every element, or `high` where it is larger."""
        return TensorList(torch._foreach_clamp_max(self.tensors, high))

    def where(self, condition: Tensor, other: Any) -> "TensorList":
        """The list where a 0-d `condition` holds, else the other list or number."""
        others = other.tensors if isinstance(other, TensorList) else [other] * len(self)
        return TensorList([tensor.where(condition, value) for tensor, value in zip(self.tensors, others, strict=True)])
