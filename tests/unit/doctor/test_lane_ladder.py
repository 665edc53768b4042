"""The rungs of one lane: its diagnosis first, and what a lane that diverged says nothing of."""

import numpy as np

from doctor_tasks import healthy
from ravine.doctor.checks_lane import Known
from ravine.doctor.lane_ladder import OF_LIFE, OF_TASK, Recorded, examine_lane
from ravine.doctor.replay import Replay
from ravine.fleet import Lane as Trained
from ravine.records import Lane
from ravine.records.findings import RUNGS
from ravine.rules import resolve
from ravine.schedules import create


def examined(lr, status, steps, reason=None):
    rule, hypers = resolve("sgd", {"lr": lr})
    task = healthy()
    replay = Replay(task, "sgd", Trained(0, rule, hypers, create("constant"), 0), 60, 0)
    replay.advance(steps)
    at = steps if status == "diverged" else None
    lane = Lane(lane=0, stage="tune", optimizer="sgd", lr=lr, schedule="constant", seed=0, status=status, reason=reason, diverged_at=at)
    evaluated, losses = np.array([0, 30, 60]), np.array([1.4, 0.5, 0.2])
    recorded = Recorded(Known(lane, 0.1, has_run=False), evaluated, {"loss": losses}, task.baseline_loss(), {"accuracy": True})
    return {outcome.rung.rung: outcome for outcome in examine_lane(replay, recorded)}


def test_a_lane_that_went_well_passes():
    found = examined(0.1, "done", 60)
    assert list(found) == list(RUNGS)
    assert {found[name].rung.verdict for name in OF_TASK} == {"skipped"}
    assert [one.title for outcome in found.values() for one in outcome.findings if one.severity != "information"] == []
    assert found["rate"].rung.verdict == found["curve"].rung.verdict == "pass"


def test_a_lane_that_diverged_has_its_diagnosis_and_no_advice_on_its_ruins():
    found = examined(1000.0, "diverged", 21, "its smoothed loss rose to 1e9, 1e9 times its best")
    assert found["rate"].rung.verdict == "fail"
    assert found["rate"].findings[0].measured.startswith("lr=1e+03: its smoothed loss rose")
    assert {found[name].rung.verdict for name in OF_LIFE} == {"skipped"}
