"""Schedules that rise again: cosine with warm restarts, cyclical and one-cycle."""

import dataclasses
import math
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from ravine.base._checks import count, number, unknown_name
from ravine.base.errors import InputError
from ravine.schedules._schedule import Length, Schedule, Way, check_length, each, steps_of
from ravine.schedules.compose import Between

CYCLES = 3
"""Of `CosineRestarts`, where neither their number nor the first one's length is given."""

MODES = ("triangular", "triangular2", "exp_range")
ANNEALING = ("cos", "linear")


@final
@dataclass(frozen=True)
class CosineRestarts(Schedule):
    """A cosine from 1 to the floor again and again, each cycle t_mult times as long as the one before.

        multiplier(s) = floor + (1 - floor) (1 + cos(pi s' / T)) / 2,  s' steps into a cycle of T = t_0 t_mult ** k steps

    Departures. The cycle that ends with the horizon ends at the floor: where training stops, nothing restarts. Without
    t_0 the cycles fill the way, each a whole number of steps, so that the last one is never cut off.

    Args:
        t_0: steps of the first cycle.
        t_mult: factor from cycle to cycle, a whole number.
        cycles: how many fill the way after the warm-up, where t_0 is left out; 3 if None.
        floor: the multiplier at the end of each cycle, in [0, 1].

    Example:
        >>> CosineRestarts(t_0=2, t_mult=2)([0, 1, 2, 4]).round(12).tolist()
        [1.0, 0.5, 1.0, 0.5]

    References:
        Loshchilov and Hutter (2017), SGDR: stochastic gradient descent with warm restarts, arXiv:1608.03983, equation 5.
    """

    name = "cosine_restarts"
    formula = "floor + (1 - floor) (1 + cos(pi s' / T)) / 2, T = t_0 t_mult ** k"

    t_0: int | None = dataclasses.field(default=None, kw_only=True)
    t_mult: int = dataclasses.field(default=2, kw_only=True)
    cycles: int | None = dataclasses.field(default=None, kw_only=True)
    floor: float = dataclasses.field(default=0.0, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        count("t_mult", self.t_mult)
        number("floor", self.floor, at_least=0, at_most=1, where=repr(self.name), do="It is a share of the peak rate.")
        if self.t_0 is not None:
            count("t_0", self.t_0)
        if self.cycles is not None:
            count("cycles", self.cycles, at_most=30)
            if self.t_0 is not None:
                given = f"t_0={self.t_0} and cycles={self.cycles}"
                raise InputError(f"{given}: two answers to one question. Give only one of them.", given=self.cycles)

    @property
    def needs_horizon(self) -> bool:
        """See `Schedule`."""
        return self.t_0 is None

    def ends(self, horizon: int | None = None) -> tuple[int, ...]:
        """Steps taken when a cycle ends, of every cycle that ends within the horizon.

        Raises:
            InputError: no horizon.

        Example:
            >>> CosineRestarts(t_0=2, t_mult=2).ends(10), CosineRestarts(cycles=2, t_mult=1).warmup(2).ends(10)
            ((2, 6), (6, 10))
        """
        total = self.horizon if self.horizon is not None else horizon
        if total is None:
            raise InputError(f"{self!r} has no horizon: it must know the number of steps. Give horizon=.")
        way = self._way(total)
        length = total - way.warmup
        found = self._filling(length) if self.t_0 is None else [self.t_0]
        while self.t_0 is not None and found[-1] < length:
            found.append(found[-1] + self.t_0 * self.t_mult ** len(found))
        return tuple(way.warmup + end for end in found if end <= length)

    def after(self, step: Any, way: Way) -> Any:
        """See `Schedule`."""
        into, length = self._filled(step, way) if self.t_0 is None else self._endless(step, self.t_0, way)
        return self.floor + (1.0 - self.floor) * (1.0 + each(math.cos, math.pi * (into / length))) / 2.0

    def _filled(self, step: Any, way: Way) -> tuple[Any, Any]:
        """Steps into the cycle and its length, where a number of cycles fills the way."""
        assert way.length is not None, "needs a horizon"
        bounds = np.array([0, *self._filling(way.length)])
        place = np.searchsorted(bounds[1:-1], step, side="right")
        return step - bounds[place], bounds[place + 1] - bounds[place]

    def _filling(self, length: int) -> list[int]:
        """Where the cycles end that fill so many steps."""
        sizes = [self.t_mult**place for place in range(self.cycles or CYCLES)]
        ends = [round(length * (sum(sizes[: place + 1]) / sum(sizes))) for place in range(len(sizes))]
        # Over fewer steps than cycles, some cycles have none and are left out.
        return sorted({*ends} - {0})

    def _endless(self, step: Any, first: int, way: Way) -> tuple[Any, Any]:
        """The same from the first cycle's length, in whole numbers: a logarithm would round at the restarts."""
        if self.t_mult == 1:
            start, length = (step // first) * first, step * 0 + first
        else:
            starts, sizes = [0], [first]
            while starts[-1] + sizes[-1] <= np.max(step):
                starts.append(starts[-1] + sizes[-1])
                sizes.append(sizes[-1] * self.t_mult)
            place = np.searchsorted(starts, step, side="right") - 1
            start, length = np.array(starts)[place], np.array(sizes)[place]
        into = step - start
        if way.length is None:
            return into, length
        # One step after the last: the end of a cycle, not the start of another.
        is_end = (step == way.length) & (into == 0)
        return np.where(is_end, 1, into), np.where(is_end, 1, length)


@final
@dataclass(frozen=True)
class Cyclical(Schedule):
    """Straight lines up from the floor and down again, for ever.

        multiplier(s) = floor + (1 - floor) a triangle(s),  triangle from 0 up to 1 and down to 0
        a = 1 (triangular), 0.5 ** cycle (triangular2), gamma ** s (exp_range),  s steps after the warm-up

    Departures. From torch's `CyclicLR`: lr is its `max_lr` and floor is base_lr / max_lr; the momentum is scheduled by
    its own key (`momentum`), not behind the rate's back.

    Args:
        step_size_up: steps of the rise, or a share of the way after the warm-up if a fraction below 1.
        step_size_down: the same of the fall; as long as the rise if None.
        mode: "triangular", "triangular2" or "exp_range".
        gamma: of "exp_range", in (0, 1].
        floor: the multiplier between the triangles, in [0, 1].

    Example:
        >>> Cyclical(step_size_up=2, floor=0.5)([0, 1, 2, 3, 4]).tolist()
        [0.5, 0.75, 1.0, 0.75, 0.5]

    References:
        Smith (2017), Cyclical learning rates for training neural networks, arXiv:1506.01186, section 3: the floor a
        third or a quarter of the peak.
    """

    name = "cyclical"
    formula = "floor + (1 - floor) triangle(s)"

    step_size_up: Length = dataclasses.field(default=0.125, kw_only=True)
    step_size_down: Length | None = dataclasses.field(default=None, kw_only=True)
    mode: str = dataclasses.field(default="triangular", kw_only=True)
    gamma: float | None = dataclasses.field(default=None, kw_only=True)
    floor: float = dataclasses.field(default=0.25, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        where = repr(self.name)
        check_length("step_size_up", self.step_size_up, where)
        if self.step_size_down is not None:
            check_length("step_size_down", self.step_size_down, where)
        number("floor", self.floor, at_least=0, at_most=1, where=where, do="It is a share of the peak rate.")
        if self.mode not in MODES:
            raise unknown_name("mode of 'cyclical'", self.mode, MODES)
        if (self.gamma is None) == (self.mode == "exp_range"):
            allowed = "must be given for the mode 'exp_range' and for no other"
            raise InputError(f"gamma={self.gamma!r} for {where} in the mode {self.mode!r}: {allowed}.", given=self.gamma)
        if self.gamma is not None:
            number("gamma", self.gamma, above=0, at_most=1, where=where, do="It is a factor for each step, such as 0.9999.")

    @property
    def needs_horizon(self) -> bool:
        """See `Schedule`."""
        return isinstance(self.step_size_up, float) or isinstance(self.step_size_down, float)

    def after(self, step: Any, way: Way) -> Any:
        """See `Schedule`."""
        up = steps_of(self.step_size_up, way)
        down = up if self.step_size_down is None else steps_of(self.step_size_down, way)
        cycle, into = step // (up + down), step % (up + down)
        triangle = np.where(into <= up, into / up, (up + down - into) / down)
        height = triangle * 1.0
        if self.mode == "triangular2":
            height = triangle * each(lambda cycle: float(0.5**cycle), cycle)
        elif self.gamma is not None:
            gamma = self.gamma
            height = triangle * each(lambda step: float(gamma**step), step)
        return self.floor + (1.0 - self.floor) * height

    def momentum(self, low: float = 0.8, high: float = 0.9) -> Between:
        """A momentum that falls while the rate rises, for the keys "momentum" or "betas[0]" of `ravine.optim.LRScheduler`."""
        return Between(dataclasses.replace(self, floor=0.0), at_zero=high, at_one=low)


@final
@dataclass(frozen=True)
class OneCycle(Schedule):
    """Up to the peak, and down far below where it began.

        multiplier = a = 1 / div_factor at s = 0,  1 at s = pct_start n - 1,  a / final_div_factor at s = n - 1
        s steps after the warm-up, of n; between them half a wave of a cosine, or a line

    The end is reached at the last step, as in torch's `OneCycleLR`.

    Departures. From torch's: lr is its `max_lr`; past the end the rate stays, where torch's rises again and then raises
    an error; a peak at step 0 is allowed; the momentum is scheduled by its own key (`momentum`).

    Args:
        pct_start: share of the way that rises, in [0, 1].
        div_factor: peak over start, at least 1.
        final_div_factor: start over end, at least 1.
        anneal_strategy: "cos" or "linear".
        three_phase: fall to the start as slowly as it rose, and from there to the end, as in the paper.

    Example:
        >>> OneCycle(horizon=11, pct_start=0.5, div_factor=5.0, anneal_strategy="linear")([0, 10]).round(6).tolist()
        [0.2, 2e-05]

    References:
        Smith and Topin (2019), Super-convergence: very fast training of neural networks using large learning rates,
        arXiv:1708.07120.
    """

    name = "one_cycle"
    formula = "1 / div_factor up to 1 at pct_start, down to 1 / (div_factor final_div_factor)"

    pct_start: float = dataclasses.field(default=0.3, kw_only=True)
    div_factor: float = dataclasses.field(default=25.0, kw_only=True)
    final_div_factor: float = dataclasses.field(default=1e4, kw_only=True)
    anneal_strategy: str = dataclasses.field(default="cos", kw_only=True)
    three_phase: bool = dataclasses.field(default=False, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        where = repr(self.name)
        most = 0.5 if self.three_phase else 1.0
        number("pct_start", self.pct_start, at_least=0, at_most=most, where=where, do="It is the share of the way that rises.")
        number("div_factor", self.div_factor, at_least=1, where=where, do="It is the peak over the start.")
        number("final_div_factor", self.final_div_factor, at_least=1, where=where, do="It is the start over the end.")
        if self.anneal_strategy not in ANNEALING:
            raise unknown_name("anneal_strategy of 'one_cycle'", self.anneal_strategy, ANNEALING)

    def after(self, step: Any, way: Way) -> Any:
        """See `Schedule`."""
        assert way.length is not None, "needs a horizon"
        length, start = way.length, 1.0 / self.div_factor
        last = (length - 1.0, start / self.final_div_factor)
        corners = [(0.0, start), (self.pct_start * length - 1.0, 1.0), last]
        if self.three_phase:
            corners.insert(2, (2.0 * self.pct_start * length - 2.0, start))
        return each(lambda step: self._between(corners, step), step)

    def _between(self, corners: list[tuple[float, float]], step: int) -> float:
        """The multiplier at a step, from the corners (step, multiplier) around it."""
        place = next((place for place, (at, _) in enumerate(corners) if place and step <= at), len(corners) - 1)
        (left, begin), (right, end) = corners[place - 1 : place + 1]
        share = min((step - left) / (right - left), 1.0) if right > left else 1.0
        if self.anneal_strategy == "linear":
            return begin + (end - begin) * share
        return end + (begin - end) * (1.0 + math.cos(math.pi * share)) / 2.0

    def momentum(self, low: float = 0.85, high: float = 0.95) -> Between:
        """A momentum that falls while the rate rises, for the keys "momentum" or "betas[0]" of `ravine.optim.LRScheduler`."""
        return Between(dataclasses.replace(self, div_factor=math.inf), at_zero=high, at_one=low)
