"""One schedule after another, and schedules whose numbers are values rather than multipliers."""

import dataclasses
import math
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, ClassVar, final

import numpy as np

from ravine.base._checks import number
from ravine.base.errors import InputError
from ravine.schedules._schedule import Schedule, Way


@final
@dataclass(frozen=True)
class Chain(Schedule):
    """One schedule after another, each counting its steps from 0; `a >> b` makes one.

    A part lasts for its own horizon. One part may have none and then lasts for what the others leave of the horizon of
    the chain. A chain in a chain is the same as its parts. After the last part its end value stays.

    Args:
        parts: at least one.

    Example:
        >>> from ravine.schedules import Constant, Linear
        >>> (Constant(horizon=2) >> Linear())([0, 1, 2, 3, 4, 5], horizon=6).tolist()
        [1.0, 1.0, 1.0, 0.75, 0.5, 0.25]
    """

    name = "chain"
    formula = "one part after another"

    parts: tuple[Schedule, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.parts or not all(isinstance(part, Schedule) for part in self.parts):
            raise InputError(f"parts={self.parts!r}: must be schedules. Write a >> b.", given=self.parts)
        if sum(part.horizon is None for part in self.parts) > 1:
            raise InputError(f"{self!r}: only one part may be without a horizon. Give the others horizon=.", given=self.parts)

    @classmethod
    def of(cls, first: Schedule, following: Schedule) -> "Chain":
        """Two schedules as one chain; chains among them are taken apart where they have no settings of their own."""
        parts: list[Schedule] = []
        for part in (first, following):
            is_plain = isinstance(part, Chain) and part == Chain(part.parts)
            parts += part.parts if isinstance(part, Chain) and is_plain else [_closed(part)]
        return cls(tuple(parts))

    @property
    def needs_horizon(self) -> bool:
        """See `Schedule`."""
        *before, last = self.parts
        return any(part.horizon is None for part in before) or (last.horizon is None and last.needs_horizon)

    @property
    def length(self) -> int | None:
        """Steps of all parts and the warm-up; None where a part has no horizon."""
        lengths = [part.horizon for part in self.parts if part.horizon is not None]
        if len(lengths) < len(self.parts) or isinstance(self.warmup_length, float):
            return None
        return self.warmup_length + sum(lengths)

    @property
    def settings(self) -> dict[str, Any]:
        """See `Schedule`; parts as their names and settings."""
        return super().settings | {"parts": [{"name": part.name, **part.settings} for part in self.parts]}

    def after(self, step: Any, way: Way) -> Any:
        """See `Schedule`."""
        lengths = self._lengths(way)
        starts = np.array([0, *accumulate(length for length in lengths[:-1] if length is not None)])
        place = np.searchsorted(starts, step, side="right") - 1
        if not isinstance(step, np.ndarray):
            return self.parts[place](int(step - starts[place]), lengths[place])
        result = np.empty(step.shape)
        for index, (part, length) in enumerate(zip(self.parts, lengths, strict=True)):
            result[place == index] = part((step - starts[index])[place == index], length)
        return result

    def _lengths(self, way: Way) -> list[int | None]:
        """Steps of every part; None for a last one that has no end."""
        fixed = sum(part.horizon for part in self.parts if part.horizon is not None)
        rest = None if way.length is None else way.length - fixed
        if rest is not None and rest < 1 and any(part.horizon is None for part in self.parts):
            given = f"the parts of {self!r} take {fixed} of {way.length} steps"
            raise InputError(f"{given}: the one without a horizon must have some left. Use a longer horizon.", given=way.length)
        return [rest if part.horizon is None else part.horizon for part in self.parts]


def _closed(part: Schedule) -> Schedule:
    """A chain whose length is known takes it as its horizon, so that another part may follow."""
    if isinstance(part, Chain) and part.horizon is None and part.length is not None:
        return dataclasses.replace(part, horizon=part.length)
    return part


@final
@dataclass(frozen=True)
class Between:
    """A schedule of values: a momentum or a betas[0], say, that is no multiple of where it began.

        value(t) = at_zero + (at_one - at_zero) multiplier(t)

    Args:
        schedule: of the multiplier.
        at_zero: the value where the multiplier is 0.
        at_one: the value where the multiplier is 1.

    Example:
        >>> from ravine.schedules import Linear
        >>> Between(Linear(horizon=4), at_zero=0.95, at_one=0.85)([0, 2, 4]).round(12).tolist()
        [0.85, 0.9, 0.95]
    """

    is_value: ClassVar[bool] = True

    schedule: Schedule
    at_zero: float
    at_one: float

    def __post_init__(self) -> None:
        for name in ("at_zero", "at_one"):
            number(name, getattr(self, name), above=-math.inf, below=math.inf)

    def __call__(self, step: Any, horizon: int | None = None) -> Any:
        """The value in float64; see `Schedule`."""
        return self.at_zero + (self.at_one - self.at_zero) * self.schedule(step, horizon)

    @property
    def name(self) -> str:
        """What it is called in a state dict."""
        return "between"

    @property
    def settings(self) -> dict[str, Any]:
        """Its schedule, as name and settings, and both values."""
        return {"schedule": {"name": self.schedule.name, **self.schedule.settings}, "at_zero": self.at_zero, "at_one": self.at_one}
