import math

import numpy as np
import pytest
from scipy import stats

from ravine.records.statistics import (
    bca_interval,
    holm,
    mean_interval,
    median_interval,
    paired_difference,
    steps_to_target,
    unpaired_difference,
)

SAMPLES = [np.random.default_rng(seed).lognormal(size=n) for seed, n in enumerate([2, 3, 5, 7, 8, 12, 30])]


@pytest.mark.parametrize("sample", SAMPLES, ids=len)
def test_mean_interval_is_the_t_interval(sample):
    found = mean_interval(sample, confidence=0.9)
    oracle = stats.t.interval(0.9, len(sample) - 1, loc=sample.mean(), scale=stats.sem(sample))
    np.testing.assert_allclose((found.low, found.high), oracle, rtol=1e-12)
    assert found.confidence == 0.9


@pytest.mark.parametrize("function", [mean_interval, median_interval])
def test_below_two_values_there_is_no_interval(function):
    assert math.isnan(function([]).estimate)
    one = function([3.0])
    assert (one.estimate, one.low, one.high, one.confidence) == (3.0, None, None, 0.0)


@pytest.mark.parametrize(
    ("n", "k", "confidence"), [(2, 1, 0.5), (3, 1, 0.75), (5, 1, 0.9375), (6, 1, 0.96875), (9, 2, 0.9609375), (30, 10, 0.957226)]
)
def test_median_interval_lies_between_the_order_statistics_of_the_tables(n, k, confidence):
    found = median_interval(np.arange(1.0, n + 1))
    assert (found.low, found.high) == (k, n + 1 - k)
    assert found.estimate == (n + 1) / 2
    assert found.confidence == pytest.approx(confidence, abs=1e-6)


@pytest.mark.parametrize(
    ("values", "median", "high"),
    [
        ([10, math.inf, 20], 20, math.inf),
        ([10, math.inf], math.inf, math.inf),
        ([math.inf] * 4, math.inf, math.inf),
        ([1, 2, math.inf, 3, 4, 5], 3.5, math.inf),
    ],
)
def test_never_reached_takes_part_in_the_median_as_infinity(values, median, high):
    found = median_interval(values)
    assert (found.estimate, found.high) == (median, high)


@pytest.mark.parametrize("sample", SAMPLES, ids=len)
def test_paired_difference_tests_as_the_paired_t_test_does(sample):
    found = paired_difference(sample - 1)
    oracle = stats.ttest_1samp(sample - 1, 0.0)
    assert found.p == pytest.approx(oracle.pvalue, rel=1e-10)
    assert found.n == len(sample)
    if len(sample) < 12:
        assert found.method == "t"
        np.testing.assert_allclose((found.low, found.high), oracle.confidence_interval(0.95), rtol=1e-10)
    else:
        assert found.method == "bca"
        assert (found.low, found.high) == bca_interval(sample - 1)


@pytest.mark.parametrize("sample", SAMPLES[-3:], ids=len)
def test_bca_is_scipys_at_the_expanded_level_but_for_the_resamples(sample):
    n = len(sample)
    level = 1 - 2 * stats.norm.sf(np.sqrt(n / (n - 1)) * stats.t.ppf(0.975, n - 1))
    oracle = stats.bootstrap(
        (sample,), np.mean, confidence_level=level, n_resamples=9999, method="BCa", rng=np.random.default_rng(5)
    ).confidence_interval
    np.testing.assert_allclose(bca_interval(sample), (oracle.low, oracle.high), rtol=0.04)
    assert bca_interval(sample) == bca_interval(sample.copy())


def test_below_two_pairs_nothing_is_testable():
    for differences in ([], [4.0]):
        found = paired_difference(differences)
        assert (found.low, found.high, found.p, found.method) == (None, None, 1.0, "not testable at this n")


def test_two_pairs_are_testable_and_very_wide():
    found = paired_difference([1.0, 1.2])
    assert found.low < 0 < found.high
    assert found.p > 0.05


@pytest.mark.parametrize("n", [3, 9])
@pytest.mark.parametrize("value", [0.5, 0.0])
def test_equal_differences_are_copies_of_one_run_and_not_testable(n, value):
    found = paired_difference([value] * n)
    assert (found.mean, found.p, found.low, found.high) == (value, 1.0, None, None)
    assert (found.n, found.method) == (n, "not testable: one sample")


def test_rounding_of_the_measurement_is_never_taken_for_certainty():
    """Twice as many steps in all of three seeds, known to half of the shorter time: not significant; known to a tenth of that: it is."""
    assert paired_difference([math.log(2)] * 3, resolution=[0.3] * 3).p > 0.05
    assert paired_difference([math.log(2)] * 3, resolution=0.03).p < 0.01
    noisy = [0.1, 0.9, 0.5]
    assert paired_difference(noisy, resolution=0.01) == paired_difference(noisy)


def test_holm_on_a_worked_example():
    """Sorted 0.005, 0.01, 0.03, 0.04 times 4, 3, 2, 1, never falling."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


STEPS = np.array([0, 10, 20, 30, 40])


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([5, 1, 1, 1, 1], 10),
        ([5, 1, 3, 1, 1], 30),  # one evaluation alone is luck
        ([5, 3, 3, 3, 1], math.inf),  # the last alone does not count
        ([5, 3, 3, 2, 2], 30),  # at the target is good enough
        ([1, 1, 5, 5, 5], 0),
        ([5, 1, math.nan, 1, math.nan], math.inf),
        ([5, 5, 5, 5, 5], math.inf),
    ],
)
def test_a_target_counts_when_two_evaluations_in_a_row_hold_it(values, expected):
    assert steps_to_target(STEPS, np.array(values, dtype=float), 2.0) == expected


@pytest.mark.parametrize(("n", "m"), [(2, 2), (3, 8), (12, 5)])
def test_unpaired_difference_is_welchs(n, m):
    rng = np.random.default_rng([n, m])
    first, second = rng.normal(0.0, 1.0, size=n), rng.normal(0.5, 3.0, size=m)
    found = unpaired_difference(first, second)
    oracle = stats.ttest_ind(second, first, equal_var=False)
    interval = oracle.confidence_interval(0.95)
    np.testing.assert_allclose((found.p, found.low, found.high), (oracle.pvalue, interval.low, interval.high), rtol=1e-9)
    assert (found.method, found.n) == ("welch", min(n, m))
    assert found.mean == pytest.approx(second.mean() - first.mean())


@pytest.mark.parametrize(("first", "second"), [([1.0], [2.0, 3.0]), ([], [1.0]), ([2.0, 2.0], [3.0, 3.0])])
def test_unpaired_runs_that_hold_no_sample_are_not_testable(first, second):
    found = unpaired_difference(first, second)
    assert (found.low, found.high, found.p) == (None, None, 1.0)
    assert found.method.startswith("not testable")


def test_an_unpaired_difference_is_never_surer_than_the_measurement():
    found = unpaired_difference([1.0, 1.0, 1.0], [2.0, 2.0, 2.0], resolution=(0.3, 0.4))
    oracle = unpaired_difference([0.7, 1.0, 1.3], [1.6, 2.0, 2.4])
    assert (found.mean, found.low, found.p) == pytest.approx((oracle.mean, oracle.low, oracle.p))
