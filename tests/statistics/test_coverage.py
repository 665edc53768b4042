"""Intervals cover what they promise, by simulation with fixed seeds."""

import numpy as np
import pytest

from ravine.records.statistics import mean_interval, median_interval, paired_difference

RACES = 2000


def coverage(intervals, truth):
    return np.mean([interval.low <= truth <= interval.high for interval in intervals])


@pytest.mark.parametrize("seeds", [2, 3, 5, 7])
def test_t_intervals_cover_95_percent(seeds):
    """Within four standard errors of a simulation of 2,000."""
    samples = np.random.default_rng(seeds).normal(1.0, 0.3, size=(RACES, seeds))
    for function in (mean_interval, paired_difference):
        assert coverage(map(function, samples), 1.0) == pytest.approx(0.95, abs=0.02)


@pytest.mark.parametrize("seeds", [8, 15])
def test_bca_intervals_cover_95_percent(seeds):
    samples = np.random.default_rng(seeds).normal(1.0, 0.3, size=(400, seeds))
    assert coverage(map(paired_difference, samples), 1.0) == pytest.approx(0.95, abs=0.035)


@pytest.mark.parametrize("seeds", [3, 5, 6, 9, 15])
def test_median_intervals_cover_what_they_state_even_when_censored(seeds):
    samples = np.random.default_rng(seeds).lognormal(0.0, 1.0, size=(RACES, seeds))
    samples[samples > 2.0] = np.inf
    intervals = [median_interval(sample) for sample in samples]
    stated = intervals[0].confidence
    assert coverage(intervals, 1.0) == pytest.approx(stated, abs=0.025)
    assert stated >= 0.95 or seeds < 6


@pytest.mark.parametrize("seeds", [3, 5, 8, 12])
def test_p_values_of_no_difference_are_below_5_percent_one_time_in_twenty(seeds):
    samples = np.random.default_rng(seeds).normal(size=(RACES if seeds < 8 else 300, seeds))
    share = np.mean([paired_difference(sample).p <= 0.05 for sample in samples])
    assert share <= 0.05 + 4 * np.sqrt(0.05 * 0.95 / len(samples))
