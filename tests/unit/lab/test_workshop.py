import pytest

from ravine.base.errors import InputError, PlanError
from ravine.lab.race_worker import Advance, Make
from ravine.lab.settings import PRESET
from ravine.lab.workshop import Workshop


def make(rates, **given):
    return Make(1, {**PRESET, "width": 4, "steps": 40, "task_options": {"target": "sine"}, **given}, rates)


def prepared(message):
    workshop = Workshop()
    return workshop, workshop.prepare(message, workshop.subject(message))


def test_facts_of_a_race():
    _, facts = prepared(make({"sgd": 0.1, "adam": 0.01}))
    assert [(lane["optimizer"], lane["lr"]) for lane in facts["lanes"]] == [("sgd", 0.1), ("adam", 0.01)]
    assert (facts["same_weights"], facts["same_batches"], facts["parameters"], facts["rows"]) == (True, True, 13, 128)
    assert len(facts["grid"]) == len(facts["target"]) == 161
    assert facts["begun"].last == 0
    assert facts["begun"].evaluations[0]["loss"][0] == facts["begun"].evaluations[0]["loss"][1]


def test_the_subject_stays_where_nothing_of_it_changed():
    workshop = Workshop()
    first = workshop.subject(make({"sgd": 0.1}))
    assert workshop.subject(make({"adam": 0.2}, seed=9)) is first
    assert workshop.subject(make({"sgd": 0.1}, width=5)) is not first


def test_what_was_warmed_up_with_serves_the_first_race():
    workshop = Workshop()
    workshop.warm_up()
    first = Make(1, dict(PRESET), dict.fromkeys(PRESET["optimizers"], 0.1))
    fleet = workshop._fleet
    facts = workshop.prepare(first, workshop.subject(first))
    assert workshop._course.fleet is fleet
    assert facts["begun"].last == 0
    again = prepared(first)[1]
    assert facts["weights"] == again["weights"]
    assert facts["begun"].evaluations[0]["loss"].tobytes() == again["begun"].evaluations[0]["loss"].tobytes()


def test_what_is_not_possible_leaves_the_race_as_it_was():
    workshop, _ = prepared(make({"sgd": 0.1}))
    with pytest.raises(InputError):
        workshop.subject(make({"sgd": 0.1}, task_options={"target": "formula", "formula": "os"}))
    with pytest.raises(PlanError):
        workshop.subject(make({"sophia_g": 0.1}))
    assert workshop.advance(Advance(1, 2)).last == 2


def test_ends_of_lanes_are_told():
    workshop, _ = prepared(make({"sgd": 1e6}))
    taken = workshop.advance(Advance(1, 40))
    lane, step, reason = taken.diverged[0]
    assert (lane, taken.end.startswith("every lane has diverged")) == (0, True)
    assert step > 1
    assert reason


def test_looks_say_whether_they_are_kept():
    workshop, _ = prepared(make({"sgd": 0.1}, steps=5000))
    workshop.advance(Advance(1, 40))
    taken = workshop.advance(Advance(1, 1, looks=True))
    assert [(step, keeps) for step, _, _, keeps in taken.looks] == [(41, False)]


def test_a_race_that_was_dropped_is_gone():
    workshop, _ = prepared(make({"sgd": 0.1}))
    workshop.drop()
    with pytest.raises(AssertionError):
        workshop.advance(Advance(1, 1))
