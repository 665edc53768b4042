"""Schedules that look at a metric: plateau. Their state is small, explicit and never changed in place."""

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

from ravine.base._checks import count, number, unknown_name
from ravine.base.errors import InputError


@final
@dataclass(frozen=True, slots=True)
class PlateauState:
    """Everything that a plateau remembers.

    Attributes:
        best: best value so far; None before the first that is a number.
        bad: values in a row that were no better.
        cooldown: values to come that are not counted.
        reductions: how often the rate was reduced.
    """

    best: float | None = None
    bad: int = 0
    cooldown: int = 0
    reductions: int = 0


@final
@dataclass(frozen=True)
class Plateau:
    """Reduce the rate when a metric has stopped improving.

        multiplier = max(factor ** reductions, floor),  one reduction whenever more than `patience` values in a row
        were no better than the best, after which the next `cooldown` values are not counted

    Departures. From torch's `ReduceLROnPlateau`: a relative threshold is a share of the best value's size, so that it
    means the same below zero, where torch takes slightly worse values for better ones; the rate is reduced however
    small it is (torch leaves changes below its `eps` out); the floor is a multiplier.

    Args:
        factor: of each reduction, in (0, 1).
        patience: values without improvement that are put up with.
        threshold: by how much a value must be better.
        threshold_mode: "rel", a share of the best value's size, or "abs".
        mode: "min" where lower is better, or "max".
        cooldown: values after a reduction that are not counted.
        floor: the least multiplier, in [0, 1].

    Example:
        >>> plateau, state = Plateau(factor=0.5, patience=1), PlateauState()
        >>> for loss in (1.0, 0.9, 0.9, 0.9):
        ...     state = plateau.after(state, loss)
        >>> plateau(state), state.reductions
        (0.5, 1)
    """

    factor: float = 0.1
    patience: int = 10
    threshold: float = 1e-4
    threshold_mode: str = dataclasses.field(default="rel", kw_only=True)
    mode: str = dataclasses.field(default="min", kw_only=True)
    cooldown: int = dataclasses.field(default=0, kw_only=True)
    floor: float = dataclasses.field(default=0.0, kw_only=True)

    def __post_init__(self) -> None:
        number("factor", self.factor, above=0, below=1, where="'plateau'", do="It multiplies the rate at each reduction.")
        count("patience", self.patience, at_least=0)
        number("threshold", self.threshold, at_least=0, below=math.inf, where="'plateau'", do="Use 0 to count any improvement.")
        count("cooldown", self.cooldown, at_least=0)
        number("floor", self.floor, at_least=0, at_most=1, where="'plateau'", do="It is a share of the peak rate.")
        for name, known in (("threshold_mode", ("rel", "abs")), ("mode", ("min", "max"))):
            if getattr(self, name) not in known:
                raise unknown_name(f"{name} of 'plateau'", getattr(self, name), known)

    def __call__(self, state: PlateauState) -> float:
        """The multiplier."""
        return max(float(self.factor**state.reductions), self.floor)

    def after(self, state: PlateauState, value: float) -> PlateauState:
        """The state after one more value; one that is no number counts as no improvement.

        Raises:
            InputError: the value is no number at all.
        """
        try:
            value = float(value)
        except (TypeError, ValueError):
            raise InputError(f"value={value!r}: must be a number. Give the metric of this evaluation.", given=value) from None
        best, bad = (value, 0) if self._is_better(value, state.best) else (state.best, state.bad + 1)
        cooldown, reductions = max(state.cooldown - 1, 0), state.reductions
        if state.cooldown:
            bad = 0
        if bad > self.patience:
            bad, cooldown, reductions = 0, self.cooldown, reductions + 1
        return PlateauState(best, bad, cooldown, reductions)

    def restored(self, saved: Mapping[str, Any]) -> PlateauState:
        """The state from what `dataclasses.asdict` made of it.

        Raises:
            InputError: it is something else.
        """
        names = {field.name for field in dataclasses.fields(PlateauState)}
        if set(saved) != names:
            raise InputError(f"the plateau's state has {sorted(saved)}: must have {sorted(names)}. Load what was saved.", given=saved)
        return PlateauState(**saved)

    def _is_better(self, value: float, best: float | None) -> bool:
        worst = math.inf if self.mode == "min" else -math.inf
        reference = worst if best is None else best
        share = abs(reference) if self.threshold_mode == "rel" else 1.0
        margin = self.threshold * share if math.isfinite(reference) else 0.0
        return value < reference - margin if self.mode == "min" else value > reference + margin
