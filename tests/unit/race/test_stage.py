"""From events to the record and to traces."""

import numpy as np
import pytest

from ravine.fleet import Culled, Diverged, Evaluated, Finished, LossBlock, Remark, Saved, Started
from ravine.race.stage import Entry, Scribe, Silent, Trace, seconds_per_step
from ravine.records import LaneRow, create, open_record


def row(number, optimizer="sgd"):
    return LaneRow(lane=number, stage="tune", optimizer=optimizer, lr=0.1, schedule="constant", seed=0)


class Noted(Silent):
    """An observer that remembers events."""

    def __init__(self):
        self.events = []

    def event(self, event):
        self.events.append(event)


EVENTS = [
    Started((0, 1), "stacked"),
    Evaluated((0, 1), 0, "validation", {"loss": np.array([2.0, 2.0]), "accuracy": np.array([0.1, 0.1])}),
    LossBlock((0, 1), 0, np.array([[2.0, 2.0], [1.5, 3.0]], dtype=np.float32)),
    Diverged(1, 3, "its loss was nan"),
    LossBlock((0, 1), 2, np.array([[1.0, np.nan], [0.5, np.nan]], dtype=np.float32)),
    LossBlock((0, 1), 4, np.array([[0.4, np.nan]], dtype=np.float32)),
    Evaluated((0, 1), 5, "validation", {"loss": np.array([0.3, np.nan]), "accuracy": np.array([0.9, np.nan])}),
    Finished((0, 1), 4.0),
]


@pytest.fixture
def done(tmp_path):
    noted = Noted()
    with create(tmp_path / "a.ravine") as writer:
        scribe = Scribe(writer, noted)
        scribe.begin([Entry(row(0), None), Entry(row(1), None)])
        for event in EVENTS:
            scribe.take(event)
    with open_record(tmp_path / "a.ravine") as record:
        yield scribe, record, noted


def test_lanes_end_in_the_record_as_they_did(done):
    _, record, _ = done
    healthy, lost = record.lanes()
    assert (healthy.status, healthy.steps_done, healthy.seconds, healthy.mode) == ("done", 5, 2.5, "stacked")
    assert (lost.status, lost.diverged_at, lost.reason, lost.steps_done) == ("diverged", 3, "its loss was nan", 3)


def test_lanes_of_a_tile_end_all_at_once_wherever_an_interrupt_strikes(tmp_path, monkeypatch):
    with create(tmp_path / "a.ravine") as writer:
        calls, finish = [], writer.finish_lanes
        monkeypatch.setattr(writer, "finish_lanes", lambda lanes, **facts: (calls.append((lanes, facts)), finish(lanes, **facts)))
        scribe = Scribe(writer, Noted())
        scribe.begin([Entry(row(0), None), Entry(row(1), None)])
        for event in EVENTS:
            scribe.take(event)
    assert calls == [((0, 1), {"steps_done": [5, 3], "seconds": [2.5, 1.5]})], "time is shared by steps"


def test_a_lane_has_a_loss_for_every_step_that_it_took_and_for_no_other(done):
    _, record, _ = done
    assert record.losses(0).tolist() == pytest.approx([2.0, 1.5, 1.0, 0.5, 0.4])
    losses = record.losses(1)
    assert losses[:2].tolist() == [2.0, 3.0]
    assert len(losses) == 3
    assert np.isnan(losses[2])


def test_traces_hold_curves(done):
    scribe, _, _ = done
    trace = scribe.traces[0]
    steps, values = trace.curve("validation", "loss")
    assert (steps.tolist(), values.tolist()) == ([0, 5], [2.0, 0.3])
    assert trace.last("validation", "accuracy") == 0.9
    assert np.isnan(scribe.traces[1].last("validation", "loss"))
    assert np.isnan(trace.last("test", "loss")), "never evaluated there"
    assert (trace.steps_done, scribe.traces[1].steps_done) == (5, 3)


def test_the_observer_sees_every_event(done):
    assert done[2].events == EVENTS


def test_a_silent_divergence_is_marked_afterwards_and_keeps_the_steps_taken(done, tmp_path):
    with create(tmp_path / "b.ravine") as writer:
        scribe = Scribe(writer, Silent())
        scribe.begin([Entry(row(0), None), Entry(row(1), None)])
        for event in EVENTS:
            scribe.take(event)
        scribe.diverged(0, 2, "silently")
        writer.flush()
        with open_record(tmp_path / "b.ravine") as record:
            lane = record.lanes()[0]
    assert (lane.status, lane.diverged_at, lane.steps_done) == ("diverged", 2, 5)
    assert scribe.traces[0].steps_done == 5


def test_a_step_costs_the_mean_of_the_lanes_that_finished():
    traces = {
        0: Trace(row(0), steps_done=10, seconds=2.0),
        1: Trace(row(1), steps_done=10, seconds=4.0),
        2: Trace(row(2), steps_done=1, seconds=9.0, diverged_at=1),
        3: Trace(row(3, "adam"), steps_done=1, seconds=9.0, diverged_at=1),
    }
    assert seconds_per_step(traces) == {"sgd": pytest.approx(0.3)}


class Ordered:
    """Snapshots that look at the record whenever they are told something."""

    def __init__(self, path):
        self.path, self.seen = path, []

    def look(self, what):
        with open_record(self.path) as record:
            self.seen.append((what, len(record.losses(0)), record.lanes()[0].status))

    def commit(self, saved):
        self.look("commit")

    def discard(self, lanes):
        self.look("discard")


def test_a_snapshot_becomes_valid_after_its_record_and_ends_after_its_lanes(tmp_path):
    path, noted = tmp_path / "a.ravine", Noted()
    snapshots = Ordered(path)
    with create(path) as writer:
        scribe = Scribe(writer, noted, snapshots)
        scribe.begin([Entry(row(0), None)])
        scribe.take(Started((0,), "loop"))
        scribe.take(LossBlock((0,), 0, np.ones((3, 1), dtype=np.float32)))
        scribe.take(Saved((0,), 3, "draft"))
        scribe.take(Finished((0,), 1.0))
    assert snapshots.seen == [("commit", 3, "running"), ("discard", 3, "done")]


def test_a_remark_is_a_note(tmp_path):
    notes = []

    class Noting(Silent):
        def note(self, text):
            notes.append(text)

    with create(tmp_path / "a.ravine") as writer:
        Scribe(writer, Noting()).take(Remark("so"))
    assert notes == ["so"]


def test_a_value_that_is_not_finite_reads_as_the_record_keeps_it(tmp_path):
    with create(tmp_path / "a.ravine") as writer:
        scribe = Scribe(writer, Silent())
        scribe.begin([Entry(row(0), None)])
        scribe.take(Evaluated((0,), 0, "test", {"loss": np.array([np.inf])}))
    assert np.isnan(scribe.traces[0].last("test", "loss"))


def test_a_culled_lane_ends_at_its_rung_and_is_no_failure(tmp_path):
    events = [
        Started((0, 1), "stacked"),
        LossBlock((0, 1), 0, np.ones((2, 2), dtype=np.float32)),
        Evaluated((0, 1), 2, "validation", {"loss": np.array([0.5, 0.7])}),
        Culled((1,), 2, ("it was number 2 of 2",)),
        LossBlock((0, 1), 2, np.array([[1.0, np.nan]] * 6, dtype=np.float32)),
        Evaluated((0, 1), 8, "validation", {"loss": np.array([0.1, np.nan])}),
        Finished((0, 1), 5.0),
    ]
    with create(tmp_path / "a.ravine") as writer:
        scribe = Scribe(writer, Silent())
        scribe.begin([Entry(row(0), None), Entry(row(1), None)])
        for event in events:
            scribe.take(event)
    with open_record(tmp_path / "a.ravine") as record:
        lane = record.lanes()[1]
        assert (lane.status, lane.steps_done, lane.culled_at, lane.diverged_at, lane.seconds) == ("culled", 2, 2, None, 1.0)
        assert lane.reason == "it was number 2 of 2"
        assert len(record.losses(1)) == 2
        assert record.curve(1, "validation", "loss")[0].tolist() == [2]
    assert scribe.traces[1].last("validation", "loss") == 0.7
    assert (scribe.traces[1].ended_at, scribe.traces[0].ended_at) == (2, None)
    assert seconds_per_step(scribe.traces) == {"sgd": 0.5}, "of the lane that went on"
