"""Several configurations of one entrant compared: the best of all, and what follows it."""

import math

import pytest

from ravine.race.contest import EntrantSearch
from ravine.race.entrants import Configuration, Entrant, Setting
from ravine.race.plan import GRID_STEP
from ravine.race.tuning import REFINEMENT, Outcome
from ravine.rules._search import Dimension

GRID = (1e-3, 1e-2, 1e-1, 1.0)
PLAIN, STRONG = (("weight_decay", 0.0),), (("weight_decay", 0.5),)
SPACE = (Dimension("weight_decay", "l2", 0.0, 1e-3, 1.0, "log"),)


def search(plain, strong, *, culled=(), stuck=(), extends=True):
    """Outcomes of two configurations on `GRID`; None is a diverged lane."""
    entrant = Entrant("adam", "adam", GRID, configurations=(Configuration(PLAIN, GRID), Configuration(STRONG, GRID)), space=SPACE)
    result = EntrantSearch(entrant, higher_is_better=False, extends=extends)
    for tuned, values in ((PLAIN, plain), (STRONG, strong)):
        for lr, value in zip(GRID, values, strict=True):
            setting = Setting(lr, tuned)
            lost = math.nan if value is None else value
            result.add(Outcome(lr, lost, value is None, 10 if setting in stuck else None, is_culled=setting in culled, tuned=tuned))
    return result


def test_the_best_of_all_configurations_and_the_final_s_two():
    found = search([3.0, 1.0, 2.0, None], [3.0, 0.5, 0.8, None])
    assert found.best == Setting(1e-2, STRONG)
    assert found.final_settings() == [Setting(1e-2, STRONG), Setting(1e-1, STRONG)]
    assert search([3.0, 1.0, 2.0, None], [3.0, 0.5, 1.5, None]).final_settings() == [Setting(1e-2, STRONG), Setting(1e-2, PLAIN)]


def test_what_follows_the_grid_follows_the_best_configuration():
    found = search([3.0, 1.0, 2.0, None], [0.5, 0.8, 0.9, None])
    assert found.extension() == [Setting(pytest.approx(lr), STRONG) for lr in (1e-3 / GRID_STEP**2, 1e-3 / GRID_STEP)]
    assert found.refinement() == [Setting(1e-3 / REFINEMENT, STRONG), Setting(1e-3 * REFINEMENT, STRONG)]
    assert found.refined == (1e-3 / REFINEMENT, 1e-3 * REFINEMENT)
    assert len(found.grid) == 6
    assert search([3.0, 1.0, 2.0, None], [3.0, 0.5, 0.8, None]).extension() == []


def test_a_rate_is_at_no_edge_because_another_configuration_went_no_further():
    assert search([3.0, 1.0, 2.0, 0.9], [3.0, 0.5, 0.8, None]).extension() == []


def test_culled_settings_are_run_after_all():
    lower = {Setting(1e-3, STRONG), Setting(1e-2, STRONG), Setting(1e-3, PLAIN)}
    found = search([3.0, 1.0, 2.0, None], [3.0, 2.0, 0.5, None], culled=lower)
    assert found.rescue() == [Setting(1e-3, STRONG), Setting(1e-2, STRONG)], "those below the best, in its own configuration"
    better = {Setting(1e-2, PLAIN)}
    assert search([3.0, 0.1, 2.0, None], [3.0, 2.0, 0.5, None], culled=better).rescue() == [Setting(1e-2, PLAIN)]


def test_where_all_diverged_the_lowest_rate_of_the_first_configuration_stands_in():
    found = search([None] * 4, [None] * 4)
    assert found.best is None
    assert found.extension() == [Setting(pytest.approx(lr), PLAIN) for lr in (1e-3 / GRID_STEP**2, 1e-3 / GRID_STEP)]
    assert found.refinement() == []
    assert found.final_settings() == [Setting(pytest.approx(1e-4), PLAIN)]


def test_silence_is_judged_within_a_configuration():
    found = search([3.0, 1.0, 2.0, 2.3], [3.0, 0.5, 2.3, None], stuck={Setting(1.0, PLAIN), Setting(1e-1, STRONG), Setting(1e-3, PLAIN)})
    assert found.silent_divergences() == {Setting(1.0, PLAIN): 10, Setting(1e-1, STRONG): 10}
    assert not found.has_learnt(Setting(1.0, PLAIN))
    assert found.has_learnt(Setting(1e-2, PLAIN))
    assert not found.has_learnt(Setting(5.0, PLAIN))
    assert not found.has_learnt(Setting(1e-2, (("weight_decay", 0.1),)))


def test_lanes_keep_what_they_were_tuned_to():
    lanes = search([3.0, 1.0, 2.0, None], [3.0, 0.5, 0.8, None]).tuned_lanes()
    assert [(lane.lr, lane.tuned) for lane in lanes] == [(lr, tuned) for tuned in (PLAIN, STRONG) for lr in GRID]


def test_grids_that_differ_by_nothing_but_their_rates_are_one():
    shifted = tuple(lr * 2 for lr in GRID)
    entrant = Entrant("sgd", "sgd", GRID, configurations=(Configuration((), GRID), Configuration((), shifted)))
    result = EntrantSearch(entrant, higher_is_better=False, extends=True)
    for lr in (*GRID, *shifted):
        result.add(Outcome(lr, abs(math.log(lr / 2.0)), False, None))
    assert result.best == Setting(2.0)
    assert result.extension() == [Setting(pytest.approx(2.0 * GRID_STEP**power)) for power in (1, 2)]
