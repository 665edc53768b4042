"""The core abstraction: a rule is a paper's equations as two pure functions, run unchanged by every driver.

1. `scalars(h, t)` sees hyper-parameters and the step, in float64, one value or one per lane.
2. `update(p, g, s, c)` sees one tensor of one lane and the scalars, and returns `(delta, state)`.

Rules that look at the whole model (a norm over all tensors, Prodigy's distance) come between the two with `measure`,
whose sums are taken over the tensors of a lane, and `conclude`, which turns them into further scalars.
The driver owns the addition `p + delta`, so that master weights, masks and measurements are written once.

Legend: p parameter, g gradient, s state, h hypers, c scalars, o state of the whole lane, t step (1 at the first).
"""

import abc
from collections.abc import Mapping
from typing import Any, ClassVar, Literal, Self, TypeAlias

from ravine.rules._declarations import Citation, Flag, Hyper, Slot

__all__ = ["Citation", "Flag", "Hyper", "Rule", "Scalar", "Slot", "State", "Tensors"]

Scalar: TypeAlias = Any
"""A Python float, a float64 array over lanes, or (inside `update`) a 0-d tensor."""

Tensors: TypeAlias = Any
"""A tensor, or a `TensorList` of the same tensors of several parameters."""

State: TypeAlias = dict[str, Tensors]


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
    gradients_per_step: ClassVar[float] = 1.0

    def __init__(self, **flags: bool) -> None:
        known = {flag.name: flag.default for flag in self.flags}
        assert flags.keys() <= known.keys(), f"{self.name}: unknown flags {flags.keys() - known.keys()}"
        self._on = frozenset(name for name, value in (known | flags).items() if value)
        exist = [slot for slot in self.slots if not slot.when or slot.when in self._on]
        self._own = tuple(slot for slot in exist if not slot.of_lane)
        self._shared = tuple(slot for slot in exist if slot.of_lane)

    def on(self, flag: str) -> bool:
        """Whether a flag is on."""
        return flag in self._on

    @property
    def key(self) -> tuple[str, tuple[str, ...]]:
        """What lanes of one group share: the rule and its flags."""
        return self.name, tuple(sorted(self._on))

    def _with(self, **flags: bool) -> Self:
        """The same rule with some flags set otherwise."""
        return type(self)(**{**{flag.name: self.on(flag.name) for flag in self.flags}, **flags})

    @property
    def active_slots(self) -> tuple[Slot, ...]:
        """Slots of a parameter that exist under the current flags."""
        return self._own

    @property
    def lane_slots(self) -> tuple[Slot, ...]:
        """Slots of the whole lane that exist under the current flags."""
        return self._shared

    @property
    def is_plain(self) -> bool:
        """Whether `scalars` and `update` are all there is: each parameter on its own, the same text at every step."""
        kind, extras = type(self), ("measure", "conclude", "at", "part", "evaluate")
        return not self.needs and all(getattr(kind, name) is getattr(Rule, name) for name in extras)

    @property
    def is_phased(self) -> bool:
        """Whether some steps do more than others, so that one step's code cannot stand for all."""
        return bool(self.needs) or type(self).at is not Rule.at

    @property
    def is_averaging(self) -> bool:
        """Whether the model is to be evaluated at other weights than those that are trained."""
        return type(self).evaluate is not Rule.evaluate

    def at(self, t: int, h: Any) -> Self:
        """The rule with the flags of step `t` under hypers `h` (one value or one a lane), where some steps do more than others."""
        del t, h
        return self

    def part(self, kind: str) -> Self:
        """The rule with the flags of a parameter's kind (`ravine.tasks.kinds`), where kinds are treated differently."""
        del kind
        return self

    @abc.abstractmethod
    def scalars(self, h: Any, t: Scalar) -> Mapping[str, Scalar]:
        """Step sizes, decay factors and bias corrections from hypers `h` at step `t`, in float64."""

    def measure(self, p: Tensors, g: Tensors, s: Any, c: Any) -> tuple[State, State]:
        """Terms of sums over all tensors of the lane, 0-d, and slots that are new already; `c` holds the lane's state."""
        del p, g, s, c
        return {}, {}

    def conclude(self, sums: Any, o: Any, c: Any) -> tuple[State, State]:
        """The lane's next state, and further scalars for `update`, from the sums and the lane's state `o`."""
        del sums, o, c
        return {}, {}

    def ascent_terms(self, p: Tensors, g: Tensors, c: Any) -> State:
        """Terms of sums over all tensors of the lane, 0-d, for `ascent`."""
        del p, g, c
        return {}

    def ascent(self, p: Tensors, g: Tensors, sums: Any, c: Any) -> Tensors:
        """The way from `p` to where the gradient is to be taken that `update` gets, for a rule that needs a second one."""
        del g, sums, c
        return p * 0.0

    @abc.abstractmethod
    def update(self, p: Tensors, g: Tensors, s: Any, c: Any) -> tuple[Tensors, State]:
        """The change of `p` and the next state, from gradient `g`, state `s` and scalars `c`."""

    def evaluate(self, p: Tensors, s: Any, c: Any) -> Tensors:
        """The weights to evaluate the model at, from those that are trained."""
        del s, c
        return p
