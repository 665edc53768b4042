"""Lanes of other batch sizes: equal rows, the race's steps, and everything that follows from them."""

import dataclasses

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from ravine.fleet import Choice, Fleet
from ravine.race.batches import Scenes
from ravine.race.executors import Crew
from ravine.race.plan import make_plan
from ravine.race.recipe import make_recipe
from ravine.race.running import run_race
from ravine.race.stage import Pace, Silent
from ravine.records import open_record
from ravine.tasks import Task

STREAM = torch.Generator().manual_seed(0)
X = torch.randn(200, 3, generator=STREAM)
Y = X @ torch.tensor([[1.0], [-2.0], [0.5]]) + 0.1 * torch.randn(200, 1, generator=STREAM)
TASK = Task(
    "tiny", lambda: nn.Linear(3, 1), (X[:160], Y[:160]), (X[160:180], Y[160:180]), F.mse_loss, test=(X[180:], Y[180:]), batch_size=10
)
OPTIONS = {"optimizers": ["sgd", "adam"], "tune": ["batch_size"], "steps": 62, "seeds": 2, "configurations": 8}


@pytest.fixture(autouse=True, scope="module")
def by_hand():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Fleet, "calibrate", lambda self, lanes, steps, evaluated=0: Choice("stacked", 64, "by hand", {}, 1.0))
        patch.setattr("ravine.race.halving.USEFUL_STEPS", 4)
        yield


class Noted(Silent):
    def __init__(self, after=0):
        self.left, self.stages = after, {}

    def stage(self, name, entries, steps, choice, memory_bytes):
        self.stages[name] = (len(entries), steps)

    def event(self, event):
        self.left -= 1
        if not self.left:
            raise KeyboardInterrupt


def race(path, observer=None, **options):
    run_race(make_plan(TASK, **OPTIONS | options), path, existing="resume", observer=observer, snapshot_s=0.0)


@pytest.fixture(scope="module")
def raced(tmp_path_factory, by_hand):
    path, observer = tmp_path_factory.mktemp("batches") / "a.ravine", Noted()
    race(path, observer)
    with open_record(path) as record:
        yield record, observer


def rows(lane):
    return lane.hypers["batch_size"]


def test_the_race_s_steps_are_whole_for_every_batch_size():
    plan = make_plan(TASK, **OPTIONS)
    assert (plan.steps, {step % 4 for step in plan.evaluation_steps}) == (64, {0})
    assert plan.notes == ("64 steps in place of 62, so that the largest batch takes a whole number of them",)
    assert make_plan(TASK, **OPTIONS | {"steps": 200}).notes == ()
    assert make_plan(TASK, **OPTIONS | {"tune": ["weight_decay"]}).steps == 62


def test_a_pace_is_exact_where_the_race_is_evaluated():
    for lane_rows in (2, 5, 10, 20, 40):
        pace = Pace(10, lane_rows) if lane_rows != 2 else Pace(8, 2)
        for step in range(0, 200, 4):
            assert pace.shared(pace.own(step)) == step
            assert pace.own(step) * pace.rows == step * pace.whole
    assert Pace(10, 40).shared(3) == 12
    assert Pace(10, 5).shared(3) == 2, "the first step of the race at which it has taken three"


def test_lanes_are_run_by_batch_size_the_task_s_own_first():
    plan = make_plan(TASK, **OPTIONS)
    entries = [one.entry("tune", 0, setting, 0) for one in plan.entrants for setting in one.settings()]
    entries = [dataclasses.replace(entry, row=dataclasses.replace(entry.row, lane=n)) for n, entry in enumerate(entries)]
    fleet = Fleet(TASK)
    with Crew(fleet) as crew, Scenes(plan, crew, {}, {}) as scenes:
        found = list(scenes.of(entries))
        assert [scene.pace.rows for scene, _ in found] == [10, 5, 20, 40]
        assert found[0][0].crew is crew
        assert [scene.crew.fleet.batch_size for scene, _ in found] == [10, 5, 20, 40]
        assert sum(len(own) for _, own in found) == len(entries)
        assert [scene.stage("tune") for scene, _ in found] == ["tune", "tune:5", "tune:20", "tune:40"]
        assert list(scenes.of(entries))[1][0] is found[1][0], "made once"


def test_everyone_has_equal_rows_and_the_same_number_of_settings(raced):
    record, observer = raced
    whole = {rows(lane): lane.steps_done for lane in record.lanes() if lane.status == "done"}
    assert set(whole) <= {5, 10, 20, 40}
    assert all(steps * size == 64 * 10 for size, steps in whole.items())
    assert sum(number for name, (number, _) in observer.stages.items() if name.startswith("tune")) == 2 * 96
    assert {name: steps for name, (_, steps) in observer.stages.items() if name.startswith("tune")} == {
        "tune": 64,
        "tune:5": 128,
        "tune:20": 32,
        "tune:40": 16,
    }


def test_evaluations_stand_at_the_race_s_steps_and_losses_at_the_lane_s_own(raced):
    record, _ = raced
    grid = record.meta["protocol"]["evaluation_steps"]
    for lane in record.lanes(stage="tune"):
        if lane.status == "done":
            assert record.curve(lane.lane, "validation", "loss")[0].tolist() == grid
            assert len(record.losses(lane.lane)) == lane.steps_done
    rungs = {rung["step"] for rung in record.meta["protocol"]["search"]["rungs"]}
    for lane in record.lanes(stage="tune"):
        if lane.status == "culled":
            assert lane.culled_at * rows(lane) // 10 in rungs
            assert record.curve(lane.lane, "validation", "loss")[0][-1] in rungs


def test_gradients_are_counted_in_rows(raced):
    record, _ = raced
    spent = record.meta["protocol"]["gradients_by_optimizer"]
    for name in ("sgd", "adam"):
        lanes = [lane for lane in record.lanes(optimizer=name) if lane.status != "diverged"]
        lost = [lane for lane in record.lanes(optimizer=name) if lane.status == "diverged"]
        exact = sum(lane.steps_done * rows(lane) / 10 for lane in (*lanes, *lost))
        assert exact <= spent[name] <= exact + len(lost)


def test_a_lane_of_another_size_is_that_of_a_race_with_it(raced, tmp_path):
    record, _ = raced
    other = dataclasses.replace(TASK, batch_size=20)
    run_race(make_plan(other, optimizers=["adam"], steps=32, seeds=1, exhaustive=True), tmp_path / "b.ravine")
    with open_record(tmp_path / "b.ravine") as alone:
        theirs = {lane.lr: alone.losses(lane.lane) for lane in alone.lanes(stage="tune")}
    ours = {lane.lr: record.losses(lane.lane) for lane in record.lanes(stage="tune", optimizer="adam") if rows(lane) == 20}
    assert len(ours.keys() & theirs.keys()) >= 12
    for lr in ours.keys() & theirs.keys():
        np.testing.assert_allclose(ours[lr], theirs[lr][: len(ours[lr])], rtol=1e-4)


def test_the_recipe_has_the_batch_size_and_as_many_steps_as_it_takes(raced, tmp_path):
    record, _ = raced
    recipe = make_recipe(record, TASK)
    chosen = record.meta["recommendation"]["hypers"]["batch_size"]
    assert (recipe.batch_size, recipe.steps * chosen) == (chosen, 640)
    assert "batch_size" not in recipe.hypers
    heading = " ".join(recipe.heading)
    assert f"own tuned settings; 64 steps of 10 rows, or as many rows in batches of a size of its own, here {chosen}; 2 fresh" in heading
    assert "This holds for this model, data and number of steps." in heading


@pytest.mark.parametrize("after", [90])
def test_a_race_that_was_broken_off_ends_with_the_same_bits(raced, tmp_path, after):
    record, _ = raced
    path = tmp_path / "a.ravine"
    with pytest.raises(KeyboardInterrupt):
        race(path, Noted(after))
    race(path)
    with open_record(path) as other:
        assert [(lane.hypers, lane.status, lane.steps_done) for lane in other.lanes()] == [
            (lane.hypers, lane.status, lane.steps_done) for lane in record.lanes()
        ]
        for lane in record.lanes():
            assert other.losses(lane.lane).tobytes() == record.losses(lane.lane).tobytes()
            for split in ("validation", "test"):
                assert [part.tobytes() for part in other.curve(lane.lane, split, "loss")] == [
                    part.tobytes() for part in record.curve(lane.lane, split, "loss")
                ]
        assert other.meta["recommendation"] == record.meta["recommendation"]


def test_a_task_without_other_sizes_has_nothing_to_tune_in_it():
    data = (X[:7], Y[:7])
    task = Task("odd", lambda: nn.Linear(3, 1), data, data, F.mse_loss, batch_size=7)
    plan = make_plan(task, optimizers=["adam"], tune=["batch_size", "beta1"], steps=20)
    assert [one.name for one in plan.entrants[0].space] == ["beta1"]


def test_a_budget_holds_for_lanes_of_every_size(tmp_path):
    race(tmp_path / "a.ravine", budget_gradients=8_000, steps=None)
    with open_record(tmp_path / "a.ravine") as record:
        protocol = record.meta["protocol"]
    assert 3_000 < protocol["budget_gradients"] <= 8_000
    assert protocol["steps"] % 4 == 0
