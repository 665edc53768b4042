"""Rates: the best, the extension at the edges, stuck lanes, and the rates of the final."""

import math

import numpy as np
import pytest

from ravine.race.entrants import Entrant
from ravine.race.plan import GRID_STEP
from ravine.race.tuning import Outcome, RateSearch, stuck_since
from ravine.records.entrants import is_at_edge

GRID = (1e-3, 1e-2, 1e-1, 1.0)


def search(values, *, stuck=(), higher=False, extends=True):
    """Outcomes on `GRID`; None is a diverged lane."""
    result = RateSearch(Entrant("adam", "adam", GRID), higher_is_better=higher, extends=extends)
    for lr, value in zip(GRID, values, strict=True):
        result.add(Outcome(lr, math.nan if value is None else value, value is None, 10 if lr in stuck else None))
    return result


def test_the_best_rate_in_either_direction():
    assert search([3.0, 1.0, 2.0, None]).best == 1e-2
    assert search([0.3, 0.1, 0.9, None], higher=True).best == 1e-1
    assert search([None] * 4).best is None


def test_equal_values_go_to_the_lower_rate():
    assert search([2.0, 1.0, 1.0, None]).best == 1e-2


@pytest.mark.parametrize(("final", "first"), [(0.109, 1.0), (0.111, 1e-1), (0.1, 1.0)], ids=["0.9 % of regret", "1.1 %", "equal"])
@pytest.mark.parametrize("sign", [1.0, -1.0], ids=["lower", "higher"])
def test_among_rates_of_equal_final_value_the_faster_is_first(final, first, sign):
    """Regret is measured on the way from the best (0.1) back to the start (1.1); the medium target is 0.2."""
    result = RateSearch(Entrant("adam", "adam", GRID), higher_is_better=sign < 0, extends=False)
    steps = np.array([0, 10, 20, 30, 40])
    curves = {1e-1: [1.1, 0.9, 0.3, 0.2, 0.1], 1.0: [1.1, 0.2, 0.2, 0.2, final], 1e-2: [1.1, 0.15, 0.15, 0.15, 0.15]}
    for lr, curve in curves.items():
        values = sign * np.array(curve)
        result.add(Outcome(lr, values[-1], False, None, steps, values))
    assert result.best == first
    assert set(result.final_rates()) == {1e-1, 1.0}


def test_the_final_takes_the_best_two_that_did_not_break():
    assert search([3.0, 1.0, 2.0, None]).final_rates() == (1e-2, 1e-1)
    assert search([None, None, 2.0, None]).final_rates() == (1e-1,)
    assert search([None] * 4).final_rates() == ()


def test_a_stuck_lane_above_the_best_rate_is_no_rate_of_the_final():
    found = search([3.0, 1.0, 2.0, 2.3], stuck={1e-1, 1.0, 1e-3})
    assert found.silent_divergences() == {1e-1: 10, 1.0: 10}
    assert found.final_rates() == (1e-2, 1e-3), "below the best it is slow, not diverged"
    assert [lane.stuck for lane in found.tuned_lanes()] == [False, False, True, True]


def test_whether_a_rate_learnt():
    found = search([3.0, 1.0, 2.0, None], stuck={1e-3})
    assert [found.has_learnt(lr) for lr in (*GRID, 7.0)] == [False, True, True, False, False]


@pytest.mark.parametrize(
    ("values", "more"),
    [
        ([1.0, 2.0, 3.0, 4.0], (1e-4, 1e-3 / GRID_STEP)),
        ([4.0, 3.0, 2.0, 1.0], (GRID_STEP, 10.0)),
        ([None] * 4, (1e-4, 1e-3 / GRID_STEP)),
        ([2.0, 1.0, 3.0, 4.0], ()),
    ],
    ids=["lowest", "highest", "all diverged", "inside"],
)
def test_the_grid_grows_by_two_half_decades_at_the_end_where_the_best_sits(values, more):
    found = search(values)
    assert values[0] is None or is_at_edge(found.tuned_lanes(), found.best) == bool(more)
    assert found.extension() == pytest.approx(more)
    assert found.grid == pytest.approx(sorted([*GRID, *more]))


def test_the_grid_grows_once_and_stays_at_the_edge_if_the_best_does():
    found = search([4.0, 3.0, 2.0, 1.0])
    for lr, value in zip(found.extension(), (0.9, 0.8), strict=True):
        found.add(Outcome(lr, value, False, None))
    assert found.extension() == ()
    assert is_at_edge(found.tuned_lanes(), found.best)
    inside = search([4.0, 3.0, 2.0, 1.0])
    for lr, value in zip(inside.extension(), (0.9, 1.8), strict=True):
        inside.add(Outcome(lr, value, False, None))
    assert not is_at_edge(inside.tuned_lanes(), inside.best)


def test_a_grid_of_the_users_own_does_not_grow():
    assert search([4.0, 3.0, 2.0, 1.0], extends=False).extension() == ()


STEPS = np.array([0, 10, 20, 30, 40, 50, 100])


def test_a_lane_at_the_input_independent_loss_to_the_end_is_stuck_from_its_first_evaluation_there():
    assert stuck_since(STEPS, np.array([2.5, 2.4, 1.0, 2.31, 2.30, 2.29, 2.30]), 2.3) == 30


@pytest.mark.parametrize(
    ("losses", "baseline"),
    [
        ([2.5, 2.3, 2.3, 2.3, 2.3, 2.3, 2.2], 2.3),
        ([2.5, 2.3, 2.3, 2.3, 2.3, 2.0, 2.3], 2.3),
        ([2.3] * 7, None),
        ([0.0] * 7, 0.0),
        ([math.nan] * 7, 2.3),
    ],
    ids=["leaves it", "one evaluation only", "unknown", "nothing to learn", "diverged"],
)
def test_a_lane_that_is_not_stuck(losses, baseline):
    assert stuck_since(STEPS, np.array(losses), baseline) is None


def test_nothing_is_stuck_during_warm_up():
    """Evaluations before a tenth of the horizon say nothing: the step named is the first after it."""
    assert stuck_since(np.array([0, 2, 5, 10, 60, 100]), np.full(6, 2.3), 2.3) == 10


def test_no_evaluations_are_not_stuck():
    assert stuck_since(np.array([]), np.array([]), 2.3) is None


def test_a_lane_says_where_it_began():
    found = search([3.0, 2.0, 2.5, 4.0])
    found.add(Outcome(1e-2, 1.5, False, None, np.array([0, 5]), np.array([2.5, 1.5])))
    starts = {lane.lr: lane.start for lane in found.tuned_lanes()}
    assert starts.pop(1e-2) == 2.5
    assert all(map(math.isnan, starts.values())), "no curve, no start"


def culled(lr, value):
    return Outcome(lr, value, False, None, is_culled=True)


def test_a_culled_rate_is_neither_best_nor_final_nor_diverged():
    found = search([3.0, 2.0, 2.5, 4.0])
    found.add(culled(1e-2, 0.1))
    assert found.best == 1e-1
    assert 1e-2 not in found.final_rates()
    assert not found.has_learnt(1e-2)
    lane = found.tuned_lanes()[1]
    assert (lane.culled, lane.diverged, lane.has_finished) == (True, False, False)


@pytest.mark.parametrize(("values", "found"), [([None, None], (1e-2, 1e-1)), ([0.5, None], (1e-1,)), ([0.2, None], ()), ([0.295, 9.0], ())])
@pytest.mark.parametrize("sign", [1.0, -1.0], ids=["lower", "higher"])
def test_culled_rates_that_were_better_than_what_went_on_in_the_end_are_run_after_all(values, found, sign):
    """At their rungs they had 0.6 and 0.29, on the way from 1.1."""
    result = RateSearch(Entrant("adam", "adam", GRID), higher_is_better=sign < 0, extends=True)
    curve = np.array([1.1, 1.0])
    for lr, value in zip((1e-3, 1.0), values, strict=True):
        end = math.nan if value is None else sign * value
        result.add(Outcome(lr, end, value is None, None, np.array([0, 10]), sign * curve))
    result.add(culled(1e-2, sign * 0.6))
    result.add(culled(1e-1, sign * 0.29))
    assert result.rescue() == found


def test_the_best_rate_is_refined_on_both_sides():
    found = search([3.0, 1.0, 2.0, None])
    low, high = found.refinement()
    assert (math.log10(1e-2 / low), math.log10(high / 1e-2)) == pytest.approx((0.2, 0.2))
    for lr, value in ((low, 1.5), (high, 0.9)):
        found.add(Outcome(lr, value, False, None))
    assert found.final_rates() == (high, 1e-2)
    assert [lane.refined for lane in found.tuned_lanes()] == [False, True, False, True, False, False]
    assert found.grid == list(GRID)
    assert search([None] * 4).refinement() == ()
    assert search([3.0, 1.0, 2.0, None], extends=False).refinement() == ()


def test_a_refined_rate_beyond_the_end_of_the_grid_does_not_make_the_end_an_inner_rate():
    found = search([4.0, 3.0, 2.0, 1.0])
    for lr, value in zip(found.refinement(), (1.5, 1.4), strict=True):
        found.add(Outcome(lr, value, False, None))
    assert found.best == 1.0
    assert is_at_edge(found.tuned_lanes(), 1.0)
    assert is_at_edge(found.tuned_lanes(), found.refined[1])
    assert not is_at_edge(found.tuned_lanes(), found.refined[0])


@pytest.mark.parametrize(
    ("best", "ended", "found"),
    [(1.0, (1e-3, 1e-2, 1e-1), (1e-2, 1e-1)), (1e-2, (1e-3,), (1e-3,)), (1e-1, (1e-3,), ()), (1e-3, (1.0,), ())],
    ids=["two below", "one below", "its neighbour went on", "nothing below"],
)
def test_a_best_rate_below_which_nothing_went_on_has_the_rates_below_it_run_after_all(best, ended, found):
    result = search([1.0 if lr == best else 2.0 for lr in GRID])
    for lr in ended:
        result.add(culled(lr, 3.0))
    assert result.best == best
    assert result.rescue() == found
