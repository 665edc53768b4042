"""Performance profiles by hand-made times, and the probability of improvement against counting."""

import math

import numpy as np
import pytest

from ravine.base.errors import InputError
from ravine.records.profile import probability_of_improvement, profile, profile_scores, ratios, score_intervals

X = math.inf
TIMES = np.array([[10.0, 40.0, X, X], [20.0, 20.0, 30.0, X], [50.0, X, 30.0, X]])


def test_ratios_are_to_the_fastest_of_each_task():
    np.testing.assert_array_equal(ratios(TIMES), [[1, 2, X, X], [2, 1, 1, X], [5, X, 1, X]])


def test_the_profile_is_the_share_of_tasks_within_tau():
    taus = (1, 1.99, 2, 5)
    np.testing.assert_array_equal(profile(TIMES, taus), [[0.25, 0.25, 0.5, 0.5], [0.5, 0.5, 0.75, 0.75], [0.25, 0.25, 0.25, 0.5]])


def test_the_score_is_the_area_below_the_profile():
    taus = np.linspace(1, 4, 30_001)
    area = np.trapezoid(profile(TIMES, taus), taus, axis=1) / 3
    np.testing.assert_allclose(profile_scores(TIMES), area, atol=1e-4)
    np.testing.assert_allclose(profile_scores(TIMES), [(1 + 2 / 3) / 4, (2 / 3 + 1 + 1) / 4, 1 / 4])


def test_four_times_slower_counts_as_never():
    assert profile_scores([[1.0, 1.0], [4.0, X]])[1] == 0
    assert profile_scores([[1.0], [4.0]], worst=7.0)[1] == pytest.approx(0.5)


def test_a_score_depends_on_the_field():
    alone, second = profile_scores(TIMES[1:])[0], profile_scores(TIMES)[1]
    assert alone > second


def test_a_task_that_nobody_solved_is_everybodys_failure():
    np.testing.assert_array_equal(profile_scores([[X, 1.0], [X, 2.0]]), [0.5, 1 / 3])


@pytest.mark.parametrize("times", [[1.0, 2.0], [[0.0]], [[-1.0]], [[math.nan]], np.empty((2, 0))])
def test_what_is_no_matrix_of_times_is_refused(times):
    with pytest.raises(InputError, match="must be"):
        ratios(times)


def test_score_intervals_redraw_seeds_with_all_their_targets():
    times = np.random.default_rng(0).lognormal(0, 0.3, size=(3, 12, 2)) * np.array([1.0, 1.5, 3.0])[:, None, None]
    found = score_intervals(times)
    np.testing.assert_allclose([one.estimate for one in found], profile_scores(times.reshape(3, -1)))
    assert all(one.low < one.estimate < one.high and one.confidence == 0.95 for one in found)
    assert [(one.low, one.confidence) for one in score_intervals(times[:, :7])] == [(None, 0.0)] * 3
    wider = score_intervals(times[:, :8])
    assert np.mean([one.high - one.low for one in wider]) > np.mean([one.high - one.low for one in found])


@pytest.mark.parametrize(
    ("first", "second", "chance"),
    [([1, 2, 3], [4, 5], 1.0), ([4, 5], [1, 2, 3], 0.0), ([1, 3], [2, 2], 0.5), ([1, X], [X, X], 0.75), ([2, 2], [2, 2], 0.5)],
)
def test_pairs_are_counted_and_ties_are_half(first, second, chance):
    assert probability_of_improvement([np.array(first)], [np.array(second)]).estimate == chance


def test_tasks_count_equally_however_many_runs_they_have():
    first, second = [np.zeros(2), np.ones(50)], [np.ones(2), np.zeros(50)]
    assert probability_of_improvement(first, second).estimate == 0.5


def test_the_interval_is_the_mirror_of_the_others():
    rng = np.random.default_rng(1)
    x, y = [rng.normal(size=9)], [rng.normal(0.7, size=9)]
    one, other = probability_of_improvement(x, y), probability_of_improvement(y, x)
    assert one.estimate == pytest.approx(1 - other.estimate)
    assert (one.low, one.high) == pytest.approx((1 - other.high, 1 - other.low), abs=0.03)
    assert one == probability_of_improvement(x, y)


def test_complete_separation_of_a_few_runs_is_no_certainty():
    found = probability_of_improvement([np.arange(5.0)], [np.arange(5.0) + 10])
    assert (found.estimate, found.high) == (1.0, 1.0)
    assert 0.5 < found.low < 0.8


def test_one_run_gives_no_interval():
    assert probability_of_improvement([np.array([1.0])], [np.array([2.0, 3.0])]).low is None


@pytest.mark.parametrize(("first", "second"), [([], []), ([np.ones(2)], []), ([np.ones(2)], [np.empty(0)])])
def test_tasks_without_runs_are_refused(first, second):
    with pytest.raises(InputError, match="same tasks"):
        probability_of_improvement(first, second)
