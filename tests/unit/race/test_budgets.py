"""What a budget pays for: steps where they are open, and what is cut where they are given."""

import dataclasses

import pytest

from ravine.base.errors import PlanError
from ravine.race.budgets import as_json, cost, duration_text, expected, final_cost, fit, most_share, seconds_of
from ravine.race.halving import Rung, expected_share
from ravine.race.plan import make_plan
from ravine.tasks import load

LINE = load("line")
PAIR = {"optimizers": ["sgd", "adam"]}


def plan(**options):
    return make_plan(LINE, **PAIR | options)


def shape(found):
    return found.configurations, found.seeds, len(found.entrants[0].grid)


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("10m", 600), ("1h30m", 5400), ("1.5h", 5400), ("1h5s", 3605), (45, 45), ("45", 45), (0.5, 0.5)]
)
def test_a_time_is_read_as_people_write_it(text, seconds):
    assert seconds_of(text) == seconds


@pytest.mark.parametrize("text", ["", "ten", "10 m", "m", "5m3h", "-3s", 0, -1, None, "inf", float("nan"), "1d"])
def test_what_is_no_time_says_how_one_is_written(text):
    with pytest.raises(PlanError, match=r"^budget=.*: must be a time above 0\. Write it like 90s, 10m or 1h30m\.$") as caught:
        make_plan(LINE, budget=text if text is not None else [])
    assert len(caught.value.problems) == 1


@pytest.mark.parametrize(("seconds", "text"), [(600.0, "10 min"), (3600.0, "1 h"), (90.0, "90 s"), (0.25, "0.25 s")])
def test_a_time_in_words(seconds, text):
    assert duration_text(seconds) == text


def test_a_budget_decides_the_steps_and_says_so():
    found = plan(budget_gradients=100_000)
    assert cost(found, most_share) <= 100_000 < cost(found.at(found.steps + 1), most_share)
    assert found.evaluation_steps[-1] == found.steps
    assert found.notes == (f"the budget of 100,000 gradient evaluations pays for {found.steps:,} steps of every lane",)
    assert shape(found) == (1, 5, 12)
    assert plan(budget_gradients=10_000_000).steps > 50 * found.steps


def test_more_of_everything_is_fewer_steps():
    least = plan(budget_gradients=300_000)
    for more in ({"optimizers": ["sgd", "adam", "lion"]}, {"seeds": 10}, {"tune": ["weight_decay"]}, {"exhaustive": True}):
        assert plan(budget_gradients=300_000, **more).steps < least.steps
    assert plan(budget_gradients=300_000, optimizers=["sgd+sam", "adam"]).steps < least.steps, "two gradients a step"


def test_with_steps_given_configurations_go_first_then_seeds_then_rates():
    shapes = []
    options = {"steps": 1000, "tune": ["weight_decay"], "seeds": 5}
    for gradients in range(400_000, 26_700, -400):
        found = plan(budget_gradients=gradients, **options)
        assert cost(found, most_share) <= gradients
        assert found.steps == 1000
        if not shapes or shapes[-1] != shape(found):
            shapes.append(shape(found))
    assert shapes == [
        *((8, 5, 12), (4, 5, 12), (2, 5, 12), (1, 5, 12)),
        *((1, 4, 12), (1, 3, 12)),
        *((1, 3, 10), (1, 3, 8), (1, 3, 6), (1, 3, 4)),
    ]


def test_what_was_cut_stands_beside_the_ranking():
    found = plan(budget_gradients=35_500, steps=1000, tune=["weight_decay"])
    said = "to fit the budget of 35,500 gradient evaluations, each optimiser has 1 configuration in place of 8, 4 fresh seeds in place of 5"
    assert found.notes == (said,)
    assert [len(configuration.values) for configuration in found.entrants[0].tried] == [1]
    assert plan(budget_gradients=10**9, steps=1000).notes == ()


def test_a_narrower_grid_keeps_its_middle():
    found = plan(budget_gradients=27_500, steps=1000)
    whole = plan().entrants[0].grid
    missing = (12 - len(found.entrants[0].grid)) // 2
    assert missing > 0
    assert found.entrants[0].grid == whole[missing:-missing]


def test_rates_that_the_user_gave_and_seeds_whose_number_is_open_are_left_alone():
    own = plan(budget_gradients=60_000, steps=1000, lrs=[10.0**-k for k in range(10)])
    assert len(own.entrants[0].grid) == 10
    with pytest.raises(PlanError, match="too little"):
        plan(budget_gradients=20_000, steps=1000, lrs=[10.0**-k for k in range(10)])
    found = plan(budget_gradients=50_000, steps=1000, min_seeds=3, max_seeds=6)
    assert (found.min_seeds, found.seeds) == (3, 6)


@pytest.mark.parametrize("options", [{}, {"steps": 1000}, {"shared_lr": 0.1}, {"exhaustive": True}, {"lrs": [0.1, 0.2]}])
def test_too_small_a_budget_states_the_smallest_that_does(options):
    with pytest.raises(PlanError, match=r"^--budget-gradients 5 is too little for 2 optimisers: [^\n]*$") as caught:
        plan(budget_gradients=5, **options)
    words = caught.value.problems[0].split(" take ")[1].split()[0]
    least = int(words.replace(",", ""))
    assert plan(budget_gradients=least, **options).steps >= 10
    with pytest.raises(PlanError):
        plan(budget_gradients=least - 1, **options)


def test_the_smallest_race_has_a_rung():
    with pytest.raises(PlanError, match="without which there is not even one rung") as caught:
        plan(budget_gradients=5)
    least = int(caught.value.problems[0].split(" take ")[1].split()[0].replace(",", ""))
    assert len(plan(budget_gradients=least).rungs) == 1


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"budget": "10m", "budget_gradients": 10}, "--budget 10m and --budget-gradients 10 exclude each other"),
        ({"budget_gradients": 0}, "budget_gradients=0: must be a whole number, at least 1"),
        ({"budget_gradients": 1e5}, "budget_gradients=100000.0: must be a whole number"),
    ],
)
def test_one_bad_budget_is_one_problem(options, said):
    with pytest.raises(PlanError) as caught:
        plan(**options)
    assert len(caught.value.problems) == 1
    assert said in caught.value.problems[0]


def test_a_shared_rate_costs_its_final_alone():
    shared = plan(shared_lr=0.1, seeds=4, steps=100)
    assert cost(shared, most_share) == final_cost(shared) == 2 * 4 * 100
    assert final_cost(plan(seeds=4, steps=100)) == 2 * 2 * 4 * 100
    assert final_cost(plan(seeds=4, steps=100), 1) == 2 * 2 * 100


def test_no_halving_spends_more_than_is_reckoned_with():
    rungs = (Rung(0.03, 25, 1), Rung(0.10, 100, 3), Rung(0.33, 325, 9))
    assert most_share(rungs, 1000, 12) == pytest.approx((12 * 100 + 8 * 225 + 4 * 675) / 12_000)
    assert most_share(rungs, 1000, 4) == pytest.approx((4 * 100 + 4 * 225 + 3 * 675) / 4_000), "three go on at least"
    assert most_share((), 1000, 12) == 1.0
    assert expected(rungs, 1000, 12) == expected_share(rungs, 1000) < most_share(rungs, 1000, 12)


def test_the_record_has_what_was_allowed():
    assert as_json(plan(), {}) is None
    assert as_json(plan(budget_gradients=100_000), {"refine": True}) == {
        "gradients": 100_000,
        "seconds": None,
        "decisions": {"refine": True},
    }


def test_a_time_is_fitted_once_it_is_known_what_it_pays_for():
    open_ = plan(budget="10m")
    assert (open_.steps, open_.budget.gradients) == (1000, None)
    found = fit(open_, 100_000, expected)
    assert found.budget == dataclasses.replace(open_.budget, gradients=100_000)
    assert found.notes[0].startswith("the budget of 10 min pays for ")
