"""The protocol as the record keeps it."""

import json

import pytest

from ravine.fleet import Fleet
from ravine.race.executors import Crew
from ravine.race.plan import make_plan
from ravine.race.protocol import environment, protocol
from ravine.race.resuming import new_race
from ravine.race.running import Race, ranking_splits
from ravine.race.stage import Silent
from ravine.records import create
from ravine.tasks import load

LINE = load("line")


@pytest.fixture
def write(tmp_path):
    def built(**options):
        with create(tmp_path / "a.ravine", force=True) as writer:
            plan = make_plan(LINE, **options)
            with Crew(Fleet(LINE), 1) as crew:
                before = new_race(writer.path, 30.0)
                return protocol(Race(plan, crew, writer, Silent(), splits=ranking_splits(plan), before=before, facts={}), None)

    return built


def test_what_was_planned_is_printed_beside_the_ranking(write):
    found = write(optimizers=["sgd", "adam"], steps=30, seeds=3, race_seed=4, schedule="cosine")
    assert (found["seeds"], found["steps"], found["race_seed"], found["schedule"], found["batch_size"]) == (3, 30, 4, "cosine", 20)
    assert [len(grid) for grid in found["lr_grids"].values()] == [12, 12]
    assert found["split"] == {"train": 100, "validation": 100, "test": 100, "tuned_on": "validation", "ranked_on": "test"}
    assert (found["tuning_seed"], found["shared_lr"], found["metric"], found["target"]) == (0, None, "loss", None)
    assert found["evaluation_steps"][0] == 0
    assert set(found["versions"]) == {"ravine", "torch", "numpy", "python"}
    assert found["budget_gradients"] == 0
    json.dumps(found, allow_nan=False)


def test_a_shared_rate_is_named_and_nothing_was_tuned(write):
    found = write(optimizers=["sgd"], steps=30, shared_lr=0.25)
    assert (found["shared_lr"], found["tuning_seed"], found["split"]["tuned_on"]) == (0.25, None, None)


def test_the_environment_names_the_device():
    assert environment(Fleet(LINE))["device"] == "cpu"
