"""A schedule is a pure function of the step: the learning rate of step t is lr * multiplier(t).

Steps are counted from 0: t is the optimiser step about to be taken, 0 to H - 1 over a horizon of H steps.

    t < W    multiplier(t) = rise(t) * shape(0)                 warm-up over W steps, by default rise(t) = (t + 1) / W
    t >= W   multiplier(t) = shape(x),  x = (t - W) / (H - W)   x in [0, 1)

The warm-up takes no step of size zero, and neither does a shape that falls to zero: x = 1 is reached at t = H, one
step after the last, as in torch's and transformers' schedules. From there on it stays.

References:
    The warm-up: Goyal et al. (2017), Accurate, large minibatch SGD, arXiv:1706.02677, section 2.2.
"""

import abc
import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Self, TypeAlias, final, overload

import numpy as np

from ravine.base._checks import count, number, unknown_name
from ravine.base.errors import InputError

if TYPE_CHECKING:
    from ravine.schedules.compose import Chain

Progress: TypeAlias = Any
"""A float in [0, 1], or a float64 array of such."""

Length: TypeAlias = int | float
"""Steps if a whole number, a share (rounded to whole steps) if a fraction below 1."""

WARMUPS = {"linear": None, "exponential": 0.01, "constant": 0.1}
"""Kinds of warm-up and where each begins unless told: linear at 1 / W, which needs no number."""


class Way(NamedTuple):
    """What a schedule runs over.

    Attributes:
        warmup: W, steps of the warm-up.
        length: H - W, steps after it; None where no horizon is known.
    """

    warmup: int
    length: int | None


@dataclass(frozen=True)
class Schedule(abc.ABC):
    """The base of every schedule: horizon, warm-up and checks; a subclass says only what follows the warm-up.

    A Python number and an array of steps give the same bits, and the result does not depend on earlier calls.

    Args:
        horizon: number of steps H; may be left out and given at each call instead.
        warmup_length: W, in steps if a whole number, a share of the horizon (rounded) if a fraction below 1.
        warmup_kind: see `warmup`.
        warmup_start: see `warmup`.

    Example:
        >>> from ravine.schedules import Linear
        >>> Linear(horizon=8).warmup(4)(2), Linear()([0, 4, 8], horizon=8).tolist()
        (0.75, [1.0, 0.5, 0.0])
    """

    name: ClassVar[str]
    formula: ClassVar[str]
    is_value: ClassVar[bool] = False

    horizon: int | None = dataclasses.field(default=None, kw_only=True)
    warmup_length: Length = dataclasses.field(default=0, kw_only=True)
    warmup_kind: str = dataclasses.field(default="linear", kw_only=True)
    warmup_start: float | None = dataclasses.field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        if self.horizon is not None:
            count("horizon", self.horizon)
        if isinstance(self.warmup_length, int) and not isinstance(self.warmup_length, bool):
            count("warmup", self.warmup_length, at_least=0, do="Or give a share of the horizon, such as 0.05.")
        else:
            number("warmup", self.warmup_length, at_least=0, below=1, do="A share of the horizon; or give a whole number of steps.")
        self._check_rise()
        if self.horizon is not None:
            self._warmup_steps(self.horizon)

    def _check_rise(self) -> None:
        if self.warmup_kind not in WARMUPS:
            raise unknown_name("warm-up", self.warmup_kind, WARMUPS)
        if self.warmup_start is not None:
            above = 0 if self.warmup_kind == "exponential" else None
            number("warmup_start", self.warmup_start, at_least=0, above=above, at_most=1, do="It is a share of the peak rate.")
        if not self.warmup_length and (self.warmup_kind != "linear" or self.warmup_start is not None):
            given = (self.warmup_kind, self.warmup_start)
            raise InputError("warmup_kind and warmup_start have no effect without a warm-up. Give warmup= as well.", given=given)

    @abc.abstractmethod
    def after(self, step: Any, way: Way) -> Any:
        """The multiplier `step` steps after the warm-up's end, a whole number or an int64 array, at most `way.length`."""

    @property
    def needs_horizon(self) -> bool:
        """Whether the multiplier cannot be told without a number of steps."""
        return True

    @overload
    def __call__(self, step: int, horizon: int | None = None) -> float: ...

    @overload
    def __call__(self, step: Any, horizon: int | None = None) -> Any: ...

    @final
    def __call__(self, step: Any, horizon: int | None = None) -> Any:
        """The multiplier in float64.

        Args:
            step: t, a whole number or an array of them; at least 0.
            horizon: H where the schedule was made without one (its own wins).

        Returns:
            a float for a number, a float64 array of the same shape for an array.

        Raises:
            InputError: no horizon, a step below 0 or not whole, or a warm-up as long as the horizon.
        """
        way = self._way(self.horizon if self.horizon is not None else horizon)
        if type(step) is int and step >= 0:
            return self._at(step, way)
        steps = whole(step)
        if steps.ndim == 0:
            return self._at(int(steps), way)
        late = np.maximum(steps - way.warmup, 0)
        after = self.after(late if way.length is None else np.minimum(late, way.length), way)
        if not way.warmup:
            return after
        rising = self._rise(np.minimum(steps, way.warmup), way.warmup) * float(self.after(0, way))
        return np.where(steps < way.warmup, rising, after)

    def _at(self, step: int, way: Way) -> float:
        if step < way.warmup:
            return float(self._rise(step, way.warmup) * float(self.after(0, way)))
        late = step - way.warmup
        return float(self.after(late if way.length is None else min(late, way.length), way))

    def _rise(self, step: Any, warmup: int) -> Any:
        """The share of the rate at a step of the warm-up."""
        start = WARMUPS[self.warmup_kind] if self.warmup_start is None else self.warmup_start
        if start is None:
            return (step + 1) / warmup
        if self.warmup_kind == "linear":
            return start + (1.0 - start) * (step / warmup)
        if self.warmup_kind == "exponential":
            return each(lambda left: start**left, 1.0 - step / warmup)
        return step * 0.0 + start

    def _way(self, total: int | None) -> Way:
        if total is None:
            if self.needs_horizon or isinstance(self.warmup_length, float):
                raise InputError(f"{self!r} has no horizon: it must know the number of steps. Give horizon=.")
            return Way(self.warmup_length, None)
        count("horizon", total)
        warmup = self._warmup_steps(total)
        return Way(warmup, total - warmup)

    def _warmup_steps(self, horizon: int) -> int:
        given = self.warmup_length
        steps = given if isinstance(given, int) else round(given * horizon)
        if steps >= horizon:
            raise InputError(
                f"warmup={given!r} is {steps} steps of a horizon of {horizon}: must be shorter. Use a smaller one.", given=given
            )
        return steps

    def warmup(self, length: Length, kind: str = "linear", *, start: float | None = None) -> Self:
        """The same schedule after a warm-up.

        Args:
            length: W, in steps if a whole number, a share of the horizon (rounded) if a fraction below 1.
            kind: "linear", from 1 / W to 1 at the last step of the warm-up; with a start s it is s + (1 - s) t / W,
                torch's `LinearLR` and, from s = 0, the warm-up of transformers, whose first step moves nothing.
                "exponential", s ** (1 - t / W). "constant", s throughout, torch's `ConstantLR`.
            start: s, a share of the peak; 0.01 for "exponential" and 0.1 for "constant" if None.

        References:
            Constant: He et al. (2016), Deep residual learning for image recognition, arXiv:1512.03385, section 4.2.
        """
        return dataclasses.replace(self, warmup_length=length, warmup_kind=kind, warmup_start=start)

    def __rshift__(self, following: "Schedule") -> "Chain":
        from ravine.schedules.compose import Chain  # noqa: PLC0415 - a chain is a schedule itself and imports this file

        return Chain.of(self, following) if isinstance(following, Schedule) else NotImplemented

    @property
    def settings(self) -> dict[str, Any]:
        """What differs from the defaults, as `create` takes it; the horizon is left out where none was given."""
        changed = {
            field.name: getattr(self, field.name) for field in dataclasses.fields(self) if getattr(self, field.name) != field.default
        }
        return {"warmup" if key == "warmup_length" else key: value for key, value in changed.items()}


class Shape(Schedule):
    """The base of schedules that are one shape over the whole horizon, whatever its length."""

    @abc.abstractmethod
    def shape(self, x: Progress) -> Progress:
        """The multiplier after the warm-up at progress x, with operations that round alike for floats and arrays."""

    def after(self, step: Any, way: Way) -> Any:
        """The shape at the share of the way that is done."""
        return self.shape(step / way.length)


def multipliers(schedules: Sequence[Schedule], steps: Any, horizon: int | None = None) -> np.ndarray:
    """One column a schedule, for lanes with a schedule each; equal ones are computed once.

    Args:
        schedules: one a lane.
        steps: an array of steps.
        horizon: of those that were made without one.

    Returns:
        float64 of shape (steps, lanes).
    """
    columns = {schedule: schedule(steps, horizon) for schedule in dict.fromkeys(schedules)}
    return np.stack([columns[schedule] for schedule in schedules], axis=1)


def each(function: Any, x: Any) -> Any:
    """A function of `math` on a number or on every element of an array.

    numpy's vectorised functions may differ from C's in the last bit, which would make an array of steps differ
    from the same steps one by one.
    """
    if not isinstance(x, np.ndarray):
        return function(x)
    return np.asarray(np.frompyfunc(function, 1, 1)(x), dtype=np.float64)


def check_length(name: str, given: object, where: str) -> None:
    """Refuse what is neither a number of steps nor a share of the way after the warm-up."""
    if isinstance(given, int) and not isinstance(given, bool):
        count(name, given, do="Or give a share of the way after the warm-up, such as 0.3.")
    else:
        number(name, given, above=0, below=1, where=where, do="A share of the way after the warm-up; or give a whole number of steps.")


def steps_of(given: Length, way: Way) -> int:
    """A length in steps, at least one."""
    if isinstance(given, int):
        return given
    assert way.length is not None, "shares need a horizon"
    return max(1, round(given * way.length))


def whole(step: Any) -> np.ndarray:
    """Steps as int64, or `InputError`."""
    given = np.asarray(step)
    if given.dtype.kind not in "iuf" or not np.isfinite(given).all() or (given < 0).any() or (given != np.floor(given)).any():
        raise InputError(f"step={step!r}: must be whole numbers of at least 0; steps are counted from 0.", given=step)
    return given.astype(np.int64)
