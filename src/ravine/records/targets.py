"""What counts as good enough: targets on the ranking split, and regret, the measure that they and every tolerance share.

Everything here is written for a metric where lower is better; `ranking` turns the others around on the way in and out.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ravine.records.rows import finite
from ravine.records.statistics import median_interval

# Shares of the way back to the initial value (protocol, point 8).
MEDIUM = 0.10
LOOSE = 0.30
# A difference of less regret than this is never called one (decision 0006).
SMALLEST_REGRET = 0.01


@dataclass(frozen=True, slots=True)
class Targets:
    """Target values on the ranking split; None where no lane gives one.

    Attributes:
        tight: median final value of the reference entrant.
        medium: 10 % of the way from there back to the initial value.
        loose: 30 % of the way back.
        used: the target that the ranking counts steps to: medium, or the user's own.
        name: which one that is: "medium" or "own".
        reference: the entrant that `tight` is the median of.
        initial: median value at step 0.
    """

    tight: float | None
    medium: float | None
    loose: float | None
    used: float | None
    name: str
    reference: str | None
    initial: float | None

    def times(self, sign: float) -> "Targets":
        """The same targets with every value multiplied by `sign`."""

        def turned(value: float | None) -> float | None:
            return None if value is None else sign * value

        tight, medium, loose, used = (turned(value) for value in (self.tight, self.medium, self.loose, self.used))
        return Targets(tight, medium, loose, used, self.name, self.reference, turned(self.initial))

    def as_json(self) -> dict[str, Any]:
        """The targets as plain values."""
        return {name: finite(getattr(self, name)) for name in self.__dataclass_fields__}


def regret(values: np.ndarray | float, *, best: float, initial: float) -> np.ndarray:
    """(x - best) / (initial - best): the share of the way back from the best to the initial value; infinity where nothing was won."""
    if not initial > best:
        return np.where(np.asarray(values) <= best, 0.0, np.inf)
    return (np.asarray(values) - best) / (initial - best)


def find_targets(finals: Mapping[str, np.ndarray], *, initial: float, reference: str, own: float | None) -> Targets:
    """Derive the targets from every entrant's final values.

    Where the reference diverged in half of its seeds or did not get below the initial value, the entrant with the lowest median stands in.

    Args:
        finals: final values over the fresh seeds by entrant, infinite where a lane diverged.
        initial: median value at step 0.
        reference: the entrant that the tight target is taken from.
        own: the user's own target.
    """
    medians = {name: median_interval(values).estimate for name, values in finals.items()}
    chosen = reference if medians[reference] < initial else min(medians, key=lambda name: medians[name])
    tight = medians[chosen]
    name = "medium" if own is None else "own"
    if not tight < initial:
        return Targets(None, None, None, own, name, None, initial if math.isfinite(initial) else None)
    medium, loose = (tight + share * (initial - tight) for share in (MEDIUM, LOOSE))
    return Targets(tight, medium, loose, medium if own is None else own, name, chosen, initial)
