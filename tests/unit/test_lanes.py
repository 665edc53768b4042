"""From a race to the diagnosis of its lanes, on one small race."""

import shutil

import numpy as np
import pytest

import ravine
from ravine import _lanes
from ravine._lanes import as_compared, diagnose_lane, diagnose_lanes
from ravine.base.errors import InputError
from ravine.records import open_record, resume
from ravine.records.lane_findings import KEY, lane_findings
from ravine.tasks import load


@pytest.fixture(scope="module")
def raced(tmp_path_factory):
    path = tmp_path_factory.mktemp("race") / "line.ravine"
    rates = [0.01, 0.1, 10.0, 100.0]
    return ravine.race("line", optimizers=["sgd", "adam"], lrs=rates, exhaustive=True, steps=40, seeds=2, out=path).path


def facts(path):
    with open_record(path) as record:
        return record.meta, record.lanes()


def test_every_diverged_lane_has_a_finding_and_no_other_has(raced):
    meta, lanes = facts(raced)
    found = lane_findings(meta)
    assert [one.lane for one in found] == [lane.lane for lane in lanes if lane.status == "diverged"]
    assert len(found) >= 2


def test_plain_sgd_on_a_line_is_above_the_bound_of_its_curvature(raced):
    meta, lanes = facts(raced)
    found = {one.lane: one for one in lane_findings(meta)}
    own = [lane for lane in lanes if lane.optimizer == "sgd" and lane.status == "diverged"]
    lowest = min(own, key=lambda lane: lane.lr)
    assert found[lowest.lane].like == lowest.lane
    for lane in own:
        assert found[lane.lane].finding.title == "the rate is above 2 / lambda_max"
        assert found[lane.lane].like == lowest.lane


def test_the_public_summary_has_them(raced):
    rows = ravine.Result(raced).summary()["findings"]
    assert {"lane", "like", "severity", "rung", "title", "measured", "threshold", "source", "where", "remedy"} == rows[0].keys()


def without_diagnoses(raced, tmp_path, *changes):
    """A copy of the record, changed, that has not been diagnosed."""
    path = shutil.copy(raced, tmp_path / "copy.ravine")
    with resume(path) as writer:
        for sql, values in [("DELETE FROM meta WHERE key = ?", (KEY,)), *changes]:
            writer._write(sql, [values])
    return path


def test_where_no_lane_ends_within_the_steps_granted_the_record_alone_speaks(raced, tmp_path, monkeypatch):
    path = without_diagnoses(raced, tmp_path)
    monkeypatch.setattr(_lanes, "FLOOR", 0)
    monkeypatch.setattr(_lanes, "SHARE", 0.0)
    diagnose_lanes(path, load("line"))
    found = lane_findings(facts(path)[0])
    assert {one.like for one in found} == {None}
    assert {one.finding.title for one in found} <= {"the rate is too high", "it breaks at every rate this low that was tried"}


def test_the_lane_that_is_looked_into_ends_within_the_steps_granted(raced, tmp_path, monkeypatch):
    lost = [lane for lane in facts(raced)[1] if lane.status == "diverged" and lane.optimizer == "sgd"]
    soonest = min(lost, key=lambda lane: (_lanes._end(lane), lane.lr, lane.lane))
    assert _lanes._end(soonest) < _lanes._end(min(lost, key=lambda lane: lane.lr))
    monkeypatch.setattr(_lanes, "SHARE", 0.0)
    monkeypatch.setattr(_lanes, "FLOOR", _lanes._end(soonest))
    path = without_diagnoses(raced, tmp_path)
    diagnose_lanes(path, load("line"))
    assert {one.like for one in lane_findings(facts(path)[0]) if one.lane in {lane.lane for lane in lost}} == {soonest.lane}


def test_a_lane_that_was_culled_while_broken_has_a_finding_and_one_in_good_health_has_none(raced, tmp_path):
    lost = [lane.lane for lane in facts(raced)[1] if lane.status == "diverged" and lane.optimizer == "sgd"]
    sql = "UPDATE lanes SET status = 'culled', diverged_at = NULL, steps_done = 12, reason = ? WHERE lane = ?"
    broken = "at 3 % of the horizon its loss was 7.4, from 2.3 at the start"
    well = "at 10 % of the horizon it was number 5 of 12 rates, of which 4 went on"
    path = without_diagnoses(raced, tmp_path, (sql, (broken, lost[0])), (sql, (well, lost[1])))
    diagnose_lanes(path, load("line"))
    found = {one.lane: one for one in lane_findings(facts(path)[0])}
    assert lost[1] not in found
    assert found[lost[0]].finding.title == "the rate is above 2 / lambda_max"
    assert f"culled at step 12: {broken}" in found[lost[0]].finding.measured
    alone = diagnose_lane(path, lost[0])
    assert alone[0].title == "the rate is above 2 / lambda_max"
    assert alone.rung("curve").measured == "the lane was culled at step 12"


def test_a_task_that_raises_now_leaves_the_record_as_the_witness(raced, tmp_path):
    path = shutil.copy(raced, tmp_path / "copy.ravine")
    with resume(path) as writer:
        writer._write("DELETE FROM meta WHERE key = ?", [(KEY,)])

    def broken():
        raise RuntimeError("no model today")

    task = load("line")
    object.__setattr__(task, "model", broken)
    diagnose_lanes(path, task)
    assert {one.like for one in lane_findings(facts(path)[0])} == {None}


def test_a_race_under_way_and_one_that_was_diagnosed_are_left_alone(raced, monkeypatch):
    monkeypatch.setattr(_lanes, "resume", lambda path: pytest.fail("was written again"))
    diagnose_lanes(raced, load("line"))


def test_a_diverged_lane_is_reproduced_to_the_bit_and_examined(raced):
    _, lanes = facts(raced)
    lane = next(lane for lane in lanes if lane.optimizer == "sgd" and lane.status == "diverged")
    found = diagnose_lane(raced, lane.lane)
    assert found.task["replay"]["is_same"], found.task["replay"]["sentence"]
    assert found[0].title == "the rate is above 2 / lambda_max"
    assert found.rung("rate").verdict == "fail"
    assert found.rung("loading").verdict == "skipped"
    assert found.rung("curve").measured.startswith("the lane diverged at step")
    assert found.has_errors


def test_a_lane_that_went_well_has_no_error(raced):
    _, lanes = facts(raced)
    lane = next(lane for lane in lanes if lane.optimizer == "sgd" and lane.status == "done")
    found = diagnose_lane(raced, lane.lane)
    assert found.task["replay"]["is_same"], found.task["replay"]["sentence"]
    assert not found.has_errors
    assert found.rung("rate").verdict == "pass"
    assert found.rung("curve").verdict in ("pass", "warn")


def test_what_cannot_be_reproduced_is_told(raced, tmp_path):
    with pytest.raises(InputError, match=r"--lane 99: .* has no such lane; its lanes are 0 to \d+"):
        diagnose_lane(raced, 99)
    with pytest.raises(InputError, match="other data or other initial weights"):
        diagnose_lane(raced, 0, load("line:noise=0.9"))
    path = shutil.copy(raced, tmp_path / "copy.ravine")
    with resume(path) as writer:
        writer.set_meta("task", facts(path)[0]["task"] | {"reference": None})
    with pytest.raises(InputError, match="was made in Python"):
        diagnose_lane(path, 0)


def test_other_bits_are_told_with_their_step():
    recorded = np.array([1.0, 0.5, np.nan], dtype=np.float32)
    assert as_compared(recorded, recorded.copy(), "native")["is_same"]
    other = recorded.copy()
    other[1] = np.nextafter(other[1], np.float32(1))
    said = as_compared(recorded, other, "native")
    assert (said["is_same"], said["differs_from"]) == (False, 2)
    assert "differs from the record from step 2 of 3 on (by 1e-07 of it)" in said["sentence"]
    assert as_compared(recorded, recorded[:2], "native")["differs_from"] == 3
