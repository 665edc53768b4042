"""Entrants by name: optimisers, wrappers and schedules, and what their lanes are."""

import dataclasses

import numpy as np
import pytest

from ravine.base.errors import PlanError
from ravine.fleet import Choice, Fleet
from ravine.race.entrants import Configuration, Setting, make_entrants, split_schedule
from ravine.race.plan import make_plan
from ravine.race.recipe import make_recipe
from ravine.race.resuming import plan_facts
from ravine.race.running import run_race
from ravine.records import open_record
from ravine.rules import WRAPPERS
from ravine.rules import names as optimizer_names
from ravine.rules._search import Dimension
from ravine.schedules import Cosine
from ravine.schedules import names as schedule_names
from ravine.tasks import load

LINE = load("line")


def entrants(*names, schedule="constant"):
    return make_entrants(names, None, None, schedule)


def test_names_of_optimisers_wrappers_and_schedules_are_disjoint():
    every = [*optimizer_names(), *WRAPPERS, *schedule_names()]
    assert len(set(every)) == len(every)


def test_a_name_entered_twice_is_told_apart():
    assert [entrant.label for entrant in entrants("adam", "sgd", "adam", "adam")] == ["adam", "sgd", "adam#2", "adam#3"]


def test_the_last_part_of_a_name_may_be_a_schedule():
    found = entrants("adamw+cosine", "adamw+clip+wsd", "sgd", "adamw", "adamw+cosine", schedule="linear")
    assert [(e.label, e.name, e.optimizer, e.schedule_name) for e in found] == [
        ("adamw+cosine", "adamw+cosine", "adamw", "cosine"),
        ("adamw+clip+wsd", "adamw+clip+wsd", "adamw+clip", "wsd"),
        ("sgd", "sgd", "sgd", "linear"),
        ("adamw", "adamw", "adamw", "linear"),
        ("adamw+cosine#2", "adamw+cosine", "adamw", "cosine"),
    ]
    assert found[0].schedule == Cosine()
    assert found[0].grid == found[3].grid
    assert split_schedule("cosine") == ("cosine", None)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("adamw+cosin", "no wrapper or schedule (in 'adamw+cosin') is called 'cosin'; did you mean 'cosine'"),
        ("adamw+clp+cosine", "no wrapper (in 'adamw+clp') is called 'clp'; did you mean 'clip'"),
        ("adamm+cosine", "no optimizer is called 'adamm'; did you mean"),
        ("adamw+cosine+clip", "'cosine' is a schedule, which stands at the end: write adamw+clip+cosine"),
        ("adamw+cosine+wsd", "'cosine' is a schedule, which stands at the end and only once"),
        ("cosine", "no optimizer is called 'cosine'"),
        ("adamw+clip+clip+wsd", "names 'clip' twice"),
    ],
)
def test_a_name_that_does_not_work_says_why(name, said):
    with pytest.raises(PlanError) as caught:
        entrants(name)
    assert len(caught.value.problems) == 1
    assert said in caught.value.problems[0]


def test_a_lane_is_set_as_its_setting_says_and_tells_it_again():
    plain = entrants("adam+cosine")[0]
    values = (("weight_decay", 0.25), ("beta1", 0.8), ("warmup", 0.1))
    space = [
        Dimension(name, symbol, 0.0, 0.0, 1.0, "linear") for name, symbol in (("weight_decay", "l2"), ("beta1", "beta1"), ("warmup", ""))
    ]
    entrant = dataclasses.replace(plain, configurations=(Configuration(values, (0.1, 0.2)),), space=tuple(space))
    assert entrant.settings() == [Setting(0.1, values), Setting(0.2, values)]
    entry = entrant.entry("tune", 7, entrant.settings()[1], 0)
    assert (entry.lane.hypers["lr"], entry.lane.hypers["l2"], entry.lane.hypers["beta1"], entry.lane.hypers["beta2"]) == (
        0.2,
        0.25,
        0.8,
        0.999,
    )
    assert entry.lane.schedule(np.arange(100), 100).tobytes() == Cosine().warmup(10)(np.arange(100), 100).tobytes()
    assert "warmup" not in entry.lane.hypers
    assert (entry.row.hypers["l2"], entry.row.hypers["warmup"]) == (0.25, 0.1)
    assert entrant.setting(entry.row) == Setting(0.2, values)
    default = plain.entry("final", 8, Setting(0.1), 3)
    assert (default.row.stage, default.row.seed, default.lane.schedule) == ("final", 3, Cosine())
    assert plain.setting(default.row) == Setting(0.1)


def test_resuming_tells_schedules_apart_and_plain_entrants_are_named_as_ever():
    def names(*given):
        return plan_facts(make_plan(LINE, optimizers=given), "cpu", b"")["optimizers"]

    assert names("adamw+cosine", "adam", "adam") == ["adamw+cosine", "adam", "adam"]


@pytest.fixture(scope="module")
def record(tmp_path_factory):
    path = tmp_path_factory.mktemp("schedules") / "a.ravine"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Fleet, "calibrate", lambda self, lanes, steps, evaluated=0: Choice("stacked", 24, "by hand", {}, 1.0))
        run_race(make_plan(LINE, optimizers=["adamw+cosine", "adamw+wsd", "adamw"], steps=40, seeds=2), path)
    with open_record(path) as record:
        yield record


def test_each_entrant_has_its_own_schedule_in_the_record(record):
    found = {lane.optimizer: lane.schedule for lane in record.lanes()}
    assert found == {"adamw+cosine": "cosine", "adamw+wsd": "wsd", "adamw": "constant"} == record.meta["protocol"]["schedules"]
    assert {entrant.optimizer: entrant.schedule for entrant in record.ranking()} == found
    assert record.meta["recommendation"]["schedule"] == found[record.meta["recommendation"]["optimizer"]]


def test_schedules_part_where_their_shapes_do(record):
    lanes = {lane.optimizer: lane for lane in record.lanes(stage="tune") if lane.lr == 1e-3}
    losses = {name: record.losses(lane.lane) for name, lane in lanes.items()}
    assert losses["adamw"][:33].tobytes() == losses["adamw+wsd"][:33].tobytes()
    ends = min(map(len, losses.values()))
    assert losses["adamw"][:ends].tobytes() != losses["adamw+cosine"][:ends].tobytes()


def test_the_recipe_names_the_optimiser_and_its_schedule_apart(record):
    recipe = make_recipe(record)
    chosen = record.meta["recommendation"]
    assert (recipe.optimizer, recipe.schedule, recipe.warmup) == ("adamw", chosen["schedule"], 0)
