"""What is taken up of a race that was broken off, and what is refused."""

import dataclasses
import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from ravine.base.errors import InputError, RecordError, TaskError
from ravine.fleet import Choice, Culled, Finished, Fleet, LossBlock, Saved
from ravine.race import resuming, running
from ravine.race.plan import make_plan
from ravine.race.resuming import check_same, folder_of
from ravine.race.running import run_race
from ravine.race.stage import Silent
from ravine.records import open_record, resume
from ravine.tasks import Task

STREAM = torch.Generator().manual_seed(0)
X = torch.randn(60, 3, generator=STREAM)
Y = X @ torch.tensor([[1.0], [-2.0], [0.5]]) + 0.1 * torch.randn(60, 1, generator=STREAM)


def model():
    return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))


def with_relu(net):
    net[1] = nn.ReLU()
    return net


TASK = Task("tiny", model, (X[:40], Y[:40]), (X[40:50], Y[40:50]), F.mse_loss, test=(X[50:], Y[50:]), batch_size=8)
OPTIONS = {"optimizers": ["sgd", "adam"], "steps": 12, "seeds": 2, "lrs": [0.01, 1e20]}


@pytest.fixture(autouse=True, scope="module")
def by_hand():
    """How lanes run is decided by the clock; here it is two at a time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Fleet, "calibrate", lambda self, lanes, steps, evaluated=0: Choice("stacked", 2, "by hand", {}, 1.0))
        patch.setattr("ravine.fleet.snapshot.COST_SHARE", 1e9)
        yield


class Noted(Silent):
    """Remembers notes and stages, and breaks off when told to."""

    def __init__(self, breaks=lambda event: False, error=KeyboardInterrupt):
        self.breaks, self.error, self.notes, self.stages, self.events = breaks, error, [], [], []

    def note(self, text):
        self.notes.append(text)

    def stage(self, name, entries, steps, choice, memory_bytes):
        self.stages.append(name)

    def event(self, event):
        self.events.append(event)
        if self.breaks(event):
            raise self.error("broken off")


def race(path, observer=None, task=TASK, snapshot_s=0.0, existing="resume", **options):
    run_race(make_plan(task, **OPTIONS | options), path, existing=existing, observer=observer, snapshot_s=snapshot_s)


def numbers(path):
    with open_record(path) as record:
        lanes = [[getattr(lane, name) for name in lane.__dataclass_fields__ if name != "seconds"] for lane in record.lanes()]
        found = record.evaluations()
        values = [found.lane.tolist(), found.step.tolist(), found.split.tolist(), found.metric.tolist(), found.value.tobytes()]
        losses = [record.losses(lane.lane).tobytes() for lane in record.lanes()]
        ranking = [dataclasses.replace(entrant, seconds_per_step=None) for entrant in record.ranking()]
        return lanes, values, losses, ranking, record.meta["recommendation"], record.meta["status"]


@pytest.fixture(scope="module")
def plain(tmp_path_factory, by_hand):
    path = tmp_path_factory.mktemp("plain") / "a.ravine"
    race(path, existing="keep", snapshot_s=math.inf)
    return numbers(path)


class Break:
    """True at the `count`-th event of a kind."""

    def __init__(self, kind, count):
        self.kind, self.count = kind, count

    def __call__(self, event):
        self.count -= isinstance(event, self.kind)
        return isinstance(event, self.kind) and self.count == 0


BREAKS = [(LossBlock, 1), (Saved, 1), (LossBlock, 9), (Saved, 9), (Finished, 1), (Finished, 2), (Saved, 30), (Finished, 4)]


@pytest.mark.parametrize(("breaks", "error"), [*((breaks, KeyboardInterrupt) for breaks in BREAKS), ((Saved, 9), TaskError)])
def test_a_race_that_was_broken_off_anywhere_ends_as_if_it_had_not_been(tmp_path, plain, breaks, error):
    path = tmp_path / "a.ravine"
    with pytest.raises(error):
        race(path, Noted(Break(*breaks), error))
    with open_record(path) as record:
        assert record.meta["status"] == ("interrupted" if error is KeyboardInterrupt else "failed")
        wall_s = record.meta["wall_s"]
    noted = Noted()
    race(path, noted)
    assert numbers(path) == plain
    with open_record(path) as record:
        assert record.meta["wall_s"] > wall_s, "the time of both"
        assert len(record.meta["resumed"]) == 1
        assert not any("resume" in note or "snapshot" in note for note in record.meta["notes"])
    assert any("lanes were finished before" in note for note in noted.notes)
    assert list(tmp_path.iterdir()) == [path]


def test_without_a_snapshot_the_lanes_under_way_start_over(tmp_path, plain):
    path = tmp_path / "a.ravine"
    with pytest.raises(KeyboardInterrupt):
        race(path, Noted(Break(LossBlock, 20)), snapshot_s=math.inf)
    assert not folder_of(path).exists()
    race(path)
    assert numbers(path) == plain


def test_a_snapshot_ahead_of_the_record_is_not_believed(tmp_path, plain):
    """As after a power cut that took the record's last rows."""
    path = tmp_path / "a.ravine"
    with pytest.raises(KeyboardInterrupt):
        race(path, Noted(Break(Saved, 4)))
    with open_record(path) as record:
        (lanes,) = {tuple(int(lane) for lane in record.steps_recorded())}
    with resume(path) as writer:
        writer.rewind_lanes(lanes, 1)
    noted = Noted()
    race(path, noted)
    assert any("0 of 4 lanes were finished before, and 0 go on from a snapshot" in note for note in noted.notes)
    assert numbers(path) == plain


def test_a_finished_race_is_left_alone(tmp_path, plain):
    path = tmp_path / "a.ravine"
    race(path, existing="keep")
    before = path.read_bytes()
    left = tmp_path / "a.ravine.snapshots"  # by a kill after the record's last word
    left.mkdir()
    noted = Noted()
    race(path, noted)
    assert any("nothing to resume" in note for note in noted.notes)
    assert noted.stages == []
    assert numbers(path) == plain
    assert path.read_bytes() == before
    assert not left.exists()


def test_where_there_is_no_record_the_race_begins_and_says_so(tmp_path, plain):
    noted = Noted()
    race(tmp_path / "a.ravine", noted)
    assert any("no " in note and "to resume" in note for note in noted.notes)
    assert numbers(tmp_path / "a.ravine") == plain


@pytest.fixture(scope="module")
def broken(tmp_path_factory, by_hand):
    path = tmp_path_factory.mktemp("broken") / "a.ravine"
    with pytest.raises(KeyboardInterrupt):
        race(path, Noted(Break(Saved, 2)))
    return path


DIFFERENT = [
    ({"optimizers": ["sgd"]}, r"optimizers=\['sgd', 'adam'\], not \['sgd'\]"),
    ({"steps": 13}, "steps=12, not 13"),
    ({"seeds": 3}, "seeds=2, not 3"),
    ({"lrs": None}, r"lrs=\[\[0.01, 1e\+20\], \[0.01, 1e\+20\]\], not auto"),
    ({"schedule": "cosine"}, "schedule='constant', not 'cosine'"),
    ({"target": 0.5}, "target=auto, not 0.5"),
    ({"race_seed": 1}, "race_seed=0, not 1"),
    ({"exhaustive": True}, "exhaustive=False, not True"),
    ({"task": dataclasses.replace(TASK, batch_size=4)}, "batch_size=8, not 4"),
    ({"task": dataclasses.replace(TASK, name="other")}, "task='tiny', not 'other'"),
    ({"task": dataclasses.replace(TASK, validation=(X[41:50], Y[41:50]))}, "other data or other initial weights"),
    ({"task": dataclasses.replace(TASK, model=lambda: nn.Linear(3, 1))}, "other data or other initial weights"),
    ({"task": dataclasses.replace(TASK, loss=F.l1_loss)}, r"first loss of task 'tiny' is [\d.]+, and was [\d.]+ when .* was changed"),
    ({"task": dataclasses.replace(TASK, model=lambda: with_relu(model()))}, "its model or its loss was changed"),
]


@pytest.mark.parametrize(("options", "message"), DIFFERENT)
def test_other_options_than_before_are_refused_and_nothing_is_lost(broken, options, message):
    before = sorted(path.name for path in folder_of(broken).iterdir())
    with pytest.raises(InputError, match=message):
        race(broken, **options)
    assert sorted(path.name for path in folder_of(broken).iterdir()) == before
    with open_record(broken) as record:
        assert record.meta["status"] == "interrupted"


def test_a_record_without_a_plan_cannot_be_resumed(tmp_path):
    path = tmp_path / "a.ravine"
    with pytest.raises(KeyboardInterrupt):
        race(path, Noted(Break(Saved, 2)))
    with resume(path) as writer:
        writer._write("DELETE FROM meta WHERE key = ?", [("plan",)])
    with pytest.raises(InputError, match="earlier ravine"):
        race(path)


def test_a_record_that_was_killed_before_its_first_sentence_begins_anew(tmp_path, plain):
    from ravine.records import create

    create(tmp_path / "a.ravine").close()
    race(tmp_path / "a.ravine")
    assert numbers(tmp_path / "a.ravine") == plain


def test_a_stage_goes_on_as_it_began_whatever_the_clock_says_now(tmp_path, plain, monkeypatch):
    path = tmp_path / "a.ravine"
    with pytest.raises(KeyboardInterrupt):
        race(path, Noted(lambda event: isinstance(event, LossBlock) and max(event.lanes) > 6))
    monkeypatch.setattr(Fleet, "calibrate", None)
    race(path)
    assert numbers(path) == plain


def test_a_compiled_tile_under_way_needs_a_compiler(tmp_path, monkeypatch):
    monkeypatch.setattr(resuming.shutil, "which", lambda name: None)
    with pytest.raises(InputError, match="no C\\+\\+ compiler is found"):
        resuming._check_compiler(["loop", "compiled"])
    resuming._check_compiler(["loop", "stacked"])


def test_another_machine_is_noted(tmp_path, monkeypatch):
    path = tmp_path / "a.ravine"
    with pytest.raises(KeyboardInterrupt):
        race(path, Noted(Break(Saved, 2)))
    monkeypatch.setattr(running, "environment", lambda fleet: {"platform": "elsewhere"})
    race(path)
    with open_record(path) as record:
        assert any("another machine" in note for note in record.meta["notes"])


def test_a_foreign_file_is_never_resumed(tmp_path):
    (tmp_path / "a.ravine").write_text("mine")
    with pytest.raises(RecordError):
        race(tmp_path / "a.ravine")
    assert (tmp_path / "a.ravine").read_text() == "mine"


def test_a_race_that_replaces_a_record_removes_its_snapshots(tmp_path, plain):
    path = tmp_path / "a.ravine"
    with pytest.raises(KeyboardInterrupt):
        race(path, Noted(Break(Saved, 2)))
    assert folder_of(path).is_dir()
    race(path, existing="replace", snapshot_s=math.inf)
    assert not folder_of(path).exists()
    assert numbers(path) == plain


def test_snapshots_that_cannot_be_written_cost_a_note_and_nothing_else(tmp_path, plain):
    path, noted = tmp_path / "a.ravine", Noted()
    folder_of(path).write_text("in the way")
    race(path, noted)
    assert sum("no snapshot can be written" in note for note in noted.notes) == 1
    assert numbers(path) == plain


def test_an_observer_of_a_resumed_stage_knows_what_was_done(tmp_path):
    path = tmp_path / "a.ravine"
    with pytest.raises(KeyboardInterrupt):
        race(path, Noted(lambda event: isinstance(event, Finished)))
    noted = Noted()
    race(path, noted)
    finished = [lane for event in noted.events if isinstance(event, Finished) for lane in event.lanes]
    assert len(finished) == len(set(finished))
    assert set(range(4)) <= set(finished)


def test_equal_facts_pass_and_floats_are_compared_by_the_bit(tmp_path):
    facts = {"task": "a", "lrs": [[0.1, 0.30000000000000004]], "target": None}
    check_same(dict(facts), facts, tmp_path)
    with pytest.raises(InputError, match=r"target=auto, not 0\.1"):
        check_same(facts, facts | {"target": 0.1}, tmp_path)


def test_first_losses_differ_by_rounding_at_most_and_unknown_ones_tell_nothing(tmp_path):
    for begun, now in ((1.0, 1.0001), (None, 1.0), (1.0, None), (0.0, 1e-9)):
        check_same({"task": "a", "first_loss": begun}, {"task": "a", "first_loss": now}, tmp_path)
    with pytest.raises(InputError, match=r"is 1\.1, and was 1 when"):
        check_same({"task": "a", "first_loss": 1.0}, {"task": "a", "first_loss": 1.1}, tmp_path)


def test_a_tile_that_memory_halves_again_leaves_no_gap(tmp_path, monkeypatch, plain):
    run_part = Fleet._run_part

    def scarce(self, lanes, *settings, **options):
        saved = 0
        for event in run_part(self, lanes, *settings, **options):
            yield event
            saved += isinstance(event, Saved)
            if len(lanes) == 2 and saved == 2:
                raise MemoryError

    monkeypatch.setattr(Fleet, "_run_part", scarce)
    path = tmp_path / "a.ravine"
    with pytest.raises(KeyboardInterrupt):
        race(path, Noted(lambda event: isinstance(event, Saved) and len(event.lanes) == 1 and event.step >= 9))
    # The whole tile's snapshot is behind that of its half.
    assert len(list(folder_of(path).iterdir())) == 2
    race(path)
    lanes, values, losses = numbers(path)[:3]
    assert lanes == plain[0]
    assert values[:4] == plain[1][:4]
    assert [len(column) for column in losses] == [len(column) for column in plain[2]]


RUNGED = {"lrs": [10.0**-k for k in range(1, 10)]}


@pytest.fixture
def early(monkeypatch):
    """Rungs at steps 1 and 4 of 12."""
    monkeypatch.setattr("ravine.race.halving.USEFUL_STEPS", 1)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory, by_hand):
    path = tmp_path_factory.mktemp("culled") / "a.ravine"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ravine.race.halving.USEFUL_STEPS", 1)
        race(path, existing="keep", snapshot_s=math.inf, **RUNGED)
    assert {(lane.status, lane.steps_done) for lane in lanes_of(path)} >= {("culled", 1), ("culled", 4), ("done", 12)}
    return numbers(path)


@pytest.fixture
def culled(early, undisturbed):
    return undisturbed


def lanes_of(path):
    with open_record(path) as record:
        return record.lanes()


@pytest.mark.parametrize(
    "breaks",
    [
        (Culled, 1),
        (Culled, 2),
        (Saved, 1),
        (Saved, 4),
        (Saved, 8),
        (Saved, 20),
        (LossBlock, 2),
        (LossBlock, 30),
        (Finished, 1),
        (Finished, 5),
    ],
)
def test_a_race_broken_off_on_either_side_of_a_rung_decides_again_what_it_had_decided(tmp_path, culled, breaks):
    path = tmp_path / "a.ravine"
    with pytest.raises(KeyboardInterrupt):
        race(path, Noted(Break(*breaks)), **RUNGED)
    noted = Noted()
    race(path, noted, **RUNGED)
    assert numbers(path) == culled
    told = {lane for event in noted.events if isinstance(event, Culled) for lane in event.lanes}
    tuned = {lane.lane for lane in lanes_of(path) if lane.status == "culled"}
    assert told == tuned or "tune" not in noted.stages, "an observer knows of those that were culled before"
    assert list(tmp_path.iterdir()) == [path]


def test_a_race_broken_off_twice_between_rungs(tmp_path, culled):
    path = tmp_path / "a.ravine"
    for breaks in ((Saved, 7), (Saved, 5), (Culled, 2)):
        with pytest.raises(KeyboardInterrupt):
            race(path, Noted(Break(*breaks)), **RUNGED)
    race(path, **RUNGED)
    assert numbers(path) == culled


def test_a_record_from_before_there_were_rungs_ran_every_rate(tmp_path):
    check_same({"task": "a"}, {"task": "a", "exhaustive": True}, tmp_path)
    with pytest.raises(InputError, match="exhaustive=True, not False"):
        check_same({"task": "a"}, {"task": "a", "exhaustive": False}, tmp_path)
