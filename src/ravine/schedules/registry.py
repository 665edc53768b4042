"""Names of the schedules, and schedules made by name."""

import dataclasses
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from ravine.base._checks import unknown_name
from ravine.base.errors import InputError
from ravine.schedules._schedule import Schedule
from ravine.schedules.cycles import CosineRestarts, Cyclical, OneCycle
from ravine.schedules.decays import Exponential, InverseSqrt, InverseTime
from ravine.schedules.feedback import Plateau
from ravine.schedules.shapes import REX, WSD, Constant, Cosine, Linear, Polynomial
from ravine.schedules.stairs import MultiStep, Piecewise, Step

KINDS: tuple[type[Schedule], ...] = (
    *(Constant, Linear, Cosine, WSD, Polynomial, REX),
    *(Exponential, InverseTime, InverseSqrt),
    *(Step, MultiStep, Piecewise),
    *(CosineRestarts, Cyclical, OneCycle),
)

REGISTRY: Mapping[str, type[Schedule]] = MappingProxyType({kind.name: kind for kind in KINDS})
"""Every schedule by name; each can be made without settings."""

FEEDBACK: Mapping[str, type[Plateau]] = MappingProxyType({"plateau": Plateau})
"""Those that look at a metric: no functions of the step, so that no race can plan with them."""


def names() -> tuple[str, ...]:
    """Names of the schedules, simplest first."""
    return tuple(REGISTRY)


def settings_of(kind: type[Schedule]) -> dict[str, Any]:
    """What `create` takes for a schedule besides the horizon, with the defaults."""
    fields = {field.name: field.default for field in dataclasses.fields(kind) if field.name != "horizon"}
    own = {name: default for name, default in fields.items() if not name.startswith("warmup_")}
    return own | {"warmup": fields["warmup_length"], **{name: fields[name] for name in ("warmup_kind", "warmup_start")}}


def create(name: str, **settings: Any) -> Schedule:
    """The schedule called `name`.

    Args:
        name: registry name.
        settings: `horizon`, `warmup`, `warmup_kind`, `warmup_start`, and what the schedule itself takes, such as `floor`.

    Raises:
        UnknownNameError: no such schedule, or a setting that it does not have.
        InputError: a setting outside its interval.

    Example:
        >>> create("cosine", warmup=0.1, floor=0.01)(0, horizon=100)
        0.1
    """
    if name in FEEDBACK:
        remedy = "Give ravine.schedules.Plateau(...) to ravine.optim.LRScheduler(..., plateau=)"
        allowed = f"must be one of {', '.join(REGISTRY)}"
        raise InputError(f"{name!r} looks at a metric and is no function of the step: {allowed}. {remedy}.", given=name)
    if name not in REGISTRY:
        raise unknown_name("schedule", name, REGISTRY)
    kind = REGISTRY[name]
    known = {"horizon", *settings_of(kind)}
    for setting in settings:
        if setting not in known:
            raise unknown_name(f"setting of {name!r}", setting, known)
    return kind(**{"warmup_length" if key == "warmup" else key: value for key, value in settings.items()})
