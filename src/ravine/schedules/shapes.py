"""Constant, linear and cosine, and their names."""

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, final

from ravine.base._checks import number, unknown_name
from ravine.schedules._schedule import Progress, Schedule, each


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
    needs_horizon = False

    def shape(self, x: Progress) -> Progress:
        """One, wherever x is."""
        return x * 0.0 + 1.0


@dataclass(frozen=True)
class _Falling(Schedule):
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

    def shape(self, x: Progress) -> Progress:
        """The half wave at x."""
        return self.floor + (1.0 - self.floor) * (1.0 + each(math.cos, math.pi * x)) / 2.0


REGISTRY: Mapping[str, type[Schedule]] = MappingProxyType({kind.name: kind for kind in (Constant, Linear, Cosine)})
"""Every schedule by name."""


def names() -> tuple[str, ...]:
    """Names of the schedules, simplest first."""
    return tuple(REGISTRY)


def create(name: str, **settings: Any) -> Schedule:
    """The schedule called `name`.

    Args:
        name: registry name.
        settings: `horizon`, `warmup`, and what the schedule itself takes, such as `floor`.

    Raises:
        UnknownNameError: no such schedule, or a setting that it does not have.
        InputError: a setting outside its interval.

    Example:
        >>> create("cosine", warmup=0.1, floor=0.01)(0, horizon=100)
        0.1
    """
    if name not in REGISTRY:
        raise unknown_name("schedule", name, REGISTRY)
    kind = REGISTRY[name]
    known = {"warmup" if field.name == "warmup_length" else field.name for field in dataclasses.fields(kind)}
    for setting in settings:
        if setting not in known:
            raise unknown_name(f"setting of {name!r}", setting, known)
    given = dict(settings)
    warmup = given.pop("warmup", 0)
    return kind(**given).warmup(warmup)
