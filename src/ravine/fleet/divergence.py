"""When a lane counts as diverged, from its training losses alone."""

from collections.abc import Collection, Mapping
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

    def save(self) -> dict[str, np.ndarray]:
        """Everything that the next block is judged by."""
        held = {"mean": self._mean, "best": self._best, "start": self._start, "running": self._running}
        return held | {"steps": np.array(self._steps)}

    def restore(self, saved: Mapping[str, np.ndarray]) -> None:
        """Bring a fresh watch to where `save` was called."""
        self._mean, self._best, self._start = (saved[name].astype(np.float64) for name in ("mean", "best", "start"))
        self._running, self._steps = saved["running"].astype(bool), int(saved["steps"])

    def drop(self, positions: Collection[int]) -> None:
        """Watch lanes no longer: they were stopped in good health."""
        self._running[list(positions)] = False

    def observe(self, losses: np.ndarray, finite: np.ndarray) -> list[Divergence]:
        """Lanes that diverged within a block of steps.

        Args:
            losses: (steps, lanes), loss before each step's update.
            finite: (steps, lanes), whether loss and updated parameters were finite up to and including the step.
        """
        if not len(losses):
            return []
        rows = losses.astype(np.float64)
        steps = self._steps + 1 + np.arange(len(rows))
        if self._steps == 0:
            self._start = np.fmax(self._start, rows[0])
            self._best = self._start.copy()
        means = self._means(rows)
        smoothed = means / (1 - SMOOTHING**steps)[:, None]
        # Row t: the best before step t; the last row: the best after the block.
        candidates = np.where((steps >= FIRST_STEPS)[:, None], smoothed, np.inf)
        bests = np.fmin.accumulate(np.concatenate([self._best[None], candidates]), axis=0)
        high = (steps > FIRST_STEPS)[:, None] & (bests[:-1] > 0) & (smoothed > BLOW_UP * bests[:-1]) & (smoothed > self._start)
        ends = self._running & (~finite | high)
        found = []
        for position in np.flatnonzero(ends.any(0)):
            step = int(ends[:, position].argmax())
            value, best = smoothed[step, position], bests[step, position]
            is_high = bool(finite[step, position])
            reason = (
                f"its smoothed loss rose to {value:.3g}, {value / best:.3g} times its best"
                if is_high
                else _non_finite(rows[step, position])
            )
            found.append((step, is_high, Divergence(int(position), int(steps[step]), reason)))
        self._steps += len(rows)
        self._running = self._running & ~ends.any(0)
        self._mean = np.where(self._running, means[-1], self._mean)
        self._best = np.where(self._running, bests[-1], self._best)
        return [end for *_, end in sorted(found, key=lambda each: (each[0], each[1], each[2].position))]

    def _means(self, rows: np.ndarray) -> np.ndarray:
        """The running mean after every step; the only thing that must go step by step."""
        means, mean = (1 - SMOOTHING) * rows, self._mean.copy()
        for row in means:
            mean *= SMOOTHING
            np.add(row, mean, out=row)
            mean[:] = row
        return means


def _non_finite(loss: float) -> str:
    if np.isfinite(loss):
        return f"the update made parameters non-finite (loss before it {loss:.3g})"
    return f"its loss was {loss:g}"
