"""A range test: what the loss did while the rate rose, seed by seed, and the bounds that follow."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

STATEMENT = (
    "A range test bounds the rate and does not pick it: rates far below the first descent stand still, those from the divergence on "
    "break, and which one between trains best depends on the schedule and on how long training is. `ravine race` finds it."
)
"""What the bounds are not."""


@dataclass(frozen=True, eq=False)
class RangeTest:
    """A range test.

    Attributes:
        task: name.
        optimizer: registry name.
        rates: the ramp, (steps,).
        losses: training losses, (steps, seeds); NaN after a divergence.
        smoothed: the same, smoothed and freed of bias.
        descents: rate at which each seed's loss begins to fall; None where it does not.
        divergences: rate at which each seed diverges; None where it does not.
    """

    task: str
    optimizer: str
    rates: np.ndarray
    losses: np.ndarray = field(repr=False)
    smoothed: np.ndarray = field(repr=False)
    descents: tuple[float | None, ...]
    divergences: tuple[float | None, ...]

    @property
    def descent(self) -> float | None:
        """The rate of the first descent, as a geometric mean over seeds; None unless every seed has one."""
        return _mean(self.descents)

    @property
    def divergence(self) -> float | None:
        """The rate of the divergence, as a geometric mean over seeds; None unless every seed has one."""
        return _mean(self.divergences)

    def summary(self) -> dict[str, Any]:
        """The test as JSON values (schema 1)."""
        return {
            "schema": 1,
            "task": self.task,
            "optimizer": self.optimizer,
            "from_lr": float(self.rates[0]),
            "to_lr": float(self.rates[-1]),
            "steps": len(self.rates),
            "seeds": len(self.descents),
            "first_descent_lr": _bound(self.descents),
            "divergence_lr": _bound(self.divergences),
            "statement": STATEMENT,
        }


def _mean(rates: Sequence[float | None]) -> float | None:
    known = [rate for rate in rates if rate is not None]
    return math.exp(math.fsum(map(math.log, known)) / len(known)) if known and len(known) == len(rates) else None


def _bound(rates: Sequence[float | None]) -> dict[str, Any]:
    known = [rate for rate in rates if rate is not None]
    return {"mean": _mean(rates), "low": min(known, default=None), "high": max(known, default=None), "seeds": list(rates)}
