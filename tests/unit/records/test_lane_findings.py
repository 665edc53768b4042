"""Diagnoses of lanes: kept as JSON, and put together by cause."""

import json

from ravine.records.findings import Finding
from ravine.records.lane_findings import KEY, LaneFinding, lane_findings, together


def finding(title="the rate is too high", where="step 3"):
    return Finding("error", "rate", title, "lr=1", "0.1", "PROTOCOL", where, "Lower it.")


def test_what_is_written_is_read():
    found = [LaneFinding(3, finding(), 3), LaneFinding(4, finding(), 3), LaneFinding(7, finding(), None)]
    meta = {KEY: json.loads(json.dumps([one.as_json() for one in found], allow_nan=False))}
    assert lane_findings(meta) == found
    assert meta[KEY][0]["lane"] == 3
    assert meta[KEY][0]["rung"] == "rate"


def test_a_record_from_before_has_none():
    assert lane_findings({}) == []


def test_lanes_of_one_cause_stand_together_under_the_one_that_was_looked_into():
    found = [LaneFinding(4, finding(where="step 2"), 5), LaneFinding(5, finding(), 5), LaneFinding(6, finding("other"), 5)]
    groups = together(found)
    assert [(one.lane, lanes) for one, lanes in groups] == [(5, [4, 5]), (6, [6])]


def test_lanes_that_nobody_looked_into_stand_together_only_where_all_is_alike():
    found = [LaneFinding(1, finding()), LaneFinding(2, finding()), LaneFinding(3, finding(where="step 9"))]
    assert [lanes for _, lanes in together(found)] == [[1, 2], [3]]
