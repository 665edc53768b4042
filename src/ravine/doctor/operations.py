"""What single operations of a forward pass do: units that are dead or saturated, numbers that stop being finite."""

from collections.abc import Callable, Iterator, Sequence
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
    """

    place: str
    function: str
    count: int
    dead: float
    saturated: float


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
            self.units.append(_units(f"{place}, {name.rstrip('_')}", name.rstrip("_"), out))
        if is_edge and not bool(torch.isfinite(out).all()):
            self.doubtful.append(Doubtful(place, name.strip("_"), f"gave {_example(out)} for finite numbers", is_broken=True))
        given = first_tensor(args)
        if name in _SUMS and given is not None and given.dtype == torch.float16 and given.numel() >= LONG_SUM:
            self.doubtful.append(Doubtful(place, name, f"added up {given.numel():,} numbers in float16", is_broken=False))


def _units(place: str, function: str, out: Tensor) -> Unit:
    """Units are features (B, F), channels (B, C, H, W), or whichever of the two last dimensions of (B, ?, ?) shows more."""
    dims = (1,) if out.ndim != 3 else (1, 2)
    zero = out == 0
    dead = max(_share(zero, dim) for dim in dims) if function in RECTIFIERS else 0.0
    low, high = BOUNDED.get(function, (0.0, 1.0))
    edge = NEAR * (high - low)
    at_bound = (out < low + edge) | (out > high - edge)
    saturated = max(_share(at_bound, dim) for dim in dims) if function in BOUNDED else 0.0
    return Unit(place, function, out.shape[1 if out.ndim != 3 else -1], dead, saturated)


def _share(mask: Tensor, dim: int) -> float:
    return float(mask.movedim(dim, 0).flatten(1).all(dim=1).float().mean()) if mask.numel() else 0.0


def first_tensor(tree: Any) -> Tensor | None:
    """The first tensor of floating type among the leaves."""
    return next((leaf for leaf in pytree.tree_leaves(tree) if isinstance(leaf, Tensor) and leaf.is_floating_point()), None)


def _all_finite(args: Any) -> bool:
    tensors = [leaf for leaf in pytree.tree_leaves(args) if isinstance(leaf, Tensor) and leaf.is_floating_point()]
    return bool(tensors) and all(bool(torch.isfinite(leaf).all()) for leaf in tensors)


def _example(tensor: Tensor) -> str:
    bad = tensor[~torch.isfinite(tensor)]
    return f"{bad[0].item()} ({len(bad):,} of {tensor.numel():,} numbers)"
