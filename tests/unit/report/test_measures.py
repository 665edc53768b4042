import base64

import numpy as np
import pytest

import records_fixture
from ravine.records import create, open_record
from ravine.report import read_facts
from ravine.report.measures import band_of, lane_evaluations, measures

NAN = np.nan


def numbers(text):
    return np.frombuffer(base64.b64decode(text), "<f4")


@pytest.mark.parametrize(
    ("worst_is_high", "median"),
    [(True, [2, 3, NAN]), (False, [2, 1, NAN]), (None, [2, NAN, NAN])],
    ids=["lower is better", "higher is better", "not known"],
)
def test_a_lane_without_a_value_counts_as_the_worst(worst_is_high, median):
    values = np.array([[1, 1, NAN], [2, 3, NAN], [3, np.inf, 7]], dtype=float)
    middle, low, high = band_of(values, worst_is_high=worst_is_high)
    assert np.array_equal(middle, median, equal_nan=True)
    assert np.array_equal(low, [1, 1, 7], equal_nan=True)
    assert np.array_equal(high, [3, 3, 7], equal_nan=True)


@pytest.fixture(scope="module")
def record(tmp_path_factory):
    path = tmp_path_factory.mktemp("measures") / "race.ravine"
    records_fixture.write(path, optimizers=("sgd", "adam", "wild"), seeds=3)
    with open_record(path) as opened:
        yield opened


def test_the_metric_that_ranks_comes_first_and_has_every_entrant(record):
    facts = read_facts(record)
    found = measures(record, facts)
    assert [(one["split"], one["metric"]) for one in found] == [
        ("test", "loss"),
        ("test", "accuracy"),
        ("validation", "accuracy"),
        ("validation", "loss"),
    ]
    assert found[0]["steps"] == list(records_fixture.STEPS)
    assert [band["entrant"] for band in found[0]["bands"]] == [0, 1, 2]
    best = facts.ranking[0]
    rows = np.array([records_fixture.curve(best.optimizer, best.lr, seed) for seed in (1, 2, 3)])
    assert np.allclose(numbers(found[0]["bands"][0]["median"]), np.median(rows, axis=0))
    assert np.allclose(numbers(found[0]["bands"][0]["high"]), rows.max(axis=0))
    (wild,) = (place for place, entrant in enumerate(facts.ranking) if entrant.optimizer == "wild")
    assert np.isfinite(numbers(found[0]["bands"][wild]["median"])).sum() == 4, "the curve ends where all have diverged"


def test_evaluations_of_lanes_stand_on_their_steps(record):
    lanes = [lane.lane for lane in record.lanes(stage="final", optimizer="adam")][:2]
    found = lane_evaluations(record, lanes, "test", "loss")
    assert found["lanes"] == lanes
    values = numbers(found["values"]).reshape(2, len(found["steps"]))
    assert np.allclose(values[1], record.curve(lanes[1], "test", "loss")[1])
    assert lane_evaluations(record, lanes, "nowhere", "loss") == {"lanes": [], "steps": [], "values": ""}


def test_before_there_is_a_ranking_there_is_nothing(tmp_path):
    create(tmp_path / "a.ravine").close()
    with open_record(tmp_path / "a.ravine") as begun:
        assert measures(begun, read_facts(begun)) == []
