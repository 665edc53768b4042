"""A tile's run: blocks, marks, divergence, and being stopped."""

import numpy as np
import pytest

from lane_models import STACKED, fleet, lanes
from ravine.fleet import Diverged, Evaluated, Evaluations, Finished, LossBlock, Past, Saved, Snapshots, Started, tile_run


def run(engine, members, steps, at=(), past=None):
    evaluations = Evaluations({"validation": frozenset(at)}, {"validation": engine.task.data.validation})
    return engine.run(members, steps, evaluations, STACKED, past or Past())


def blocks(events):
    return [(event.first_step, len(event.losses)) for event in events if isinstance(event, LossBlock)]


def joined(events):
    return np.concatenate([event.losses for event in events if isinstance(event, LossBlock)])


def test_marks_are_every_evaluation_and_the_last_step():
    assert Evaluations({"a": frozenset({0, 3}), "b": frozenset({3, 5})}, {}).marks(9) == [0, 3, 5, 9]


def test_long_stretches_are_cut_and_the_cut_changes_no_bit(monkeypatch):
    monkeypatch.setattr(tile_run, "BLOCK_S", 1e6)
    whole = list(run(fleet("linear"), lanes(("adam", {})), 60, at=(0, 50)))
    assert blocks(whole) == [(0, 16), (16, 32), (48, 2), (50, 10)]
    monkeypatch.setattr(tile_run, "FIRST_BLOCK", 1)
    monkeypatch.setattr(tile_run, "BLOCK_S", 0.0)
    single = list(run(fleet("linear"), lanes(("adam", {})), 60, at=(0, 50)))
    assert blocks(single) == [(step, 1) for step in range(60)]
    assert np.array_equal(joined(whole), joined(single))
    assert [event.values["loss"].tolist() for event in whole if isinstance(event, Evaluated)] == [
        event.values["loss"].tolist() for event in single if isinstance(event, Evaluated)
    ]


def test_a_lane_that_diverges_does_so_at_the_same_step_wherever_the_cuts_are(monkeypatch):
    found = []
    for first in (1, 7, 64):
        monkeypatch.setattr(tile_run, "FIRST_BLOCK", first)
        events = list(run(fleet("linear"), lanes(("sgd", {"lr": 1e200}), ("sgd", {"lr": 0.1})), 30))
        (end,) = [event for event in events if isinstance(event, Diverged)]
        found.append((end, joined(events).tobytes()))
    assert found[0] == found[1] == found[2]


def test_once_every_lane_has_ended_no_step_is_taken():
    events = list(run(fleet("linear"), lanes(("sgd", {"lr": 1e200})), 200, at=(100, 200)))
    assert blocks(events)[-1][0] + blocks(events)[-1][1] < 100
    assert [np.isnan(event.values["loss"]).all() for event in events if isinstance(event, Evaluated)] == [True, True]
    assert isinstance(events[-1], Finished)


def test_a_run_that_is_asked_to_end_saves_its_tile_first(tmp_path):
    snapshots = Snapshots(tmp_path / "s", "race")
    events = []
    snapshots.is_ending = lambda: len(events) >= 2
    with pytest.raises(KeyboardInterrupt):
        events.extend(run(fleet("linear"), lanes(("adam", {})), 60, past=Past(snapshots)))
    assert [type(event) for event in events] == [Started, LossBlock, Saved]
    assert events[-1].step == 16
    assert snapshots.commit(events[-1])
    assert snapshots.find([0]).header["step"] == 16


def test_a_module_that_cannot_be_saved_is_not(tmp_path, monkeypatch):
    monkeypatch.setattr("ravine.fleet.tiles.Tile.is_savable", False)
    snapshots = Snapshots(tmp_path / "s", "race", 0.0)
    events = list(run(fleet("linear"), lanes(("adam", {})), 60, past=Past(snapshots)))
    assert not any(isinstance(event, Saved) for event in events)
