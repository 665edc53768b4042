import numpy as np
import pytest
import torch

from ravine.doctor.looking import Flats
from ravine.doctor.loop_log import ENOUGH_ROWS, is_lower_better
from watched_loops import log


def flats(rows, dead):
    return Flats("f", "relu", rows, {1: torch.tensor(dead)}, {1: ~torch.tensor(dead)})


def test_units_are_judged_on_enough_rows():
    found = log()
    found.take_flats({"f": flats(ENOUGH_ROWS - 1, [True, True])})
    assert found.units == {}
    found.take_flats({"f": flats(1, [True, False])})
    assert found.units["f"].dead == 0.5
    found.take_flats({"f": flats(200, [False, False])})
    found.judge_the_rest()
    # It has been judged before, on more rows.
    assert found.units["f"].dead == 0.5
    found.take_flats({"g": flats(200, [True, True]), "h": flats(20, [True, True])})
    found.judge_the_rest()
    assert found.units.keys() == {"f", "g"}


@pytest.mark.parametrize(
    ("rates", "expected"), [((0.1, 0.2, 0.3), True), ((0.3, 0.2), False), ((0.1, 0.1), False), ((0.1, 0.3, 0.3), False), ((), False)]
)
def test_a_rate_that_rises(rates, expected):
    assert log(rates=list(enumerate(rates))).is_rising is expected


def test_only_steps_near_the_highest_rate_tell_of_updates():
    found = log()
    found.looks[0].lr = 1e-6
    trajectory = found.trajectory()
    assert (trajectory.gradients.shape, trajectory.updates.shape, trajectory.rate) == ((6, 2), (5, 2), 0.1)
    assert trajectory.steps.tolist() == [0, 100, 200, 300, 400, 500]


def test_a_broken_run_ends_where_it_broke():
    assert len(log(broken=41).trajectory().losses) == 42


def test_evaluations_have_gaps_where_a_metric_was_not_given():
    found = log(validations=[(10, {"loss": 1.0}), (20, {"loss": 0.5, "accuracy": 0.9})]).trajectory()
    assert found.evaluated.tolist() == [10, 20]
    assert np.isnan(found.evaluations["accuracy"][0])
    assert found.evaluations["loss"].tolist() == [1.0, 0.5]


@pytest.mark.parametrize(
    ("name", "is_lower"), [("loss", True), ("val_error", True), ("accuracy", False), ("perplexity", True), ("f1", False)]
)
def test_which_metrics_are_errors(name, is_lower):
    assert is_lower_better(name) is is_lower
