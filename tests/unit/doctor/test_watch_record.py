import numpy as np
import pytest

from ravine.base.errors import InputError
from ravine.doctor.loop_log import Looked
from ravine.doctor.sampling import Measured
from ravine.doctor.watch_record import WatchRecord
from ravine.records import open_record


def looked(step):
    nan = float("nan")
    one = Measured([1.0, nan], [1e-3, nan], [True, False], 1, None, None, None, True, False, None, None, False)
    return Looked(step, one, 0.1)


def written(path, **ending):
    record = WatchRecord(path, {"name": "net"}, "Adam", 0.1)
    record.losses([3.0, 2.0])
    record.look(("a", "b"), looked(1))
    record.losses([3.0, 2.0, 1.0])
    record.values(2, "validation", {"loss": 0.5})
    record.finish({"findings": [], "rungs": []}, **{"broken": None, "is_whole": True} | ending)
    return open_record(path)


def test_everything_seen_is_read_back(tmp_path):
    with written(tmp_path / "a.ravine") as record:
        assert record.losses(0).tolist() == [3.0, 2.0, 1.0]
        assert (record.meta["kind"], record.meta["status"]) == ("watch", "done")
        assert record.lanes()[0].steps_done == 3
        norms = record.evaluations(split="gradient norm")
        assert (norms.metric.tolist(), norms.step.tolist()) == (["a"], [1])
        assert record.evaluations(split="validation").value.tolist() == [0.5]


def test_a_run_that_broke_and_did_not_end(tmp_path):
    with written(tmp_path / "a.ravine", broken=(2, "the loss"), is_whole=False) as record:
        lane = record.lanes()[0]
        assert (lane.status, lane.diverged_at, lane.reason) == ("diverged", 3, "not finite: the loss")
        assert record.meta["status"] == "interrupted"


def test_readers_see_a_run_that_goes_on(tmp_path, monkeypatch):
    monkeypatch.setattr("ravine.doctor.watch_record.EVERY_S", 0.0)
    record = WatchRecord(tmp_path / "a.ravine", {"name": "net"}, "Adam", 0.1)
    record.losses(np.ones(5).tolist())
    record.values(4, "validation", {"loss": 0.5})
    with open_record(tmp_path / "a.ravine") as seen:
        assert len(seen.losses(0)) == 5
    record.finish({}, broken=None, is_whole=True)


def test_nothing_is_replaced(tmp_path):
    (tmp_path / "a.ravine").write_text("mine")
    with pytest.raises(InputError, match="never replaced"):
        WatchRecord(tmp_path / "a.ravine", {"name": "net"}, "Adam", 0.1)
    assert (tmp_path / "a.ravine").read_text() == "mine"
