"""What a rule declares besides its equations: hypers, flags, state, and where the equations stand."""

from collections.abc import Callable
from dataclasses import dataclass


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
    """A static switch that may change the code path. With `of` set, it is on when that hyper is not zero; "t": `Rule.at` sets it."""

    name: str
    doc: str
    default: bool = False
    of: str = ""


@dataclass(frozen=True, slots=True)
class Slot:
    """One state tensor per parameter: `symbol` in `s`, `key` in torch's state dict.

    It exists when the flag `when` is on (always, if empty) and starts at the hyper `fill` (0, if empty), or at the
    parameter if it `copies`. Its shape is the parameter's, or what `shape` makes of that. With `of_lane` set it is
    one number for the whole model, in `o` and, once concluded, in `c`. `unsigned` promises that no element is
    negative, so that narrow formats need no sign.
    """

    symbol: str
    key: str
    when: str = ""
    fill: str = ""
    copies: bool = False
    shape: Callable[[tuple[int, ...]], tuple[int, ...]] | None = None
    of_lane: bool = False
    unsigned: bool = False

    def shape_for(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The slot's shape for a parameter of this shape."""
        return () if self.of_lane else self.shape(tuple(shape)) if self.shape else tuple(shape)


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
