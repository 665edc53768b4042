"""When a lane counts as diverged, from its training losses alone."""

from dataclasses import dataclass

import numpy as np

SMOOTHING = 0.98
"""Weight of the past in the smoothed loss (debiased exponential mean), as in fastai's and Lightning's range tests."""

BLOW_UP = 4.0
"""Smoothed loss over its best so far, the threshold of the same tools."""

FIRST_STEPS = 20
"""Steps before the smoothed loss means anything."""


@dataclass(frozen=True, slots=True)
class Divergence:
    """A lane's end.

    Attributes:
        position: index in the tile.
        step: optimiser step, counted from 1, at which it happened.
        reason: half a sentence, completing "diverged at step k, because ...".
    """

    position: int
    step: int
    reason: str


class DivergenceWatch:
    """Reads the losses of a tile block by block.

    A lane has diverged when its loss or a parameter is not finite, or when its smoothed loss exceeds both
    `BLOW_UP` times its best and the loss it started from. The second half keeps a lane that has learnt the data
    down to 1e-6 and jitters there from being called diverged. The best is the start or a smoothed loss after
    `FIRST_STEPS`: a single easy batch at the beginning sets no standard.

    Args:
        num_lanes: lanes of the tile.
    """

    def __init__(self, num_lanes: int) -> None:
        self._mean = np.zeros(num_lanes)
        self._best = np.full(num_lanes, np.inf)
        self._start = np.full(num_lanes, np.nan)
        self._running = np.ones(num_lanes, dtype=bool)
        self._steps = 0

    def start_from(self, losses: np.ndarray) -> None:
        """Take in losses over a whole split before the first step, (lanes,): a steadier start than the first batch's alone."""
        self._start = np.asarray(losses, dtype=np.float64)

    def observe(self, losses: np.ndarray, finite: np.ndarray) -> list[Divergence]:
        """Lanes that diverged within a block of steps.

        Args:
            losses: (steps, lanes), loss before each step's update.
            finite: (steps, lanes), whether loss and updated parameters were finite up to and including the step.
        """
        found = []
        for row, ok in zip(losses.astype(np.float64), finite, strict=True):
            self._steps += 1
            if self._steps == 1:
                self._start = np.fmax(self._start, row)
                self._best = self._start.copy()
            found += [self._end(position, _non_finite(row[position])) for position in np.flatnonzero(self._running & ~ok)]
            self._mean = np.where(self._running, SMOOTHING * self._mean + (1 - SMOOTHING) * row, self._mean)
            smoothed = self._mean / (1 - SMOOTHING**self._steps)
            if self._steps > FIRST_STEPS:
                high = self._running & (self._best > 0) & (smoothed > BLOW_UP * self._best) & (smoothed > self._start)
                for position in np.flatnonzero(high):
                    ratio = smoothed[position] / self._best[position]
                    found.append(self._end(position, f"its smoothed loss rose to {smoothed[position]:.3g}, {ratio:.3g} times its best"))
            if self._steps >= FIRST_STEPS:
                self._best = np.where(self._running, np.fmin(self._best, smoothed), self._best)
        return found

    def _end(self, position: np.intp, reason: str) -> Divergence:
        self._running[position] = False
        return Divergence(int(position), self._steps, reason)


def _non_finite(loss: float) -> str:
    if np.isfinite(loss):
        return f"the update made parameters non-finite (loss before it {loss:.3g})"
    return f"its loss was {loss:g}"
