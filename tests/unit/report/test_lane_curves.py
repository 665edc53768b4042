import base64

import numpy as np
import pytest

from ravine.records import LaneRow, create, open_record
from ravine.report import read_facts
from ravine.report.lane_curves import Window, lane_curves, loss_bands, whole_window

STEPS = 2500
SPIKE = 1777


def floats(text):
    return np.frombuffer(base64.b64decode(text), "<f4")


def wholes(text):
    return np.frombuffer(base64.b64decode(text), "<u2").astype(int)


@pytest.fixture(scope="module")
def record(tmp_path_factory):
    """Four lanes: two that end, one with a spike of one step, and one that diverges at step 600."""
    path = tmp_path_factory.mktemp("curves") / "race.ravine"
    values = np.linspace(3, 1, STEPS, dtype=np.float32)[:, None] * np.array([1, 2, 1.5], dtype=np.float32)
    values[SPIKE, 1] = 99
    broken = np.full(600, 7, dtype=np.float32)
    broken[-1] = np.nan
    with create(path) as writer:
        writer.add_lanes(
            [LaneRow(lane=number, stage="tune", optimizer=name, lr=0.1, schedule="constant", seed=0) for number, name in enumerate("aabb")]
        )
        writer.add_losses([0, 1, 2], 0, values)
        writer.add_losses([3], 0, broken[:, None])
        writer.finish_lanes([0, 1, 2], steps_done=STEPS, seconds=1.0)
        writer.mark_diverged(3, 600, "the loss is not finite")
        writer.finish_lanes([3], steps_done=600, seconds=1.0)
        writer.set_meta("protocol", {"steps": STEPS})
    with open_record(path) as opened:
        yield opened


@pytest.mark.parametrize("columns", [1, 7, 100, 1249])
def test_a_spike_of_one_step_stays_at_any_width(record, columns):
    found = lane_curves(record, [1], Window(0, STEPS, columns))
    assert found["is_exact"] == [False]
    assert found["counts"][0] <= 2 * columns + 2
    steps, values = wholes(found["steps"]), floats(found["values"])
    assert values[steps == SPIKE].tolist() == [99]
    assert np.array_equal(values, record.losses(1)[steps]), "every point is a loss that was recorded, at its own step"
    assert (steps[0], steps[-1]) == (0, STEPS - 1)


def test_a_narrow_range_has_every_loss_and_says_so(record):
    found = lane_curves(record, [0, 1], Window(1700, 1900, 100))
    assert found["is_exact"] == [True, True]
    assert found["first"] == [1700, 1700]
    assert found["counts"] == [200, 200]
    assert found["steps"] == ""
    assert np.array_equal(floats(found["values"])[200:], record.losses(1)[1700:1900])


def test_lanes_may_be_asked_for_in_full(record):
    found = lane_curves(record, [0, 1], Window(0, STEPS, 10), exact=[1])
    assert found["is_exact"] == [False, True]
    assert found["counts"][1] == STEPS


def test_thinned_steps_count_from_the_start_of_the_range(record):
    found = lane_curves(record, [1], Window(1500, 2000, 5))
    steps = wholes(found["steps"])
    assert SPIKE - 1500 in steps
    assert steps.max() < 500


def test_a_loss_that_is_not_finite_is_named_and_a_lane_that_has_ended_is_left_out(record):
    assert lane_curves(record, [3], Window(0, STEPS, 10))["broken"] == [599]
    assert lane_curves(record, [0, 3], Window(1000, 2000, 10))["lanes"] == [0]


def test_bands_hold_every_spike_and_count_the_lanes_that_run(record):
    facts = read_facts(record)
    found = loss_bands(record, facts, ["a", "b"], Window(0, STEPS, 50))
    assert [(band["entrant"], band["group"]) for band in found["bands"]] == [(0, "other"), (1, "other")]
    assert found["steps"][0] == 49
    assert found["steps"][-1] == STEPS - 1
    first, second = found["bands"]
    column = next(place for place, step in enumerate(found["steps"]) if step >= SPIKE)
    assert floats(first["high"])[column] == 99
    assert floats(first["high"]).argmax() == column
    both = np.array([record.losses(0), record.losses(1)])[:, found["steps"]]
    assert np.allclose(floats(first["median"]), np.median(both, axis=0))
    assert second["count"][0] == 2
    assert second["count"][-1] == 1
    # Of two lanes one has diverged: the middle of a finite and an infinite loss is none.
    assert np.isfinite(floats(second["median"])).sum() == sum(step < 599 for step in found["steps"])
    assert np.isfinite(floats(second["high"])).all()


def test_bands_of_a_narrow_range_are_exact(record):
    found = loss_bands(record, read_facts(record), ["a", "b"], Window(SPIKE - 5, SPIKE + 5, 50))
    assert found["steps"] == list(range(SPIKE - 5, SPIKE + 5))
    assert floats(found["bands"][0]["high"])[5] == 99
    assert np.isnan(floats(found["bands"][1]["median"])).all(), "half of its lanes have diverged before"


def test_the_whole_is_what_was_planned_or_what_there_is(record, tmp_path):
    assert whole_window(read_facts(record), columns=9) == Window(0, STEPS, 9)
    create(tmp_path / "a.ravine").close()
    with open_record(tmp_path / "a.ravine") as begun:
        facts = read_facts(begun)
        assert whole_window(facts, columns=9).stop == 1
        assert whole_window(facts, columns=9, recorded=30).stop == 30
        assert loss_bands(begun, facts, [], whole_window(facts, columns=9))["bands"] == []
        assert lane_curves(begun, [1], whole_window(facts, columns=9))["lanes"] == []
