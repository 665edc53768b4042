"""Schedules that hold a rate and change it at given steps: step, multistep and piecewise."""

import bisect
import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, final

import numpy as np

from ravine.base._checks import number
from ravine.base.errors import InputError
from ravine.schedules._schedule import Length, Schedule, Way, check_length, each, steps_of


@final
@dataclass(frozen=True)
class Step(Schedule):
    """A factor gamma after every so many steps.

        multiplier(s) = gamma ** floor(s / step_size),  s steps after the warm-up

    Args:
        step_size: steps, or a share of the way after the warm-up if a fraction below 1.
        gamma: the factor, above 0.

    Example:
        >>> Step(step_size=2, gamma=0.5)([0, 1, 2, 4]).tolist()
        [1.0, 1.0, 0.5, 0.25]
    """

    name = "step"
    formula = "gamma ** floor(s / step_size)"

    step_size: Length = dataclasses.field(default=0.3, kw_only=True)
    gamma: float = dataclasses.field(default=0.1, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_length("step_size", self.step_size, repr(self.name))
        number("gamma", self.gamma, above=0, below=math.inf, where=repr(self.name), do="It is a factor, such as 0.1.")

    @property
    def needs_horizon(self) -> bool:
        """See `Schedule`."""
        return isinstance(self.step_size, float)

    def after(self, step: Any, way: Way) -> Any:
        """See `Schedule`."""
        return each(lambda stairs: float(self.gamma**stairs), step // steps_of(self.step_size, way))


@dataclass(frozen=True)
class _Milestones(Schedule):
    """A schedule that changes at milestones.

    Args:
        milestones: ascending; steps, or shares of the way after the warm-up if fractions below 1.
    """

    milestones: tuple[Length, ...] = dataclasses.field(default=(), kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        given: object = self.milestones
        where = repr(self.name)
        if not isinstance(given, Sequence) or isinstance(given, str) or not given:
            raise InputError(f"milestones={given!r} for {where}: must be a list, such as (0.5, 0.75) or (300, 600).", given=given)
        for milestone in given:
            check_length("milestones", milestone, where)
        if len({type(milestone) for milestone in given}) > 1 or any(left > right for left, right in pairwise(given)):
            allowed = "must ascend, and be all whole numbers of steps or all shares"
            raise InputError(f"milestones={given!r} for {where}: {allowed}. Write them like (0.5, 0.75).", given=given)
        object.__setattr__(self, "milestones", tuple(given))

    @property
    def needs_horizon(self) -> bool:
        """See `Schedule`."""
        return isinstance(self.milestones[0], float)

    def _bounds(self, way: Way) -> list[int]:
        return [steps_of(milestone, way) for milestone in self.milestones]

    def _passed(self, step: Any, bounds: list[int]) -> Any:
        """How many milestones lie at or before a step."""
        return np.searchsorted(bounds, step, side="right") if isinstance(step, np.ndarray) else bisect.bisect_right(bounds, step)


@final
@dataclass(frozen=True)
class MultiStep(_Milestones):
    """A factor gamma at every milestone.

        multiplier(s) = gamma ** (number of milestones <= s),  s steps after the warm-up

    Args:
        milestones: ascending; steps, or shares of the way after the warm-up if fractions below 1.
        gamma: the factor, above 0.

    Example:
        >>> MultiStep(milestones=(2, 3), gamma=0.5)([0, 1, 2, 3]).tolist()
        [1.0, 1.0, 0.5, 0.25]

    References:
        He et al. (2016), Deep residual learning for image recognition, arXiv:1512.03385, section 4.2: by ten at a half
        and at three quarters.
    """

    name = "multistep"
    formula = "gamma ** (number of milestones <= s)"

    milestones: tuple[Length, ...] = dataclasses.field(default=(0.5, 0.75), kw_only=True)
    gamma: float = dataclasses.field(default=0.1, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        number("gamma", self.gamma, above=0, below=math.inf, where=repr(self.name), do="It is a factor, such as 0.1.")

    def after(self, step: Any, way: Way) -> Any:
        """See `Schedule`."""
        return each(lambda stairs: float(self.gamma**stairs), self._passed(step, self._bounds(way)))


@final
@dataclass(frozen=True)
class Piecewise(_Milestones):
    """Any multipliers, held or joined by straight lines.

        multiplier(s) = values[number of milestones <= s],  s steps after the warm-up
        with `interpolate`: the lines through (0, values[0]), (milestones[0], values[1]), ..., and flat after the last

    Args:
        milestones: ascending; steps, or shares of the way after the warm-up if fractions below 1.
        values: multipliers, at least 0, one more than milestones.
        interpolate: whether to join them by lines.

    Example:
        >>> Piecewise(milestones=(2, 4), values=(1.0, 0.5, 0.0), interpolate=True)([0, 1, 2, 3, 9]).tolist()
        [1.0, 0.75, 0.5, 0.25, 0.0]

    References:
        Goyal et al. (2017), Accurate, large minibatch SGD, arXiv:1706.02677, section 5.1: by ten after 30, 60 and 80 of
        90 epochs, the default here as shares.
    """

    name = "piecewise"
    formula = "values[number of milestones <= s]"

    milestones: tuple[Length, ...] = dataclasses.field(default=(1 / 3, 2 / 3, 8 / 9), kw_only=True)
    values: tuple[float, ...] = dataclasses.field(default=(1.0, 0.1, 0.01, 0.001), kw_only=True)
    interpolate: bool = dataclasses.field(default=False, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        where = repr(self.name)
        given: Any = self.values
        if not isinstance(given, Sequence) or isinstance(given, str) or len(given) != len(self.milestones) + 1:
            allowed = f"must be {len(self.milestones) + 1} multipliers, one more than milestones"
            raise InputError(f"values={given!r} for {where}: {allowed}. Give that many.", given=given)
        for value in given:
            number("values", value, at_least=0, below=math.inf, where=where, do="They are multipliers of the peak rate.")
        object.__setattr__(self, "values", tuple(float(value) for value in given))
        if not isinstance(self.interpolate, bool):
            raise InputError(f"interpolate={self.interpolate!r} for {where}: must be True or False.", given=self.interpolate)

    def after(self, step: Any, way: Way) -> Any:
        """See `Schedule`."""
        bounds, values = self._bounds(way), np.array(self.values)
        passed = self._passed(step, bounds)
        if not self.interpolate:
            return values[passed]
        points = np.array([0, *bounds])
        following = np.minimum(passed + 1, len(bounds))
        span = np.maximum(points[following] - points[passed], 1)
        return values[passed] + (values[following] - values[passed]) * ((step - points[passed]) / span)
