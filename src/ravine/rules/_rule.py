"""The core abstraction: a rule is a paper's equations as two pure functions, run unchanged by every driver.

1. `scalars(h, t)` sees hyper-parameters and the step, in float64, one value or one per lane.
2. `update(p, g, s, c)` sees one tensor of one lane and the scalars, and returns `(delta, state)`.

The driver owns the addition `p + delta`, so that master weights, masks and measurements are written once.

Legend: p parameter, g gradient, s state, h hypers, c scalars, t step (1 at the first), m and v moments.
"""

import abc
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, TypeAlias

Scalar: TypeAlias = Any
"""A Python float, a float64 array over lanes, or (inside `update`) a 0-d tensor."""

Tensors: TypeAlias = Any
"""A tensor, or a `TensorList` of the same tensors of several parameters."""

State: TypeAlias = dict[str, Tensors]


@dataclass(frozen=True, slots=True)
class Hyper:
    """A numeric hyper-parameter: may differ between lanes and change at any step, never decides the code path.

    Attributes:
        symbol: attribute of `h` inside the rule.
        default: value used when none is given.
        low, high: permitted interval; `high` itself is excluded when `open_above`.
        key, index: name in `torch.optim` param groups and, for tuples such as `betas`, the position.
        doc: one line.
    """

    symbol: str
    default: float
    low: float
    high: float
    doc: str
    key: str = ""
    index: int | None = None
    open_above: bool = False

    @property
    def group_key(self) -> str:
        """Name in `torch.optim` param groups."""
        return self.key or self.symbol


@dataclass(frozen=True, slots=True)
class Flag:
    """A static switch that may change the code path. With `of` set, it is on when that hyper is not zero."""

    name: str
    doc: str
    default: bool = False
    of: str = ""


@dataclass(frozen=True, slots=True)
class Slot:
    """One state tensor per parameter: `symbol` in `s`, `key` in torch's state dict.

    It exists when the flag `when` is on (always, if empty) and starts at the hyper `fill` (0, if empty).
    """

    symbol: str
    key: str
    when: str = ""
    fill: str = ""


@dataclass(frozen=True, slots=True)
class Citation:
    """Where the equations stand."""

    authors: str
    year: int
    title: str
    identifier: str = ""

    def __str__(self) -> str:
        place = f", {self.identifier}" if self.identifier else ""
        return f"{self.authors} ({self.year}), {self.title}{place}"


class Rule(abc.ABC):
    """An optimiser's equations. Subclasses are final and stateless: flags only.

    Args:
        flags: value of every flag that differs from its default.
    """

    name: ClassVar[str]
    citation: ClassVar[Citation]
    hypers: ClassVar[tuple[Hyper, ...]]
    flags: ClassVar[tuple[Flag, ...]] = ()
    slots: ClassVar[tuple[Slot, ...]] = ()
    granularity: ClassVar[Literal["element", "tensor", "matrix"]] = "element"
    needs: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, **flags: bool) -> None:
        known = {flag.name: flag.default for flag in self.flags}
        assert flags.keys() <= known.keys(), f"{self.name}: unknown flags {flags.keys() - known.keys()}"
        self._on = frozenset(name for name, value in (known | flags).items() if value)

    def on(self, flag: str) -> bool:
        """Whether a flag is on."""
        return flag in self._on

    @property
    def key(self) -> tuple[str, tuple[str, ...]]:
        """What lanes of one group share: the rule and its flags."""
        return self.name, tuple(sorted(self._on))

    @property
    def active_slots(self) -> tuple[Slot, ...]:
        """Slots that exist under the current flags."""
        return tuple(slot for slot in self.slots if not slot.when or self.on(slot.when))

    @abc.abstractmethod
    def scalars(self, h: Any, t: Scalar) -> Mapping[str, Scalar]:
        """Step sizes, decay factors and bias corrections from hypers `h` at step `t`, in float64."""

    @abc.abstractmethod
    def update(self, p: Tensors, g: Tensors, s: Any, c: Any) -> tuple[Tensors, State]:
        """The change of `p` and the next state, from gradient `g`, state `s` and scalars `c`."""
