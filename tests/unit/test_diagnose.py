"""`ravine.diagnose` and `ravine.range_test` hand over what they are given."""

from pathlib import Path

import pytest

import ravine
from ravine import _lanes, doctor
from ravine._diagnose import diagnose_curve, diagnose_lane
from ravine.base.errors import InputError, TaskError
from ravine.tasks import load


def test_options_reach_the_ladder(monkeypatch):
    seen = []
    monkeypatch.setattr(doctor, "examine", lambda *given: seen.append(given))
    ravine.diagnose("line", optimizer="momentum", lr=0.1, hypers={"momentum": 0.5}, steps=40, seeds=4, seed=2)
    ((task, settings, observer),) = seen
    assert (task.name, observer) == ("line", None)
    assert settings == doctor.Settings("momentum", 0.1, {"momentum": 0.5}, 40, 4, 2)


def test_a_task_may_be_an_object_and_text_that_names_none_is_refused(monkeypatch):
    task = load("line")
    monkeypatch.setattr(doctor, "examine", lambda task, settings, observer: task)
    assert ravine.diagnose(task) is task
    with pytest.raises(TaskError, match="does not exist"):
        ravine.diagnose("nowhere.py")


def test_options_reach_the_range_test(monkeypatch):
    seen = []
    monkeypatch.setattr(doctor, "range_test", lambda task, **given: seen.append((task.name, given)))
    ravine.range_test("line", optimizer="sgd", seeds=5, steps=90, from_lr=1e-3, to_lr=1.0, seed=3)
    assert seen == [("line", {"optimizer": "sgd", "seeds": 5, "steps": 90, "from_lr": 1e-3, "to_lr": 1.0, "race_seed": 3})]


def test_unusable_options_are_refused():
    with pytest.raises(InputError, match="lr=-1: must be above 0"):
        ravine.diagnose("line", lr=-1)


def test_a_lane_and_a_curve_are_handed_over(monkeypatch, tmp_path):
    seen = []
    monkeypatch.setattr(_lanes, "diagnose_lane", lambda *given: seen.append(given))
    task = load("line")
    diagnose_lane("r.ravine", 3, task)
    assert seen == [(Path("r.ravine"), 3, task)]
    (tmp_path / "a.csv").write_text("it,cost\n1,2\n2,1\n")
    reading = diagnose_curve(tmp_path / "a.csv", {"loss": "cost", "step": "it"})
    assert reading.curve.losses.steps.tolist() == [1, 2]
