"""Diagnoses under the list of lanes and on the page."""

import csv
import io

import pytest

from ravine.records import open_record, resume
from ravine.records.findings import Finding
from ravine.records.lane_findings import KEY, LaneFinding
from ravine.report import lanes_csv, lanes_text, summary
from ravine.report.lane_diagnoses import numbers
from ravine.report.page import page
from records_fixture import write


@pytest.fixture(scope="module")
def record(tmp_path_factory):
    path = tmp_path_factory.mktemp("record") / "r.ravine"
    write(path)
    with open_record(path) as found:
        lost = [lane.lane for lane in found.lanes() if lane.status == "diverged"][:4]
    finding = Finding("error", "rate", "the rate is too high", "lr=1: <nan>", "0.1", "PROTOCOL", "step 5", "Lower it.")
    with resume(path) as writer:
        writer.set_meta(KEY, [LaneFinding(lane, finding, lost[1]).as_json() for lane in lost])
    with open_record(path) as found:
        yield found, lost


def test_a_cause_stands_once_with_all_its_lanes(record):
    found, lost = record
    text = lanes_text(found)
    assert text.count("the rate is too high (rate)") == 1
    assert f"lane {lost[1]}, " in text
    assert f", and as it lanes {numbers([lost[0], *lost[2:]])}: the rate" in text
    assert "  measured  lr=1: <nan>" in text


def test_json_and_csv_have_them_by_lane(record):
    found, lost = record
    assert [row["lane"] for row in summary(found)["findings"]] == lost
    rows = {int(row["lane"]): row for row in csv.DictReader(io.StringIO(lanes_csv(found)))}
    assert rows[lost[0]]["finding"] == "the rate is too high"
    assert {row["finding"] for number, row in rows.items() if number not in lost} == {""}


def test_the_page_has_them_escaped(record):
    html = page(record[0])
    assert "Why: one lane of each kind was trained again and looked into" in html
    assert "lr=1: &lt;nan&gt;" in html


def test_a_record_without_any_is_shown_as_before(tmp_path):
    path = tmp_path / "r.ravine"
    write(path)
    with open_record(path) as found:
        assert "why lanes diverged" not in lanes_text(found)
        assert summary(found)["findings"] == []
        assert "Why: one lane" not in page(found)


def test_runs_of_numbers_are_drawn_together():
    assert numbers([7]) == "7"
    assert numbers([9, 3, 4, 5]) == "3 to 5, 9"
    assert numbers([1, 2]) == "1, 2"
