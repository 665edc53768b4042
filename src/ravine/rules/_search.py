"""Where a hyper is looked for when it is tuned: a range around its default, and the scale on which it is even.

Rates have grids of their own (`Entry.grid`). Of the other hypers these are declared: shares that are kept at each step
(1 - x counts, for that is the inverse of the steps that are averaged over), weight decay, and small numbers that keep a
division in bounds. A hyper that is not declared is not tuned.
"""

import math
from dataclasses import dataclass
from typing import Literal

from ravine.rules._declarations import Hyper

Scale = Literal["log", "log of 1 - x", "linear", "powers of 2"]

FAST = ("beta", "beta1", "momentum")
"""Shares of a first moment: its inverse within a factor of 5. The tuned points of AlgoPerf's NAdamW have 1 - beta1 from 0.03 to 0.14."""

SLOW = ("beta2", "beta3", "ema_decay")
"""Shares of a second moment: from 3 times as long to 100 times as short, since short runs and small batches want it short
(AlgoPerf's points: beta2 from 0.63 to 0.998)."""

USUAL_KEPT = 0.9
"""What a share is looked for around where its default is off."""

LEAST_KEPT = 0.5

DECAYS = {"weight_decay": 1e-2, "l2": 1e-4}
"""Symbol -> what decay is looked for around where its default is off: decoupled, multiplied by the rate, and in the gradient."""

DECADES_OF_DECAY = 1.5

FACTORS = {"eps": (1e-2, 1e4), "sam_rho": (0.2, 5.0), "asam_rho": (0.2, 5.0), "clip_bound": (0.1, 10.0), "agc_bound": (0.1, 10.0)}
"""Symbol -> lower and upper end over the default."""

DIGITS = 3
"""Of a value that is tried: what is printed is what ran."""


@dataclass(frozen=True, slots=True)
class Dimension:
    """One thing that is tuned besides the rate.

    Attributes:
        name: what people call it.
        symbol: the hyper's, empty if it is none of the optimiser's.
        default: what is tried first.
        low, high: ends of the range.
        scale: on which equal steps count equally.
    """

    name: str
    symbol: str
    default: float
    low: float
    high: float
    scale: Scale

    def at(self, share: float) -> float:
        """The value at a share of the way from `low` to `high`, to three digits (of 1 - x where that is the scale)."""
        if self.scale == "powers of 2":
            powers = round(math.log2(self.high / self.low))
            return self.low * (1 << min(powers, math.floor(share * (powers + 1))))
        if self.scale == "linear":
            return _rounded(self.low + share * (self.high - self.low))
        if self.scale == "log":
            return _rounded(_between(self.low, self.high, share))
        return round(1.0 - _rounded(_between(1.0 - self.low, 1.0 - self.high, share)), 12)

    def as_json(self) -> dict[str, object]:
        """The dimension for a record."""
        return {"low": self.low, "high": self.high, "scale": self.scale, "default": self.default}


def _between(low: float, high: float, share: float) -> float:
    return math.exp(math.log(low) + share * (math.log(high) - math.log(low)))


def _rounded(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")


def dimension(hyper: Hyper, default: float) -> Dimension | None:
    """Where a hyper is looked for; None if that is not declared.

    Args:
        hyper: of a rule.
        default: under the registry name at hand.
    """
    ends = _kept(hyper.symbol, default) or _scaled(hyper.symbol, default)
    if ends is None:
        return None
    name = "weight_decay" if hyper.symbol == "l2" else hyper.symbol
    scale: Scale = "log of 1 - x" if hyper.symbol in (*FAST, *SLOW) else "log"
    return Dimension(name, hyper.symbol, default, max(ends[0], hyper.low), min(ends[1], hyper.high), scale)


def _kept(symbol: str, default: float) -> tuple[float, float] | None:
    if symbol not in (*FAST, *SLOW) or default >= 1:
        return None
    rest = 1.0 - (default or USUAL_KEPT)
    wider, narrower = (5.0, 5.0) if symbol in FAST else (100.0, 3.0)
    return round(max(LEAST_KEPT, 1.0 - wider * rest), 12), round(1.0 - rest / narrower, 12)


def _scaled(symbol: str, default: float) -> tuple[float, float] | None:
    if symbol in DECAYS:
        centre = default or DECAYS[symbol]
        return _rounded(centre / 10**DECADES_OF_DECAY), _rounded(centre * 10**DECADES_OF_DECAY)
    if symbol in FACTORS and default > 0:
        return default * FACTORS[symbol][0], default * FACTORS[symbol][1]
    return None
