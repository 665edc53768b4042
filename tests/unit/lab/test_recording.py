import numpy as np
import pytest

from ravine.lab.course import Course
from ravine.lab.curves import make_subject
from ravine.lab.recording import record_race
from ravine.lab.settings import PRESET
from ravine.records import open_record

RATES = {"adam": 0.01, "sgd": 0.1}


def raced(tmp_path, rates, *counts, **given):
    setting = {**PRESET, "width": 4, "steps": 30, "task_options": {"target": "sine"}, **given}
    course = Course(make_subject(setting, None, ()), rates, setting)
    stretches = [course.begin(), *(course.advance(count) for count in counts)]
    path = tmp_path / "page.ravine"
    assert record_race(course, stretches, str(path), 3.0) == "page.ravine"
    return np.concatenate([stretch.losses for stretch in stretches]), open_record(path)


def test_a_whole_race_is_ranked_and_recommends_nothing(tmp_path):
    losses, record = raced(tmp_path, RATES, 7, 100)
    with record:
        meta = record.meta
        assert (meta["status"], meta["recommendation"]["optimizer"], meta["protocol"]["shared_lr"]) == ("done", None, None)
        assert any("One seed supports no recommendation" in note for note in meta["notes"])
        assert {entrant.optimizer: entrant.lr for entrant in record.ranking()} == RATES
        np.testing.assert_array_equal(record.losses(0), losses[:, 0])
        assert [lane.mode for lane in record.lanes()] == ["stacked", "stacked"]


def test_a_race_under_way_is_kept_as_far_as_it_went(tmp_path):
    _, record = raced(tmp_path, {"adam": 0.01, "sgd": 0.01}, 12)
    with record:
        assert (record.meta["status"], record.meta["protocol"]["shared_lr"]) == ("interrupted", 0.01)
        assert [lane.steps_done for lane in record.lanes()] == [12, 12]
        assert any("kept at step 12 of 30" in note for note in record.meta["notes"])


@pytest.mark.parametrize("counts", [(100,), (3, 100)])
def test_a_race_whose_lanes_all_diverged_is_over(tmp_path, counts):
    _, record = raced(tmp_path, {"sgd": 1e6}, *counts)
    with record:
        assert record.meta["status"] == "done"
        assert [lane.status for lane in record.lanes()] == ["diverged"]
