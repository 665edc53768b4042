"""Signals of a loss curve, as pure functions of arrays: what it does, without a word on whether that is bad.

A value that is not finite is never left out: what it touches is not finite either.
"""

from dataclasses import dataclass

import numpy as np

SMOOTHING = 0.9
"""Weight of the past in the smoothed curve: ten steps, a third of a decade of a usual ramp."""

BLOW_UP = 4.0
"""Smoothed loss over its best from which a curve has diverged (fastai, Lightning)."""

FALLEN = 0.1
"""Share of the whole descent after which it has begun."""

SPIKE_WINDOW, SPIKE_RATIO = 100, 2.0
"""llm-foundry: a loss of so many times the mean of so many before it."""

DEVIATION_WINDOW, DEVIATIONS, DEVIATION_FROM = 128, 6.0, 20
"""OLMo-core: so many standard deviations above the mean of so many before it, once there are a few."""

NOTICED = 0.01
"""Share of the loss that a jump must rise by: the last digit of a log, in which a flat curve is written, rises by less."""

CHUNK = 4096
"""Steps that are judged at once, which bounds the memory."""

LASTING = 3
"""Evaluations for which a turn must last."""


def smoothed(values: np.ndarray, weight: float = SMOOTHING) -> np.ndarray:
    """The exponential mean along the first axis, freed of its bias towards zero.

        m_t = w m_(t-1) + (1 - w) x_t,    smoothed_t = m_t / (1 - w^t)

    Example:
        >>> smoothed(np.array([2.0, 2.0, 2.0])).tolist()
        [2.0, 2.0, 2.0]
    """
    means, mean = np.empty(values.shape, dtype=np.float64), np.zeros(values.shape[1:])
    for step, row in enumerate(np.asarray(values, dtype=np.float64)):
        mean = weight * mean + (1 - weight) * row
        means[step] = mean / (1 - weight ** (step + 1))
    return means


@dataclass(frozen=True, slots=True)
class Ramp:
    """What a curve does while its rate rises.

    Attributes:
        descent: first step of the descent; None if there is none.
        divergence: step at which it has diverged; None if it has not.
        start: loss before the rate does anything.
        best: lowest smoothed loss.
    """

    descent: int | None
    divergence: int | None
    start: float
    best: float


def ramp(losses: np.ndarray, quiet: int) -> Ramp:
    """Where the loss of a range test begins to fall and where it diverges.

    The descent begins where the smoothed loss has fallen by `FALLEN` of all that it falls, and by more than three standard
    deviations of the noise of the first steps. It has diverged at the first step that is not finite, or whose smoothed loss
    is above both the start and `BLOW_UP` times the best before it.

    Args:
        losses: (steps,), NaN after a divergence.
        quiet: first steps, in which the rate is too small to do anything.
    """
    finite = np.isfinite(losses)
    end = int(np.argmin(finite)) if not finite.all() else len(losses)
    if end <= quiet:
        return Ramp(None, end, float("nan"), float("nan"))
    first = losses[:quiet].astype(np.float64)
    start, noise = float(first.mean()), float(first.std())
    curve = smoothed(losses[:end])
    bests = np.minimum.accumulate(curve)
    high = (curve > BLOW_UP * bests) & (curve > max(start, float(curve[:quiet].max()))) & (np.arange(end) >= quiet)
    diverged = int(high.argmax()) if high.any() else end if end < len(losses) else None
    best = float(curve[: diverged if diverged is not None else end].min())
    # A mean of ten steps has a third of the noise of one.
    fallen = max(FALLEN * (start - best), noise)
    below = (curve < start - fallen) & (np.arange(end) >= quiet)
    return Ramp(int(below.argmax()) if below.any() and fallen > 0 else None, diverged, start, best)


def spikes(losses: np.ndarray) -> np.ndarray:
    """Steps at which a loss jumps above those before it, by either of the two rules above."""
    begin = min(len(losses), DEVIATION_WINDOW)
    found: list[int] = _early(losses[:begin]) if begin > DEVIATION_FROM else []
    for start in range(begin, len(losses), CHUNK):
        end = min(len(losses), start + CHUNK)
        before = np.lib.stride_tricks.sliding_window_view(losses[start - DEVIATION_WINDOW : end - 1], DEVIATION_WINDOW)
        found += (start + np.flatnonzero(_jumps(losses[start:end], before))).tolist()
    return np.array(found, dtype=np.int64)


def _early(losses: np.ndarray) -> list[int]:
    """Those of the first steps, each judged against all before it, in one go: a loop over them costs more than all later ones."""
    steps, places = np.arange(DEVIATION_FROM, len(losses))[:, None], np.arange(len(losses))
    before, is_before = np.broadcast_to(losses, (len(steps), len(losses))), places < steps
    near = before.mean(1, where=is_before & (places >= steps - SPIKE_WINDOW))
    jumps = _above(losses[DEVIATION_FROM:], near, before.mean(1, where=is_before), before.std(1, where=is_before))
    return [int(place) for place in DEVIATION_FROM + np.flatnonzero(jumps)]


def _jumps(values: np.ndarray, before: np.ndarray) -> np.ndarray:
    """Which of the values (n,) jumps above those before it, (n, window)."""
    return _above(values, before[:, -SPIKE_WINDOW:].mean(1), before.mean(1), before.std(1))


def _above(values: np.ndarray, near: np.ndarray, far: np.ndarray, spread: np.ndarray) -> np.ndarray:
    above = (values >= SPIKE_RATIO * near) & (near > 0)
    return np.asarray(above | ((values > far + np.maximum(DEVIATIONS * spread, NOTICED * np.abs(far))) & (spread > 0)))


def fall(losses: np.ndarray, share: float = 0.1) -> float:
    """By how much of its first the mean of the last values is lower: 1 is all, 0 nothing, below 0 a rise."""
    count = max(1, int(len(losses) * share))
    first = float(losses[:count].mean())
    return (first - float(losses[-count:].mean())) / abs(first) if first else 0.0


def swings(values: np.ndarray) -> float:
    """Share of the inner points that stand above both neighbours by 20 % of the mean: of evaluations, not of batches."""
    if len(values) < 3:
        return 0.0
    rises = values[1:-1] - np.maximum(values[:-2], values[2:])
    return float((rises > 0.2 * np.abs(values).mean()).mean())


def best_place(values: np.ndarray) -> float:
    """Where the lowest value stands, as a share of the curve: 0 the first, 1 the last."""
    return float(np.argmin(values)) / max(1, len(values) - 1)


def turn_up(values: np.ndarray) -> float:
    """By how much the lowest of the last three values is above the lowest of all, relative to it.

    Prechelt's generalisation loss, sustained: a single high evaluation is a draw of a small split.
    """
    low = float(values.min())
    return float(values[-LASTING:].min()) / low - 1.0 if low > 0 else 0.0
