"""Races within a budget: what is left out while they run, and that it is decided once."""

import dataclasses
import re
import time

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from ravine.base.errors import InputError, PlanError
from ravine.fleet import Choice, Fleet
from ravine.race import spending
from ravine.race.budgets import Budget, cost, final_cost, most_share
from ravine.race.executors import Crew
from ravine.race.plan import make_plan
from ravine.race.running import ranking_splits, run_race
from ravine.race.spending import Spending, within_time
from ravine.race.stage import Silent
from ravine.records import open_record
from ravine.tasks import Task

STREAM = torch.Generator().manual_seed(0)
X = torch.randn(100, 3, generator=STREAM)
Y = X @ torch.tensor([[1.0], [-2.0], [0.5]]) + 0.1 * torch.randn(100, 1, generator=STREAM)
TASK = Task("tiny", lambda: nn.Linear(3, 1), (X[:60], Y[:60]), (X[60:80], Y[60:80]), F.mse_loss, test=(X[80:], Y[80:]), batch_size=10)
PAIR = {"optimizers": ["sgd", "adam"], "seeds": 4}


@pytest.fixture(autouse=True)
def by_hand(monkeypatch):
    monkeypatch.setattr(Fleet, "calibrate", lambda self, lanes, steps, evaluated=0: Choice("stacked", 64, "by hand", {}, 1.0))


class Noted(Silent):
    def __init__(self, after=0):
        self.left, self.notes, self.stages = after, [], []

    def note(self, text):
        self.notes.append(text)

    def stage(self, name, entries, steps, choice, memory_bytes):
        self.stages.append(name)

    def event(self, event):
        self.left -= 1
        if not self.left:
            raise KeyboardInterrupt


def race(path, observer=None, existing="resume", **options):
    run_race(make_plan(TASK, **PAIR | options), path, existing=existing, observer=observer, snapshot_s=0.0)


def facts(path):
    with open_record(path) as record:
        return record.meta["protocol"], record.meta["notes"], [record.losses(lane.lane).tobytes() for lane in record.lanes()]


def keeper(*, spent=0, elapsed=0.0, decisions=None, **options):
    notes = []
    plan = make_plan(TASK, **PAIR | {"steps": 100} | options)
    return (
        Spending(plan, {} if decisions is None else decisions, spent=lambda: spent, elapsed=lambda: elapsed, note=notes.append),
        notes,
        plan,
    )


def test_without_a_budget_everything_is_run():
    found, notes, _ = keeper(spent=10**9, elapsed=1e9)
    assert found.allows("extend", {"sgd": 6, "adam": 6})
    assert found.seeds() == 4
    assert (found.decisions, notes) == ({}, [])


def test_a_stage_that_leaves_too_little_for_the_final_is_left_out_for_all():
    gradients = 10_000
    _, _, plan = keeper(budget_gradients=gradients)
    left = gradients - final_cost(plan)
    for spent, is_allowed in ((left - 400, True), (left - 399, False)):
        found, notes, _ = keeper(budget_gradients=gradients, spent=spent)
        assert found.allows("refine", {"sgd": 2, "adam": 2}) is is_allowed
        assert notes == ([] if is_allowed else ["the budget did not suffice to refine the rates"])
        assert found.decisions == {"refine": is_allowed}
        assert found.seeds() == 4, "the final of a budget in gradients is paid for"


def test_what_costs_two_gradients_a_step_counts_so():
    gradients, lanes = 20_000, {"sgd+sam": 2, "adam": 2}
    _, _, plan = keeper(budget_gradients=gradients, optimizers=["sgd+sam", "adam"])
    assert final_cost(plan) == 100 * 4 * 2 * 3
    assert keeper(budget_gradients=gradients, optimizers=["sgd+sam", "adam"], spent=gradients - 2400 - 600)[0].allows("refine", lanes)
    assert not keeper(budget_gradients=gradients, optimizers=["sgd+sam", "adam"], spent=gradients - 2400 - 599)[0].allows("refine", lanes)


def test_a_decision_stands():
    found, notes, _ = keeper(budget_gradients=10_000, spent=10_000, decisions={"refine": True})
    assert found.allows("refine", {"sgd": 2, "adam": 2})
    assert notes == []


@pytest.mark.parametrize(("elapsed", "seeds"), [(10.0, 4), (60.0, 4), (62.0, 3), (80.0, 2), (100.0, 1), (150.0, 1), (200.0, 1)])
def test_a_time_that_runs_out_leaves_fewer_seeds_but_one(elapsed, seeds):
    """1,000 gradients so far; a seed of the final takes 400, which is 0.4 of the time gone by."""
    found, notes, _ = keeper(budget=160.0, spent=1000, elapsed=elapsed)
    assert found.seeds() == found.decisions["seeds"] == seeds
    assert notes == ([] if seeds == 4 else [f"the budget left time for {seeds} of 4 fresh seeds"])


def test_a_time_that_the_beginning_took_is_gone():
    plan = make_plan(TASK, **PAIR | {"steps": 100, "budget": 100.0})
    for setup, is_allowed in ((0.0, True), (60.0, False)):
        timed = dataclasses.replace(plan, budget=Budget(10**6, 100.0, has_own_steps=True, setup_s=setup))
        found = Spending(timed, {}, spent=lambda: 1000, elapsed=lambda: 20.0, note=lambda text: None)
        assert found.allows("refine", {"sgd": 2, "adam": 2}) is is_allowed


def test_a_race_does_not_spend_more_than_it_may(tmp_path):
    race(tmp_path / "a.ravine", budget_gradients=8000)
    protocol, notes, _ = facts(tmp_path / "a.ravine")
    assert 4000 < protocol["budget_gradients"] <= protocol["budget"]["gradients"] == 8000
    assert f"pays for {protocol['steps']} steps" in notes[0]
    plan = make_plan(TASK, **PAIR, budget_gradients=8000)
    assert cost(plan, most_share) <= 8000


def test_both_gradients_of_a_step_are_spent_in_every_stage(tmp_path):
    race(tmp_path / "a.ravine", budget_gradients=8000, optimizers=["sgd+sam", "adam"], seeds=2)
    with open_record(tmp_path / "a.ravine") as record:
        protocol, lanes = record.meta["protocol"], record.lanes()
    assert {"tune", "refine", "final"} <= set(protocol["engine"])
    steps = {name: sum(lane.steps_done for lane in lanes if lane.optimizer == name) for name in ("sgd+sam", "adam")}
    assert protocol["gradients_by_optimizer"] == {"sgd+sam": 2 * steps["sgd+sam"], "adam": steps["adam"]}
    assert protocol["budget_gradients"] == 2 * steps["sgd+sam"] + steps["adam"] <= 8000


def test_what_a_budget_leaves_out_is_said_and_left_out(tmp_path, monkeypatch):
    monkeypatch.setattr(Spending, "_suffices", lambda self, gradients: False)
    observer = Noted()
    race(tmp_path / "a.ravine", observer, budget_gradients=8000)
    protocol, notes, _ = facts(tmp_path / "a.ravine")
    assert observer.stages == ["tune", "final"]
    assert protocol["budget"]["decisions"] == {"extend": False, "refine": False}
    assert spending.LEFT_OUT["refine"] in notes
    assert protocol["search"]["refined"] == {}
    assert {len(grid) for grid in protocol["lr_grids"].values()} == {12}


@pytest.fixture
def fixed_forecast(monkeypatch):
    asked = []

    def forecast(plan, crew, splits):
        asked.append(plan.steps)
        return 1.0, 1.0 + 1e-3 * cost(plan, spending.expected)

    monkeypatch.setattr(spending, "_forecast", forecast)
    return asked


def test_a_time_becomes_steps_by_the_forecast(fixed_forecast):
    with Crew(Fleet(TASK)) as crew:
        plan = make_plan(TASK, **PAIR, budget="60s")
        found = within_time(plan, crew, ranking_splits(plan)[0], None, time.perf_counter())
        assert found.budget.gradients == pytest.approx((0.9 * 60 - 1) / 1e-3, rel=0.01)
        assert cost(found, spending.expected) <= found.budget.gradients
        assert fixed_forecast == [1000]
        plain = make_plan(TASK, **PAIR)
        assert within_time(plain, crew, {}, None, 0.0) is plain
        longer = make_plan(TASK, **PAIR, budget="10m")
        steps = within_time(longer, crew, ranking_splits(plan)[0], None, time.perf_counter()).steps
        assert steps > 5 * found.steps
        assert len(fixed_forecast) == 3, "a horizon so much longer was timed once more"
        assert fixed_forecast[2] == pytest.approx(steps, rel=0.01)
        with pytest.raises(PlanError, match=r"--budget 2 s is too little for 2 optimisers: .* take about \d+ s here\."):
            within_time(make_plan(TASK, **PAIR, budget="2s"), crew, ranking_splits(plan)[0], None, time.perf_counter())


def test_a_time_that_is_refused_names_one_that_is_not(fixed_forecast):
    with Crew(Fleet(TASK)) as crew:
        splits = ranking_splits(make_plan(TASK, **PAIR))[0]
        # As if most of the time went to what has to be done before the race.
        began = time.perf_counter() - 60
        with pytest.raises(PlanError) as refused:
            within_time(make_plan(TASK, **PAIR, budget="62s"), crew, splits, None, began)
        named = float(re.search(r"about (\d+) s here", str(refused.value))[1])
        assert within_time(make_plan(TASK, **PAIR, budget=named + 1), crew, splits, None, time.perf_counter() - 60).steps >= 10


def test_a_race_in_time_goes_on_with_what_was_found_when_it_began(fixed_forecast, tmp_path, monkeypatch):
    # What is decided must not depend on how fast this machine is today.
    monkeypatch.setattr(Spending, "_suffices", lambda self, gradients: True)
    race(tmp_path / "whole.ravine", budget=4.0)
    with pytest.raises(KeyboardInterrupt):
        race(tmp_path / "a.ravine", Noted(after=30), budget=4.0)
    begun, fixed_forecast[:] = facts(tmp_path / "a.ravine")[0], []
    race(tmp_path / "a.ravine", budget=4.0)
    whole, resumed = facts(tmp_path / "whole.ravine"), facts(tmp_path / "a.ravine")
    assert fixed_forecast == []
    assert resumed[0]["budget"]["gradients"] == begun["budget"]["gradients"]
    assert resumed[0]["steps"] == begun["steps"]
    assert len(resumed[2]) >= 24
    if whole[0]["steps"] == begun["steps"] and whole[0]["budget"]["decisions"] == resumed[0]["budget"]["decisions"]:
        assert whole[2] == resumed[2]


def test_a_race_in_gradients_goes_on_to_the_same_bits(tmp_path):
    race(tmp_path / "whole.ravine", budget_gradients=6000)
    with pytest.raises(KeyboardInterrupt):
        race(tmp_path / "a.ravine", Noted(after=40), budget_gradients=6000)
    race(tmp_path / "a.ravine", budget_gradients=6000)
    whole, resumed = facts(tmp_path / "whole.ravine"), facts(tmp_path / "a.ravine")
    assert whole[2] == resumed[2]
    assert whole[0]["budget"] == resumed[0]["budget"]
    with pytest.raises(InputError, match="begun with"):
        race(tmp_path / "a.ravine", budget_gradients=7000)
