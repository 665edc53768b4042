"""Decays that are set in steps and have no end of their own: exponential, inverse time and inverse square root."""

import dataclasses
import math
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from ravine.base._checks import number
from ravine.schedules._schedule import Length, Schedule, Way, check_length, each, steps_of

TENTH = 0.1
"""Of the way: the time scale of the inverse square root where neither it nor a warm-up is given."""


@dataclass(frozen=True)
class _Per(Schedule):
    """A decay that is quoted for a number of steps.

    Args:
        per: that number: steps, or a share of the way after the warm-up if a fraction below 1; the whole way if None.
    """

    per: Length | None = dataclasses.field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.per is not None:
            check_length("per", self.per, repr(self.name))

    @property
    def needs_horizon(self) -> bool:
        """See `Schedule`."""
        return not isinstance(self.per, int)

    def _periods(self, step: Any, way: Way) -> Any:
        """How often `per` steps have passed, as a fraction."""
        return step / (way.length if self.per is None else steps_of(self.per, way))


@final
@dataclass(frozen=True)
class Exponential(_Per):
    """The same factor again and again: by gamma over `per` steps.

        multiplier(s) = gamma ** (s / per),  s steps after the warm-up

    Departures. From torch's `ExponentialLR`, whose gamma is for one step: that is `per=1`. Left out, gamma is what is
    left at the end, whatever the horizon.

    Args:
        gamma: the factor, above 0; above 1 the rate grows, as in a range test.
        per: steps, or a share of the way after the warm-up if a fraction below 1; the whole way if None.

    Example:
        >>> Exponential(gamma=0.5, per=2)([0, 2, 4]).tolist()
        [1.0, 0.5, 0.25]
    """

    name = "exponential"
    formula = "gamma ** (s / per)"

    gamma: float = dataclasses.field(default=0.01, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        number("gamma", self.gamma, above=0, below=math.inf, where=repr(self.name), do="It is a factor, such as 0.01.")

    def after(self, step: Any, way: Way) -> Any:
        """See `Schedule`."""
        return each(lambda periods: float(self.gamma**periods), self._periods(step, way))


@final
@dataclass(frozen=True)
class InverseTime(_Per):
    """One over the time, the classical rate of stochastic approximation.

        multiplier(s) = 1 / (1 + decay_rate * s / per),  s steps after the warm-up

    Args:
        decay_rate: above 0; by default a tenth of the rate is left at the end.
        per: steps, or a share of the way after the warm-up if a fraction below 1; the whole way if None.

    Example:
        >>> InverseTime(decay_rate=1.0, per=2)([0, 2, 6]).tolist()
        [1.0, 0.5, 0.25]

    References:
        Robbins and Monro (1951), A stochastic approximation method.
        Bottou (2012), Stochastic gradient descent tricks, section 5.2, whose gamma_0 lambda is decay_rate / per.
    """

    name = "inverse_time"
    formula = "1 / (1 + decay_rate * s / per)"

    decay_rate: float = dataclasses.field(default=9.0, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        number("decay_rate", self.decay_rate, above=0, below=math.inf, where=repr(self.name), do="Use 'constant' for none.")

    def after(self, step: Any, way: Way) -> Any:
        """See `Schedule`."""
        return 1.0 / (1.0 + self.decay_rate * self._periods(step, way))


@final
@dataclass(frozen=True)
class InverseSqrt(Schedule):
    """One over the square root of the time, as the first transformer was trained.

        multiplier(s) = 1 / sqrt(1 + s / timescale),  s steps after the warm-up

    Departures. From the paper, which also multiplies by the model's width ** -0.5: here lr is the peak rate. With a
    warm-up of W steps and no other time scale this is the paper's min(t ** -0.5, t W ** -1.5) over its peak, counted
    from 1 during the warm-up and from 0 after it, so that the peak is held for one step more.

    Args:
        timescale: steps, or a share of the way after the warm-up if a fraction below 1; if None the length of the
            warm-up, or a tenth of the way without one.

    Example:
        >>> InverseSqrt(timescale=4)([0, 12, 60]).tolist()
        [1.0, 0.5, 0.25]

    References:
        Vaswani et al. (2017), Attention is all you need, arXiv:1706.03762, equation 3.
        Zhai et al. (2022), Scaling vision transformers, arXiv:2106.04560, section 3.5: a time scale apart from the warm-up.
    """

    name = "inverse_sqrt"
    formula = "1 / sqrt(1 + s / timescale)"

    timescale: Length | None = dataclasses.field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.timescale is not None:
            check_length("timescale", self.timescale, repr(self.name))

    @property
    def needs_horizon(self) -> bool:
        """See `Schedule`."""
        scale = self.warmup_length if self.timescale is None else self.timescale
        return isinstance(scale, float) or not scale

    def after(self, step: Any, way: Way) -> Any:
        """See `Schedule`."""
        own = self.timescale if self.timescale is not None else way.warmup or TENTH
        return 1.0 / np.sqrt(1.0 + step / steps_of(own, way))
