"""Why a lane diverged: each cause once, from the record alone and with a look into it."""

import dataclasses

import pytest

from ravine.doctor.checks_lane import Known, Seen, explain, known, rates_that_ran
from ravine.records import Lane


def lane(number=3, lr=1.0, status="diverged", reason="its loss was nan", at=9, seed=0, stage="tune"):
    facts = {"schedule": "constant", "seed": seed, "status": status, "reason": reason, "diverged_at": at, "steps_done": 9}
    return Lane(lane=number, stage=stage, optimizer="sgd", lr=lr, **facts)


def seen(**changes):
    usual = {"lane": 3, "seed": 0, "place": "the output of 2 (Linear)", "step": 9, "operation": "", "growth": 1e6, "update": 3.0}
    return Seen(**usual | {"sharpness": None, "dead": ("", 0.0)} | changes)


def test_what_runs_below_it_is_read_from_the_record():
    lanes = [
        lane(0, 0.01, "done", None),
        lane(1, 0.1, "culled", "at 10 % of the horizon it was number 5 of 12 rates, of which 4 went on"),
        lane(2, 0.3, "culled", "at 10 % of the horizon its loss was 7.4, from 2.3 at the start"),
        lane(),
        dataclasses.replace(lane(5, 0.5, "done", None), optimizer="adam"),
    ]
    assert known(lanes[3], rates_that_ran(lanes)) == Known(lanes[3], 0.1, has_run=False)
    assert known(lanes[3], rates_that_ran([*lanes, lane(6, 1.0, "done", None, seed=1)])).has_run


def test_a_rate_that_is_too_high_says_which_ran():
    found = explain(Known(lane(), 0.1, has_run=False), None)
    assert (found.rung, found.title, found.threshold) == ("rate", "the rate is too high", "0.1, the highest rate of sgd below it that ran")
    assert found.measured == "lr=1: its loss was nan at step 9"
    assert "lr=0.1 or less" in found.remedy


def test_above_the_bound_of_a_quadratic_it_says_so_and_below_it_does_not():
    facts = Known(lane(), 0.1, has_run=False)
    above = explain(facts, seen(sharpness=4.0), 3.8)
    assert (above.rung, above.title, above.threshold) == ("rate", "the rate is above 3.8 / lambda_max", "3.8 / lambda_max = 0.95")
    assert above.where == "the output of 2 (Linear), step 9"
    assert "updates up to 3 times the weights; lambda_max 4 at the start" in above.measured
    assert explain(facts, seen(sharpness=3.0), 3.8).title == "the rate is too high"


@pytest.mark.parametrize(("size", "told"), [(0.0123, "0.012"), (13.2, "13"), (99.7, "99.7"), (171.0, "171"), (2.5e7, "2.5e+07")])
def test_the_size_of_updates_is_told_without_an_exponent_where_that_can_be(size, told):
    assert f"updates up to {told} times the weights" in explain(Known(lane(), 0.1, has_run=False), seen(update=size)).measured


def test_a_lane_that_was_not_looked_into_refers_to_the_one_that_was():
    found = explain(Known(lane(8, 10.0, seed=1), 0.1, has_run=False), seen(sharpness=4.0), 2.0)
    assert found.where == "step 9; in lane 3, the output of 2 (Linear), step 9"
    assert "at the start of lane 3" in found.measured


def test_a_rate_at_which_other_seeds_ran_is_near_the_top():
    assert explain(Known(lane(), 0.1, has_run=True), None).title == "the rate is near the top: other seeds ran at it"


def test_where_no_rate_ran_the_rate_is_not_blamed():
    found = explain(Known(lane(), None, has_run=False), None)
    assert (found.rung, found.title) == ("gradients", "it breaks at every rate this low that was tried")


def test_a_loss_that_begins_broken_has_nothing_to_do_with_the_rate():
    found = explain(Known(lane(at=1), None, has_run=False), seen(step=1, sharpness=4.0))
    assert (found.rung, found.title) == ("initial loss", "the loss is not finite before the first update")


@pytest.mark.parametrize(("growth", "rung"), [(2.0, "precision"), (1e6, "rate")])
def test_an_operation_at_its_edge_counts_only_while_the_weights_are_sound(growth, rung):
    found = explain(Known(lane(), 0.1, has_run=False), seen(operation="log of 0 in the loss", growth=growth))
    assert found.rung == rung


@pytest.mark.parametrize(("dead", "rung"), [(("1 (ReLU)", 0.9), "dead units"), (("", 0.0), "curve")])
def test_a_stuck_lane_is_dead_or_stands_still(dead, rung):
    stuck = lane(reason="silently: its loss stayed within 1 % of that of a constant output", at=72)
    found = explain(Known(stuck, 0.1, has_run=False), seen(place="", step=None, dead=dead))
    assert found.rung == rung
    assert found.measured.startswith("lr=1: its loss stayed within 1 % of that of a constant output at step 72")
