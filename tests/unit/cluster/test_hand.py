"""A worker's side of a cluster: what it does with snapshots, without a cluster."""

import dataclasses
import threading
import time
from pathlib import Path

from lane_models import lanes
from ravine.base.errors import TaskError
from ravine.cluster import ship
from ravine.cluster.hand import Gone, Hand, HandLine, Hello, Shipped
from ravine.cluster.shipping import versions
from ravine.fleet import Evaluations, Finished, Fleet, LossBlock, Remark, Rungs, Saved, Snapshots, Started, fingerprint
from ravine.fleet.serving import Job, Stage
from ravine.tasks import load

LINE = load("line")
MEMBERS = tuple(lanes(("sgd", {"lr": 0.01}), ("adam", {"lr": 0.01})))
STEPS = 40


def stage(folder=None, **options):
    evaluate = Evaluations({"validation": frozenset({0, 10, STEPS})}, {"validation": LINE.data.validation})
    return Stage(0, STEPS, evaluate, None if folder is None else Snapshots(folder, "0123456789", 0.0), **options)


def shipment():
    return ship(LINE, fingerprint(LINE))


def heard(hand, until):
    """Everything that is told up to an event of a type; a worker that has ended tells no more."""
    found = []
    while not any(isinstance(word, until | Gone) for word in found):
        found += hand.hear()
    assert any(isinstance(word, until) for word in found), found
    return found


def test_it_greets_runs_a_tile_and_sends_its_snapshots(tmp_path, monkeypatch):
    monkeypatch.setattr("ravine.fleet.snapshot.COST_SHARE", 1.0)
    hand = Hand(shipment(), 0)
    hand.tell(stage(tmp_path / "of-the-record"))
    hand.tell(Job(MEMBERS, "stacked"))
    words = heard(hand, Finished)
    assert isinstance(words[0], Hello)
    assert words[0].versions == versions()
    drafts = [word for word in words if isinstance(word, Shipped)]
    assert drafts
    assert not (tmp_path / "of-the-record").exists(), "that folder may be on another machine"
    assert not any(Path(draft.saved.draft).exists() for draft in drafts), "what was sent is not kept"
    hand.tell(None)
    words = heard(hand, Gone)
    assert not Path(drafts[0].saved.draft).parent.exists()


def test_events_are_gathered_until_one_that_is_waited_for(monkeypatch):
    hand, said = Hand(shipment(), 0), [Remark(f"word {number}") for number in range(5)]
    assert isinstance(hand.hear()[0], Hello)
    monkeypatch.setattr("ravine.cluster.hand.GATHER_S", 60.0)

    def speak():
        for word in [*said, None]:
            time.sleep(0.01)
            hand._line.outbox.put(word)

    threading.Thread(target=speak, daemon=True).start()
    assert hand.hear() == [*said, None]
    hand.tell(None)
    heard(hand, Gone)


def test_a_tile_goes_on_from_the_snapshot_that_comes_with_it(tmp_path):
    plain = Fleet(LINE)
    snapshots, saved = Snapshots(tmp_path / "s", "0123456789", 0.0), []
    engine = stage(tmp_path / "s")
    for event in plain.run_tile(MEMBERS, STEPS, engine.evaluations, "stacked", snapshots):
        if isinstance(event, Saved) and not saved:
            snapshots.commit(event)
            saved.append(event)
    hand = Hand(shipment(), 0)
    hand.tell(dataclasses.replace(engine))
    hand.tell(Job(MEMBERS, "stacked"), snapshots.file([lane.number for lane in MEMBERS]).read_bytes())
    words = heard(hand, Finished)
    assert min(word.first_step for word in words if isinstance(word, LossBlock)) == saved[0].step > 0
    hand.tell(None)
    heard(hand, Gone)


def test_a_task_that_cannot_be_opened_is_told():
    wrong = dataclasses.replace(shipment(), parcel=dataclasses.replace(shipment().parcel, fingerprint=b"other"))
    words = heard(Hand(wrong, 0), Gone)
    assert [type(word) for word in words] == [Hello, TaskError, Gone]
    assert "on another machine, task 'line' has other data" in str(words[1])


def test_a_line_keeps_a_snapshot_only_where_a_tile_waits_on_the_disk(tmp_path):
    for parks in (False, True):
        line = HandLine()
        line.inbox.put((stage(tmp_path / "x", rungs=Rungs((10,), parks=parks)), None))
        assert line.poll()
        snapshots = line.recv().snapshots
        assert not line.poll()
        assert snapshots.folder != tmp_path / "x"
        saved = next(
            event
            for event in Fleet(LINE).run_tile(
                MEMBERS, STEPS, stage().evaluations, "stacked", Snapshots(snapshots.folder, snapshots.race, 0.0)
            )
            if isinstance(event, Saved)
        )
        line.send(saved)
        assert isinstance(line.outbox.get(), Shipped)
        kept = snapshots.find(saved.lanes)
        assert (kept is not None) is parks
        line.send(Finished(saved.lanes, 1.0))
        assert list(snapshots.folder.glob("*")) == []
        line.clear()
        assert not snapshots.folder.exists()


def test_without_snapshots_nothing_lies_on_the_disk():
    line = HandLine()
    given = stage()
    line.inbox.put((given, None))
    assert line.recv() is given
    for event in (Started((1,), "stacked"), Remark("word")):
        line.send(event)
        assert line.outbox.get() is event
    line.clear()
