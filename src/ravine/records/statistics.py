"""Intervals for a handful of seeds: what may be said, and how surely, from two to a few dozen paired runs."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy  # as a whole: its parts then load on first use, and take as long as much of ravine

# From this many seeds on a bootstrap has enough distinct resamples (research: percentile bootstrap is poor at n <= 5).
BOOTSTRAP_FROM = 8
# Below, BCa's interval of a skewed mean covers less than 93 % (decision 0016).
BCA_FROM = 12
RESAMPLES = 9999
_BOOTSTRAP_SEED = 20_250_101


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate with its interval.

    Attributes:
        estimate: the mean or median; infinite where it is censored.
        low: lower end; None where no interval can be given at this n.
        high: upper end.
        confidence: coverage that the interval has; 0 where there is none.
    """

    estimate: float
    low: float | None
    high: float | None
    confidence: float


@dataclass(frozen=True, slots=True)
class Difference:
    """The mean of paired differences.

    Attributes:
        mean: the mean difference; NaN without pairs.
        low: lower end of the interval; None where it is not testable.
        high: upper end.
        p: two-sided p-value of "no difference"; 1 where it is not testable.
        n: number of pairs.
        method: "t", "bca", "welch", "not testable at this n", or "not testable: one sample".
    """

    mean: float
    low: float | None
    high: float | None
    p: float
    n: int
    method: str


def one_sample(differences: Sequence[float] | np.ndarray) -> Difference:
    """The mean of differences that all come from one and the same run: however many, nothing can be tested on them."""
    sample = np.asarray(differences, dtype=np.float64)
    return Difference(float(sample.mean()) if sample.size else math.nan, None, None, 1.0, sample.size, "not testable: one sample")


def mean_interval(values: Sequence[float] | np.ndarray, *, confidence: float = 0.95) -> Interval:
    """The mean with its t-interval; no interval below two values."""
    sample = np.asarray(values, dtype=np.float64)
    if sample.size == 0:
        return Interval(math.nan, None, None, 0.0)
    mean = float(sample.mean())
    if sample.size == 1:
        return Interval(mean, None, None, 0.0)
    half = float(scipy.special.stdtrit(sample.size - 1, 0.5 + confidence / 2) * sample.std(ddof=1) / math.sqrt(sample.size))
    return Interval(mean, mean - half, mean + half, confidence)


def median_interval(values: Sequence[float] | np.ndarray, *, confidence: float = 0.95) -> Interval:
    """The median with the interval between two order statistics; values may be infinite.

    The k-th smallest and k-th largest of n values enclose the median with probability 1 - 2 P(Binomial(n, 1/2) < k), whatever the
    distribution. The narrowest such interval of at least `confidence` is taken; below six values there is none, so the whole range is given
    with the coverage it has: 94 % for five values, 75 % for three.
    """
    sample = np.sort(np.asarray(values, dtype=np.float64))
    n = sample.size
    if n == 0:
        return Interval(math.nan, None, None, 0.0)
    middle = float(sample[(n - 1) // 2])
    # Written out because the mean of two infinities is fine but numpy's median warns about it.
    median = middle if n % 2 else middle + (float(sample[n // 2]) - middle) / 2 if math.isfinite(middle) else middle
    if n == 1:
        return Interval(median, None, None, 0.0)
    depths = [k for k in range(1, n // 2 + 1) if 1 - 2 * scipy.special.bdtr(k - 1, n, 0.5) >= confidence]
    k = max(depths, default=1)
    return Interval(median, float(sample[k - 1]), float(sample[n - k]), float(1 - 2 * scipy.special.bdtr(k - 1, n, 0.5)))


def paired_difference(
    differences: Sequence[float] | np.ndarray, *, resolution: Sequence[float] | np.ndarray | float = 0.0, confidence: float = 0.95
) -> Difference:
    """The mean of paired differences with its interval: t for 2 to 11 pairs (very wide at 2), BCa bootstrap from 12.

    The p-value is the t-test's at every n: with eight pairs of one sign a bootstrap calls p = 0, which happens by chance once in 128 races
    and would pass any Holm adjustment.

    Differences that are equal to the last bit are copies of one run, not a sample without spread, so they are not testable.

    Args:
        differences: one per seed, finite.
        resolution: standard deviation of each difference's own measurement, e.g. because steps are only known to the next evaluation. The
            sample's spread is never taken to be smaller, so that three equal differences on a coarse grid are no certainty.
        confidence: of the interval.
    """
    sample = np.asarray(differences, dtype=np.float64)
    n = sample.size
    if n < 2:
        return Difference(float(sample[0]) if n else math.nan, None, None, 1.0, n, "not testable at this n")
    mean = float(sample.mean())
    spread = max(float(sample.std(ddof=1)), float(np.sqrt(np.mean(np.square(resolution)))))
    # Equal values computed in another order differ in the last bits; such a spread is rounding, not information.
    if spread <= 1e-14 * float(np.abs(sample).max()):
        return one_sample(sample)
    error = spread / math.sqrt(n)
    p = float(2 * scipy.special.stdtr(n - 1, -abs(mean) / error))
    if n < BCA_FROM:
        half = float(scipy.special.stdtrit(n - 1, 0.5 + confidence / 2)) * error
        return Difference(mean, mean - half, mean + half, p, n, "t")
    low, high = bca_interval(sample, confidence=confidence)
    return Difference(mean, low, high, p, n, "bca")


def unpaired_difference(
    first: Sequence[float] | np.ndarray,
    second: Sequence[float] | np.ndarray,
    *,
    resolution: tuple[float, float] = (0.0, 0.0),
    confidence: float = 0.95,
) -> Difference:
    """The mean of `second` less that of `first`, runs that have nothing in common, with Welch's t-interval (Welch 1947).

    Args:
        first: finite values, one a run.
        second: as many or not.
        resolution: standard deviation of a run's own measurement in each; no sample's spread is taken to be smaller.
        confidence: of the interval.
    """
    samples = [np.asarray(values, dtype=np.float64) for values in (first, second)]
    n = min(sample.size for sample in samples)
    mean = float(samples[1].mean() - samples[0].mean()) if n else math.nan
    if n < 2:
        return Difference(mean, None, None, 1.0, n, "not testable at this n")
    variances = [max(float(sample.var(ddof=1)), least**2) for sample, least in zip(samples, resolution, strict=True)]
    parts = [variance / sample.size for variance, sample in zip(variances, samples, strict=True)]
    error = math.sqrt(sum(parts))
    if error <= 1e-14 * float(np.abs(np.concatenate(samples)).max()):
        return Difference(mean, None, None, 1.0, n, "not testable: one sample")
    freedom = sum(parts) ** 2 / sum(part**2 / (sample.size - 1) for part, sample in zip(parts, samples, strict=True))
    half = float(scipy.special.stdtrit(freedom, 0.5 + confidence / 2)) * error
    return Difference(mean, mean - half, mean + half, float(2 * scipy.special.stdtr(freedom, -abs(mean) / error)), n, "welch")


def bca_interval(values: Sequence[float] | np.ndarray, *, confidence: float = 0.95) -> tuple[float, float]:
    """Bias-corrected and accelerated bootstrap interval of the mean (Efron 1987), with a seed of its own: equal data give equal intervals.

    Its tails are expanded by sqrt(n / (n - 1)) t / z (Hesterberg 2015, section 3.3): as published the interval meant to cover 95 % covers
    88 % of the time at n = 8, expanded it covers 94 %.

    Written here rather than taken from scipy.stats, whose import alone takes longer than everything `ravine show` does.
    """
    sample = np.asarray(values, dtype=np.float64)
    n = sample.size
    mean = sample.mean()
    generator = np.random.default_rng(_BOOTSTRAP_SEED)
    means = np.sort(sample[generator.integers(0, n, size=(RESAMPLES, n))].mean(axis=1))
    below = np.count_nonzero(means < mean) + 0.5 * np.count_nonzero(means == mean)
    bias = scipy.special.ndtri(below / RESAMPLES)
    leave_one_out = (sample.sum() - sample) / (n - 1)
    deviations = leave_one_out.mean() - leave_one_out
    scale = float(np.sum(deviations**2)) ** 1.5
    acceleration = float(np.sum(deviations**3)) / (6 * scale) if scale > 0 else 0.0
    reach = math.sqrt(n / (n - 1)) * float(scipy.special.stdtrit(n - 1, 0.5 + confidence / 2))
    tails = bias + np.array([-reach, reach])
    low, high = np.quantile(means, scipy.special.ndtr(bias + tails / (1 - acceleration * tails)))
    return float(low), float(high)


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's adjusted p-values: reject where at most alpha, and the chance of any false rejection is at most alpha.

    Sorted ascending, the i-th of m p-values is multiplied by m - i, and none may be smaller than the one before (Holm 1979).
    """
    raw = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(raw, kind="stable")
    adjusted = np.empty_like(raw)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(raw[order] * np.arange(raw.size, 0, -1)))
    return [float(value) for value in adjusted]


def steps_to_target(steps: np.ndarray, values: np.ndarray, target: float) -> float:
    """First evaluated step whose value is at or below `target` together with the next evaluation's; infinity where there is none.

    Nothing is interpolated, and the last evaluation alone does not count: whether it would have held is unknown.
    """
    holds = np.asarray(values) <= target
    held = np.flatnonzero(holds[:-1] & holds[1:])
    return float(steps[held[0]]) if held.size else math.inf
