"""What single operations of a forward pass do: units that are dead or saturated, numbers that stop being finite."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, final

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils import _pytree as pytree

RECTIFIERS = frozenset({"relu", "relu_", "relu6", "threshold", "threshold_"})
"""Functions that are exactly zero where a unit is off."""

BOUNDED = {"tanh": (-1.0, 1.0), "tanh_": (-1.0, 1.0), "sigmoid": (0.0, 1.0), "sigmoid_": (0.0, 1.0), "hardsigmoid": (0.0, 1.0)}
"""Functions with two bounds, near which their slope vanishes."""

NEAR = 0.01
"""Share of the way between the bounds that counts as lying at one of them."""

_EDGES = frozenset(
    {
        *("log", "log2", "log10", "log1p", "exp", "exp2", "expm1", "sqrt", "rsqrt", "reciprocal", "acos", "asin", "atanh", "lgamma"),
        *("div", "true_divide", "divide", "__truediv__", "__rtruediv__", "__rdiv__", "__div__", "pow", "__pow__", "__rpow__", "xlogy"),
    }
)
_SUMS = frozenset({"sum", "mean", "cumsum", "norm", "softmax", "log_softmax", "logsumexp", "mse_loss", "cross_entropy"})
LONG_SUM = 2048
"""Terms from which a sum in float16 no longer counts by ones."""


@dataclass(frozen=True, slots=True)
class Unit:
    """The units behind one activation function.

    Attributes:
        place: module and function.
        function: its name.
        count: units.
        dead: share of them that are zero on every input.
        saturated: share of them that lie at a bound on every input.
        always_on: share of them that are zero on no input; 0 of a function that has no such part.
    """

    place: str
    function: str
    count: int
    dead: float
    saturated: float
    always_on: float = 0.0

    @classmethod
    def of(cls, place: str, function: str, flat: Mapping[int, Tensor], other: Mapping[int, Tensor]) -> "Unit":
        """As shares of the units; of two readings of the dimensions, the one that shows more.

        Args:
            place: module and function.
            function: its name.
            flat: dimension of the units -> (units,), zero on every row of a rectifier, at a bound on every row of another.
            other: the same, zero on no row; of rectifiers.
        """
        shares = {dim: float(mask.float().mean()) if mask.numel() else 0.0 for dim, mask in flat.items()}
        # Of (B, ?, ?) the last dimension is the features'.
        dim, count = max(shares, key=lambda dim: shares[dim]), len(flat[max(flat)])
        if function not in RECTIFIERS:
            return cls(place, function, count, 0.0, shares[dim])
        return cls(place, function, count, shares[dim], 0.0, float(other[dim].float().mean()) if other[dim].numel() else 0.0)


@dataclass(frozen=True, slots=True)
class Doubtful:
    """An operation that lost numbers.

    Attributes:
        place: module.
        operation: its name.
        what: what it did, as half a sentence.
        is_broken: whether it made numbers not finite.
    """

    place: str
    operation: str
    what: str
    is_broken: bool


@final
class Operations(TorchFunctionMode):
    """Looks at the result of every torch function that is called while it is active."""

    def __init__(self) -> None:
        super().__init__()
        self.units: list[Unit] = []
        self.doubtful: list[Doubtful] = []
        self._places: list[str] = []
        self._is_paused = False

    def enter(self, place: str) -> None:
        """A module begins."""
        self._places.append(place)

    def leave(self) -> None:
        """It ends."""
        self._places.pop()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Look at nothing for the block, which is our own doing."""
        self._is_paused = True
        try:
            yield
        finally:
            self._is_paused = False

    def __torch_function__(
        self, func: Callable[..., Any], types: Sequence[type], args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        name = getattr(func, "__name__", "")
        is_edge = not self._is_paused and name in _EDGES and _all_finite(args)
        out = func(*args, **(kwargs or {}))
        if self._is_paused:
            return out
        result = first_tensor(out)
        if result is not None:
            self._look(name, args, result.detach(), is_edge=is_edge)
        return out

    def _look(self, name: str, args: tuple[Any, ...], out: Tensor, *, is_edge: bool) -> None:
        place = self._places[-1] if self._places else "the loss"
        if (name in RECTIFIERS or name in BOUNDED) and out.ndim > 1 and len(out) > 1:
            function = name.rstrip("_")
            self.units.append(Unit.of(f"{place}, {function}", function, *flat_parts(function, out)))
        if is_edge and not bool(torch.isfinite(out).all()):
            self.doubtful.append(Doubtful(place, name.strip("_"), f"gave {_example(out)} for finite numbers", is_broken=True))
        given = first_tensor(args)
        if name in _SUMS and given is not None and given.dtype == torch.float16 and given.numel() >= LONG_SUM:
            self.doubtful.append(Doubtful(place, name, f"added up {given.numel():,} numbers in float16", is_broken=False))


def flat_parts(function: str, out: Tensor) -> tuple[dict[int, Tensor], dict[int, Tensor]]:
    """Where an activation function is flat on every row, and where a rectifier never is, as `Unit.of` takes them.

    Units are features (B, F), channels (B, C, H, W), or either of the two last dimensions of (B, ?, ?).

    Args:
        function: its name.
        out: what it gave.
    """
    dims = (1,) if out.ndim != 3 else (1, 2)
    if function in RECTIFIERS:
        zero = out == 0
        return {dim: _on_all(zero, dim) for dim in dims}, {dim: _on_all(~zero, dim) for dim in dims}
    low, high = BOUNDED[function]
    edge = NEAR * (high - low)
    at_bound = (out < low + edge) | (out > high - edge)
    return {dim: _on_all(at_bound, dim) for dim in dims}, {}


def _on_all(mask: Tensor, dim: int) -> Tensor:
    return mask.all(dim=[other for other in range(mask.ndim) if other != dim])


def first_tensor(tree: Any) -> Tensor | None:
    """The first tensor of floating type among the leaves."""
    if isinstance(tree, Tensor) and tree.is_floating_point():
        return tree
    return next((leaf for leaf in pytree.tree_leaves(tree) if isinstance(leaf, Tensor) and leaf.is_floating_point()), None)


def _all_finite(args: Any) -> bool:
    tensors = [leaf for leaf in pytree.tree_leaves(args) if isinstance(leaf, Tensor) and leaf.is_floating_point()]
    return bool(tensors) and all(bool(torch.isfinite(leaf).all()) for leaf in tensors)


def _example(tensor: Tensor) -> str:
    bad = tensor[~torch.isfinite(tensor)]
    return f"{bad[0].item()} ({len(bad):,} of {tensor.numel():,} numbers)"
