"""Short trainings of several lanes."""

import numpy as np

from doctor_tasks import healthy
from ravine.doctor import trials
from ravine.fleet import Evaluations, Fleet


def test_a_lane_for_every_rate_and_seed():
    lanes = trials.lanes_of("adamw", [1e-3, 1e-2], [0, 1, 2], is_decaying=False)
    assert [(lane.number, lane.hypers["lr"], lane.seed) for lane in lanes][3] == (3, 1e-2, 0)
    assert {lane.hypers["weight_decay"] for lane in lanes} == {0.0}


def test_losses_and_evaluations_of_every_lane_come_back():
    task = healthy()
    lanes = trials.lanes_of("adam", [1e-2, 1e6], [0])
    at = trials.marks(20, 2)
    curves = trials.train(Fleet(task), lanes, 20, Evaluations({"validation": at}, {"validation": task.data.validation}))
    assert curves.losses.shape == (20, 2)
    assert curves.losses[-1, 0] < curves.losses[0, 0]
    assert sorted(curves.evaluations) == [0, 10, 20]
    assert trials.best(curves)[0] == min(values["loss"][0] for values in curves.evaluations.values())


def test_nothing_is_compiled_for_a_training_that_is_short(monkeypatch):
    chosen, calibrate = [], Fleet.calibrate
    monkeypatch.setattr(Fleet, "calibrate", lambda self, *given, **named: chosen.append(calibrate(self, *given, **named)) or chosen[-1])
    trials.train(Fleet(healthy()), trials.lanes_of("adam", [1e-2], [0]), 4)
    assert {trial.mode: trial.why_not for trial in chosen[0].trials}["compiled"] == trials.TOO_SHORT["compiled"]


def test_it_ends_as_soon_as_it_may():
    task, seen = healthy(), []

    def until(values):
        seen.append(values)
        return len(seen) == 2

    lanes = trials.lanes_of("adam", [1e-2], [0])
    evaluations = Evaluations({"validation": trials.marks(40, 4)}, {"validation": task.data.validation})
    curves = trials.train(Fleet(task), lanes, 40, evaluations, until=until)
    assert max(curves.evaluations) == 10
    assert np.isnan(curves.losses[-1]).all()


def test_a_value_counts_that_lasts():
    rows = ([2.0, 2.0], [0.5, 1.5], [1.0, np.nan], [1.2, 1.4])
    curves = trials.Curves(np.empty((0, 2)), {step: {"loss": np.array(row)} for step, row in enumerate(rows)})
    assert trials.best(curves).tolist() == [0.5, 1.4]
    assert trials.best(curves, held=2).tolist() == [1.0, 2.0]
