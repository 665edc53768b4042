"""A schedule is a pure function of the step: the learning rate of step t is lr * multiplier(t).

Steps are counted from 0: t is the optimiser step about to be taken, 0 to H - 1 over a horizon of H steps.

    t < W    multiplier(t) = (t + 1) / W                        linear warm-up over W steps
    t >= W   multiplier(t) = shape(x),  x = (t - W) / (H - W)   x in [0, 1)

The warm-up takes no step of size zero, and neither does a shape that falls to zero: x = 1 is reached at t = H, one
step after the last, as in torch's and transformers' schedules. From there on it stays.

References:
    The warm-up: Goyal et al. (2017), Accurate, large minibatch SGD, arXiv:1706.02677, section 2.2.
"""

import abc
import dataclasses
from dataclasses import dataclass
from typing import Any, ClassVar, Self, TypeAlias, final, overload

import numpy as np

from ravine.base._checks import count, number
from ravine.base.errors import InputError

Progress: TypeAlias = Any
"""A float in [0, 1], or a float64 array of such."""


@dataclass(frozen=True)
class Schedule(abc.ABC):
    """The base of every schedule: horizon, warm-up and checks; a subclass says only its shape.

    A Python number and an array of steps give the same bits, and the result does not depend on earlier calls.

    Args:
        horizon: number of steps H; may be left out and given at each call instead.
        warmup_length: W, in steps if a whole number, a share of the horizon (rounded) if a fraction below 1.

    Example:
        >>> from ravine.schedules import Linear
        >>> Linear(horizon=8).warmup(4)(2), Linear()([0, 4, 8], horizon=8).tolist()
        (0.75, [1.0, 0.5, 0.0])
    """

    name: ClassVar[str]
    needs_horizon: ClassVar[bool] = True

    horizon: int | None = dataclasses.field(default=None, kw_only=True)
    warmup_length: int | float = dataclasses.field(default=0, kw_only=True)

    def __post_init__(self) -> None:
        if self.horizon is not None:
            count("horizon", self.horizon)
        if isinstance(self.warmup_length, int) and not isinstance(self.warmup_length, bool):
            count("warmup", self.warmup_length, at_least=0, do="Or give a share of the horizon, such as 0.05.")
        else:
            number("warmup", self.warmup_length, at_least=0, below=1, do="A share of the horizon; or give a whole number of steps.")
        if self.horizon is not None:
            self._warmup_steps(self.horizon)

    @abc.abstractmethod
    def shape(self, x: Progress) -> Progress:
        """The multiplier after the warm-up at progress x, with operations that round alike for floats and arrays."""

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
        total = self.horizon if self.horizon is not None else horizon
        if total is None:
            if self.needs_horizon or isinstance(self.warmup_length, float):
                raise InputError(f"{self!r} has no horizon: it must know the number of steps. Give horizon=.")
            total = self.warmup_length + 1
        count("horizon", total)
        warmup = self._warmup_steps(total)
        steps = _whole(step)
        if steps.ndim == 0:
            return self._at(int(steps), total, warmup)
        x = np.minimum(np.maximum(steps - warmup, 0) / (total - warmup), 1.0)
        rising = np.asarray(steps + 1, dtype=np.float64) / max(warmup, 1)
        return np.where(steps < warmup, rising, self.shape(x))

    def _at(self, step: int, total: int, warmup: int) -> float:
        if step < warmup:
            return (step + 1) / warmup
        return float(self.shape(min((step - warmup) / (total - warmup), 1.0)))

    def _warmup_steps(self, horizon: int) -> int:
        given = self.warmup_length
        steps = given if isinstance(given, int) else round(given * horizon)
        if steps >= horizon:
            raise InputError(
                f"warmup={given!r} is {steps} steps of a horizon of {horizon}: must be shorter. Use a smaller one.", given=given
            )
        return steps

    def warmup(self, length: int | float) -> Self:
        """The same schedule after a linear warm-up over `length` steps, or that share of the horizon."""
        return dataclasses.replace(self, warmup_length=length)

    @property
    def settings(self) -> dict[str, int | float]:
        """What differs from the defaults, as `create` takes it; the horizon is left out where none was given."""
        changed = {
            field.name: getattr(self, field.name) for field in dataclasses.fields(self) if getattr(self, field.name) != field.default
        }
        return {"warmup" if key == "warmup_length" else key: value for key, value in changed.items()}


def each(function: Any, x: Progress) -> Progress:
    """A function of `math` on a float or on every element of an array.

    numpy's vectorised functions may differ from C's in the last bit, which would make an array of steps differ
    from the same steps one by one.
    """
    if not isinstance(x, np.ndarray):
        return function(x)
    return np.asarray(np.frompyfunc(function, 1, 1)(x), dtype=np.float64)


def _whole(step: Any) -> np.ndarray:
    """Steps as int64, or `InputError`."""
    given = np.asarray(step)
    if given.dtype.kind not in "iuf" or not np.isfinite(given).all() or (given < 0).any() or (given != np.floor(given)).any():
        raise InputError(f"step={step!r}: must be whole numbers of at least 0; steps are counted from 0.", given=step)
    return given.astype(np.int64)
