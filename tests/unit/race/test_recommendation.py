"""What is recommended, as facts."""

from types import SimpleNamespace

from ravine.race.plan import make_plan
from ravine.race.recommendation import recommend
from ravine.tasks import load

NOTHING = {"optimizer": None, "lr": None, "schedule": None, "tied_with": [], "hypers": {}}
BEST = SimpleNamespace(optimizer="adam", lr=0.1, tied_with=("sgd",), hypers={})


def test_the_best_with_its_ties():
    plan = make_plan(load("line"), optimizers=["sgd", "adam"], schedule="cosine")
    assert recommend(SimpleNamespace(recommended=BEST), plan) == {
        "optimizer": "adam",
        "lr": 0.1,
        "schedule": "cosine",
        "tied_with": ["sgd"],
        "hypers": {},
    }


def test_an_entrant_s_own_schedule_and_what_was_tuned():
    plan = make_plan(load("line"), optimizers=["sgd", "adamw+cosine"], schedule="linear")
    best = SimpleNamespace(optimizer="adamw+cosine", lr=0.1, tied_with=(), hypers={"beta1": 0.8})
    found = recommend(SimpleNamespace(recommended=best), plan)
    assert (found["optimizer"], found["schedule"], found["hypers"]) == ("adamw+cosine", "cosine", {"beta1": 0.8})


def test_a_shared_rate_recommends_nothing():
    plan = make_plan(load("line"), optimizers=["sgd", "adam"], shared_lr=0.1)
    assert recommend(SimpleNamespace(recommended=BEST), plan) == NOTHING


def test_a_race_that_all_lost_recommends_nothing():
    assert recommend(SimpleNamespace(recommended=None), make_plan(load("line"))) == NOTHING
