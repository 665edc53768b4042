"""Shapes over the whole horizon: constant, linear, cosine, warm-up-stable-decay, polynomial and REX."""

import dataclasses
import math
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from ravine.base._checks import number, unknown_name
from ravine.schedules._schedule import Progress, Schedule, Shape, Way, each

FALLS = ("linear", "cosine", "1-sqrt")


@final
@dataclass(frozen=True)
class Constant(Schedule):
    """The same rate throughout, after the warm-up if there is one.

        shape(x) = 1

    Example:
        >>> Constant().warmup(2)([0, 1, 2], horizon=4).tolist()
        [0.5, 1.0, 1.0]
    """

    name = "constant"
    formula = "1"

    @property
    def needs_horizon(self) -> bool:
        """See `Schedule`."""
        return False

    def after(self, step: Any, way: Way) -> Any:
        """See `Schedule`."""
        return step * 0.0 + 1.0


@dataclass(frozen=True)
class _Falling(Shape):
    """A schedule that falls to a share of the peak.

    Args:
        floor: the multiplier at the end, in [0, 1].
    """

    floor: float = dataclasses.field(default=0.0, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        number("floor", self.floor, at_least=0, at_most=1, where=repr(self.name), do="It is a share of the peak rate.")


@final
@dataclass(frozen=True)
class Linear(_Falling):
    """A straight line from 1 to the floor.

        shape(x) = floor + (1 - floor) (1 - x)

    Args:
        floor: the multiplier at the end, in [0, 1].

    Example:
        >>> Linear(floor=0.5)([0, 2, 4], horizon=4).tolist()
        [1.0, 0.75, 0.5]

    References:
        Defazio et al. (2023), When, why and how much? Adaptive learning rate scheduling by refinement,
        arXiv:2310.07831.
    """

    name = "linear"
    formula = "floor + (1 - floor) (1 - x)"

    def shape(self, x: Progress) -> Progress:
        """The line at x."""
        return self.floor + (1.0 - self.floor) * (1.0 - x)


@final
@dataclass(frozen=True)
class Cosine(_Falling):
    """Half a wave of a cosine from 1 to the floor, without restarts.

        shape(x) = floor + (1 - floor) (1 + cos(pi x)) / 2

    Args:
        floor: the multiplier at the end, in [0, 1].

    Example:
        >>> Cosine(floor=0.5)([0, 2, 4], horizon=4).round(12).tolist()
        [1.0, 0.75, 0.5]

    References:
        Loshchilov and Hutter (2017), SGDR: stochastic gradient descent with warm restarts, arXiv:1608.03983,
        equation 5.
    """

    name = "cosine"
    formula = "floor + (1 - floor) (1 + cos(pi x)) / 2"

    def shape(self, x: Progress) -> Progress:
        """The half wave at x."""
        return self.floor + (1.0 - self.floor) * (1.0 + each(math.cos, math.pi * x)) / 2.0


@final
@dataclass(frozen=True)
class WSD(_Falling):
    """Warm-up-stable-decay: the peak rate for most of the way, then a fall to the floor.

        shape(x) = floor + (1 - floor) fall(u),  u = max(0, 1 - (1 - x) / decay)  the share of the fall that is done
        fall(u) = 1 - u (linear), (1 + cos(pi u)) / 2 (cosine), 1 - sqrt(u) (1-sqrt)

    Departures. From the paper: its decay is exponential; a line does as well in the comparison by Hägele et al. and one
    minus the square root better. As with every schedule here, the warm-up is what `warmup` gives it, none by default.

    Args:
        floor: the multiplier at the end, in [0, 1].
        decay: the share of the way after the warm-up over which it falls, above 0 and at most 1.
        fall: "linear", "cosine" or "1-sqrt".

    Example:
        >>> WSD(decay=0.5)([0, 2, 3, 4], horizon=4).tolist()
        [1.0, 1.0, 0.5, 0.0]

    References:
        Hu et al. (2024), MiniCPM: unveiling the potential of small language models, arXiv:2404.06395, section 4.2.
        Hägele et al. (2024), Scaling laws and compute-optimal training beyond fixed training durations,
        arXiv:2405.18392: a line over a fifth of the way; equation 1 is 1-sqrt.
    """

    name = "wsd"
    formula = "floor + (1 - floor) fall(u), u = max(0, 1 - (1 - x) / decay)"

    decay: float = dataclasses.field(default=0.2, kw_only=True)
    fall: str = dataclasses.field(default="linear", kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        number("decay", self.decay, above=0, at_most=1, where=repr(self.name), do="It is a share of the way after the warm-up.")
        if self.fall not in FALLS:
            raise unknown_name("fall of 'wsd'", self.fall, FALLS)

    def shape(self, x: Progress) -> Progress:
        """The plateau, and the fall at its end."""
        left = np.minimum((1.0 - x) / self.decay, 1.0)
        if self.fall == "cosine":
            left = (1.0 + each(math.cos, math.pi * (1.0 - left))) / 2.0
        elif self.fall == "1-sqrt":
            left = 1.0 - np.sqrt(1.0 - left)
        return self.floor + (1.0 - self.floor) * left


@final
@dataclass(frozen=True)
class Polynomial(_Falling):
    """A power of what is left of the way, from 1 to the floor.

        shape(x) = floor + (1 - floor) (1 - x) ** power

    Args:
        floor: the multiplier at the end, in [0, 1].
        power: above 0; 1 is `Linear`.

    Example:
        >>> Polynomial(power=2.0)([0, 2, 4], horizon=4).tolist()
        [1.0, 0.25, 0.0]

    References:
        Chen et al. (2017), DeepLab, arXiv:1606.00915, section 4.1: the "poly" policy with power 0.9.
    """

    name = "polynomial"
    formula = "floor + (1 - floor) (1 - x) ** power"

    power: float = dataclasses.field(default=0.9, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        number("power", self.power, above=0, below=math.inf, where=repr(self.name), do="Use 1 for a straight line.")

    def shape(self, x: Progress) -> Progress:
        """The power at x."""
        return self.floor + (1.0 - self.floor) * each(lambda left: left**self.power, 1.0 - x)


@final
@dataclass(frozen=True)
class REX(_Falling):
    """Slow to fall at first and fast at the end, made for small budgets.

        shape(x) = floor + (1 - floor) (1 - x) / (1/2 + (1 - x) / 2)

    Args:
        floor: the multiplier at the end, in [0, 1].

    Example:
        >>> REX()([0, 2, 4], horizon=4).round(6).tolist()
        [1.0, 0.666667, 0.0]

    References:
        Chen, Wolfe and Kyrillidis (2022), REX: revisiting budgeted training with an improved schedule,
        arXiv:2107.04197, section 4.
    """

    name = "rex"
    formula = "floor + (1 - floor) (1 - x) / (1/2 + (1 - x) / 2)"

    def shape(self, x: Progress) -> Progress:
        """The ratio at x."""
        return self.floor + (1.0 - self.floor) * ((1.0 - x) / (0.5 + 0.5 * (1.0 - x)))
