"""Entrants over many tasks at once: performance profiles, their score, and the probability of improvement.

A task is whatever gives every entrant a time: a workload of a benchmark, or one seed and one target of a race. Shorter is better and never
reached is infinite. Ratios are to the fastest entrant of each task, so whoever joins or leaves the field moves everybody's score.

References:
    Dolan and More (2002), Benchmarking optimization software with performance profiles, Mathematical Programming 91, section 2.
    Dahl et al. (2023), Benchmarking neural network training algorithms, arXiv:2306.07179, section 4: the score of AlgoPerf.
    Agarwal et al. (2021), Deep reinforcement learning at the edge of the statistical precipice, arXiv:2108.13264, section 4.3.
    Newcombe (2006), Confidence intervals for an effect size measure based on the Mann-Whitney statistic, part 2, Statistics in Medicine 25.
"""

from collections.abc import Sequence

import numpy as np
import scipy

from ravine.base.errors import InputError
from ravine.records.statistics import BOOTSTRAP_FROM, Interval

# An entrant this many times slower than the fastest counts as one that never arrived (AlgoPerf's upper end of the profile).
WORST_RATIO = 4.0
RESAMPLES = 2000
_BOOTSTRAP_SEED = 20_250_102


def ratios(times: np.ndarray) -> np.ndarray:
    """Each time over the shortest of its task, of the same shape (entrants, tasks); infinite where a task was not solved.

    Raises:
        InputError: `times` is no matrix of positive numbers.
    """
    matrix = np.asarray(times, dtype=np.float64)
    if matrix.ndim != 2 or not matrix.size or not np.all(matrix > 0):
        raise InputError(
            f"times of shape {matrix.shape}: must be (entrants, tasks), each above 0; give infinity where never reached.", given=times
        )
    best = matrix.min(axis=0)
    return np.asarray(np.divide(matrix, best, out=np.full_like(matrix, np.inf), where=np.isfinite(best)))


def profile(times: np.ndarray, taus: Sequence[float] | np.ndarray) -> np.ndarray:
    """Height of every entrant's profile at each of `taus`: the share of tasks that it solved within tau times the shortest time.

        rho_s(tau) = |{w : t_(s,w) / min_s' t_(s',w) <= tau}| / |{w}|

    Args:
        times: (entrants, tasks).
        taus: ratios from 1 on.

    Returns:
        shares of shape (entrants, taus).
    """
    return np.asarray((ratios(times)[:, :, None] <= np.asarray(taus, dtype=np.float64)).mean(axis=1))


def profile_scores(times: np.ndarray, *, worst: float = WORST_RATIO) -> np.ndarray:
    """Mean height of every entrant's profile between tau = 1 and `worst` on a linear axis, in closed form: shape (entrants,).

        score_s = mean over tasks of max(0, (worst - ratio) / (worst - 1))

    1 is the fastest everywhere, 0 never within `worst` times the fastest.
    """
    return np.asarray((np.clip(worst - ratios(times), 0.0, None) / (worst - 1)).mean(axis=1))


def score_intervals(times: np.ndarray, *, worst: float = WORST_RATIO, confidence: float = 0.95) -> list[Interval]:
    """Profile scores with percentile intervals from redrawing seeds, each with all of its targets and for all entrants at once.

    Args:
        times: (entrants, seeds, targets).
        worst: see `profile_scores`.
        confidence: nominal coverage; no interval below eight seeds, which have too few distinct redraws.
    """
    entrants, seeds, _ = times.shape
    scores = profile_scores(times.reshape(entrants, -1), worst=worst)
    if seeds < BOOTSTRAP_FROM:
        return [Interval(float(score), None, None, 0.0) for score in scores]
    # The score is a mean over tasks and a task's ratios stay what they are, so the seeds' own scores can be redrawn.
    by_seed = np.stack([profile_scores(times[:, seed], worst=worst) for seed in range(seeds)], axis=1)
    chosen = np.random.default_rng(_BOOTSTRAP_SEED).integers(0, seeds, size=(RESAMPLES, seeds))
    low, high = np.quantile(by_seed[:, chosen].mean(axis=2), _tails(confidence), axis=1)
    return [Interval(float(score), float(a), float(b), confidence) for score, a, b in zip(scores, low, high, strict=True)]


def probability_of_improvement(first: Sequence[np.ndarray], second: Sequence[np.ndarray], *, confidence: float = 0.95) -> Interval:
    """The chance that a run of `first` gives a lower value than one of `second` on the same task, with its interval.

        P(X < Y) = mean over tasks of (#{x < y} + #{x = y} / 2) / (#x #y)

    The interval redraws runs within each task (a stratified percentile bootstrap), and is never narrower than Newcombe's score
    interval: where all runs of one are below all of the other every redraw says so too, and the bootstrap alone would be sure after
    three runs. Simulated with 5 runs and a true chance of 0.95 the bootstrap covers half of the time.

    Args:
        first: runs of one entrant, an array for each task; infinite where a run has nothing to show.
        second: the other's, in the same order of tasks.
        confidence: nominal coverage; there is no interval where a task has a single run.

    Raises:
        InputError: the tasks do not match, or one has no run.
    """
    pairs = [(np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)) for x, y in zip(first, second, strict=False)]
    if len(first) != len(second) or not pairs or any(x.size == 0 or y.size == 0 for x, y in pairs):
        raise InputError(f"runs of {len(first)} and {len(second)} tasks: both must have the same tasks, each with at least one run.")
    estimate = float(np.mean([_share_below(x, y) for x, y in pairs]))
    if min(min(x.size, y.size) for x, y in pairs) < 2:
        return Interval(estimate, None, None, 0.0)
    generator = np.random.default_rng(_BOOTSTRAP_SEED)
    redrawn = np.mean([_share_below(_redraw(x, generator), _redraw(y, generator)) for x, y in pairs], axis=0)
    low, high = np.quantile(redrawn, _tails(confidence))
    least, most = _score_interval(estimate, pairs, confidence)
    return Interval(estimate, min(float(low), least), max(float(high), most), confidence)


def _tails(confidence: float) -> list[float]:
    return [0.5 - confidence / 2, 0.5 + confidence / 2]


def _redraw(runs: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    return runs[generator.integers(0, runs.size, size=(RESAMPLES, runs.size))]


def _share_below(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Share of pairs with x below y, ties half: over the last axis of each."""
    left, right = x[..., :, None], y[..., None, :]
    return np.asarray(((left < right) + 0.5 * (left == right)).mean(axis=(-1, -2)))


def _score_interval(estimate: float, pairs: Sequence[tuple[np.ndarray, np.ndarray]], confidence: float) -> tuple[float, float]:
    """Chances that `estimate` does not contradict: Newcombe's method 5, its variance averaged over tasks, on a grid of 1/2000."""
    chance = np.arange(1, 2000) / 2000
    variance = np.zeros_like(chance)
    for x, y in pairs:
        extra = (x.size + y.size) / 2 - 1
        spread = 1 + extra * (1 - chance) / (2 - chance) + extra * chance / (1 + chance)
        variance += chance * (1 - chance) / (x.size * y.size) * spread / len(pairs) ** 2
    reach = scipy.special.ndtri(0.5 + confidence / 2) * np.sqrt(variance)
    held = chance[np.abs(chance - estimate) <= reach]
    low, high = (float(held[0]), float(held[-1])) if held.size else (estimate, estimate)
    return (0.0 if estimate == 0 else low), (1.0 if estimate == 1 else high)
