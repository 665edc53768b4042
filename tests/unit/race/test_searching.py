"""The tuning stage as a whole: rungs, what they leave in the record, and what follows them."""

import math
from collections import Counter
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from ravine.fleet import Choice, Fleet
from ravine.race.plan import make_plan
from ravine.race.running import run_race
from ravine.race.searching import Searching
from ravine.race.stage import Silent, Trace, pace_of
from ravine.records import open_record
from ravine.tasks import Task

STREAM = torch.Generator().manual_seed(0)
X = torch.randn(100, 3, generator=STREAM)
Y = X @ torch.tensor([[1.0], [-2.0], [0.5]]) + 0.1 * torch.randn(100, 1, generator=STREAM)
TASK = Task("tiny", lambda: nn.Linear(3, 1), (X[:60], Y[:60]), (X[60:80], Y[60:80]), F.mse_loss, test=(X[80:], Y[80:]), batch_size=10)


class Facts:
    """A record read as a whole."""

    def __init__(self, path):
        with open_record(path) as record:
            self.meta, self.lanes, self.ranking = record.meta, record.lanes(), record.ranking()
            self.losses = {lane.lane: record.losses(lane.lane) for lane in self.lanes}
            self.curves = {lane.lane: record.curve(lane.lane, "validation", "loss") for lane in self.lanes}

    def tuned(self):
        return {(lane.optimizer, lane.lr): lane for lane in self.lanes if lane.stage == "tune"}

    def final(self):
        return {(lane.optimizer, lane.lr, lane.seed): lane for lane in self.lanes if lane.stage == "final"}


def race(path, mode="stacked", observer=None, task=TASK, **options):
    settings = {"optimizers": ["sgd", "adam"], "steps": 150, "seeds": 2} | options
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Fleet, "calibrate", lambda self, lanes, steps, evaluated=0: Choice(mode, 8, "by hand", {}, 1.0))
        run_race(make_plan(task, **settings), path, observer=observer)
    return Facts(path)


class Noted(Silent):
    def __init__(self):
        self.stages, self.culled = [], []

    def stage(self, name, entries, steps, choice, memory_bytes):
        self.stages.append((name, len(entries)))

    def event(self, event):
        if type(event).__name__ == "Culled":
            self.culled.append((event.step, len(event.lanes)))


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    folder, noted = tmp_path_factory.mktemp("both"), Noted()
    return race(folder / "a.ravine", observer=noted), race(folder / "b.ravine", exhaustive=True), noted


def test_culled_lanes_have_the_bits_of_the_exhaustive_race_up_to_their_rung_and_end_there(both):
    halved, whole, _ = both
    rungs = {rung["step"]: rung["share"] for rung in halved.meta["protocol"]["search"]["rungs"]}
    assert rungs == {15: 0.1, 49: 0.33}
    culled = 0
    for key, lane in halved.tuned().items():
        other = whole.tuned().get(key)
        if lane.status == "culled":
            culled += 1
            assert lane.steps_done == lane.culled_at in rungs
            assert f"at {100 * rungs[lane.culled_at]:.0f} % of the horizon" in lane.reason
            assert lane.diverged_at is None
            assert len(halved.losses[lane.lane]) == lane.steps_done
            assert halved.curves[lane.lane][0][-1] == lane.steps_done
        elif other is not None:
            assert (lane.status, lane.steps_done) == (other.status, other.steps_done), "who goes on does so to the end of its schedule"
        if other is not None:
            ours, theirs = halved.losses[lane.lane], whole.losses[other.lane]
            # Tiles of other lanes: the same up to rounding.
            assert ours == pytest.approx(theirs[: len(ours)], rel=1e-4)
    assert culled >= 12
    assert not any(lane.status == "culled" for lane in whole.lanes)


def test_the_final_is_that_of_the_exhaustive_race(both):
    halved, whole, _ = both
    shared = halved.final().keys() & whole.final().keys()
    assert len(shared) >= 4
    for key in shared:
        assert halved.losses[halved.final()[key].lane] == pytest.approx(whole.losses[whole.final()[key].lane], rel=1e-4)


def test_the_budget_is_what_was_spent(both):
    for facts in both[:2]:
        protocol = facts.meta["protocol"]
        assert protocol["budget_gradients"] == sum(lane.steps_done for lane in facts.lanes)
        assert protocol["gradients_by_optimizer"]["sgd"] == sum(lane.steps_done for lane in facts.lanes if lane.optimizer == "sgd")
    tuned = [sum(lane.steps_done for lane in facts.tuned().values()) for facts in both[:2]]
    assert tuned[0] < 0.65 * tuned[1]


def test_the_best_rate_is_refined_at_full_length(both):
    for facts in both[:2]:
        for optimizer, refined in facts.meta["protocol"]["search"]["refined"].items():
            assert len(refined) == 2
            assert math.log10(refined[1] / refined[0]) == pytest.approx(0.4)
            assert all(facts.tuned()[optimizer, lr].steps_done == 150 for lr in refined if facts.tuned()[optimizer, lr].status == "done")
            assert not set(refined) & set(facts.meta["protocol"]["lr_grids"][optimizer])


def test_an_observer_hears_of_stages_and_culls(both):
    assert [name for name, _ in both[2].stages if name != "extend"] == ["tune", "refine", "final"]
    assert dict(both[2].stages)["tune"] == 24
    assert [step for step, _ in both[2].culled] == [15, 49]


def test_lanes_one_at_a_time_are_culled_alike(both, tmp_path):
    facts = race(tmp_path / "a.ravine", mode="loop", optimizers=["sgd"])
    ours = {key: (lane.status, lane.steps_done) for key, lane in facts.tuned().items()}
    assert ours == {key: (lane.status, lane.steps_done) for key, lane in both[0].tuned().items() if key[0] == "sgd"}
    times = [lane.seconds / lane.steps_done for lane in facts.lanes if lane.status == "done"]
    assert max(times) < 50 * min(times)


def test_rates_of_the_users_own_are_halved_and_not_refined(tmp_path):
    facts = race(tmp_path / "a.ravine", optimizers=["sgd"], lrs=[10.0**-k for k in range(8)])
    assert {lane.status for lane in facts.tuned().values()} >= {"culled", "done"}
    assert facts.meta["protocol"]["search"]["refined"] == {}
    few = race(tmp_path / "b.ravine", optimizers=["sgd"], lrs=[0.1, 0.03, 0.01])
    assert {lane.status for lane in few.lanes} == {"done"}
    assert few.meta["protocol"]["search"]["rungs"] == []


def test_a_batch_size_that_starts_slower_is_not_culled_by_another_that_starts_faster():
    """A smaller batch takes more steps over the same rows, so at a rung every lane of it may lead, and none at the end."""
    plan = make_plan(TASK, optimizers=["sgd"], steps=160, tune=["batch_size"], configurations=4)
    entries = [plan.entrants[0].entry("tune", n, setting, 0) for n, setting in enumerate(plan.entrants[0].settings())]
    grid = np.array(plan.evaluation_steps)
    traces = {}
    for entry in entries:
        head_start = 1.0 / entry.row.hypers.get("batch_size", 10)
        losses = {int(step): 2.0 - head_start - entry.row.lane / 1e4 - step / 1e6 for step in grid}
        traces[entry.row.lane] = Trace(entry.row, {"validation": {"loss": losses}})
    searching = Searching(plan, SimpleNamespace(traces=traces))
    sizes = Counter(entry.row.hypers.get("batch_size", 10) for entry in entries)
    assert len(sizes) > 1
    for rung in plan.rungs[1:]:
        for size in sizes:
            own = [entry for entry in entries if entry.row.hypers.get("batch_size", 10) == size]
            pace = pace_of(own[0].row, 10)
            judged = searching.judge(entries, own, pace)
            left = {entry.row.lane for entry in own}
            for at in plan.rungs:
                left -= set(judged(pace.own(at.step))) if at.step <= rung.step else set()
            assert len(left) >= sizes[size] // rung.part, "of each size a part goes on"
            assert max(entry.row.lane for entry in own) in left, "with the best of its own"


def test_a_horizon_too_short_for_rungs_says_so(tmp_path):
    facts = race(tmp_path / "a.ravine", optimizers=["sgd"], steps=20)
    search = facts.meta["protocol"]["search"]
    assert (search["rungs"], search["without_rungs_at"]) == ([], [0.03, 0.1, 0.33])
    assert not any(lane.status == "culled" for lane in facts.lanes)


class Treacherous(nn.Module):
    """A number on its way from 3 to 0 that meets infinity at a half: the faster, the better at a rung, and the sooner lost."""

    def __init__(self):
        super().__init__()
        self.bias = nn.Parameter(torch.tensor([3.0]))

    def forward(self, x):
        return 0.0 * x[:, :1] + self.bias + torch.where(self.bias < 0.5, torch.inf, 0.0)


def test_where_all_that_went_on_is_lost_the_best_that_was_culled_are_run_after_all(tmp_path):
    zero = torch.zeros(100, 1)
    splits = {"train": (X[:60], zero[:60]), "validation": (X[60:80], zero[60:80]), "test": (X[80:], zero[80:])}
    task = Task("treacherous", Treacherous, loss=F.mse_loss, batch_size=10, **splits)
    facts = race(tmp_path / "a.ravine", task=task, optimizers=["sgd"], lrs=[0.0178 / 1.25**k for k in range(20)])
    first, again = ([lane for lane in facts.lanes if lane.stage == "tune"][part] for part in (slice(20), slice(20, None)))
    assert {lane.status for lane in first if lane.lr > 0.009} == {"diverged"}
    assert {lane.status for lane in first if lane.lr < 0.009} == {"culled"}
    assert sorted(lane.lr for lane in again) == sorted(lane.lr for lane in first if lane.status == "culled")[-2:]
    assert [lane.status for lane in sorted(again, key=lambda lane: lane.lr)] == ["done", "diverged"]
    assert {lane.lr for lane in facts.lanes if lane.stage == "final"} == {min(lane.lr for lane in again)}


def test_lanes_wait_on_the_disk_where_memory_does_not_hold_them(both, tmp_path, monkeypatch):
    monkeypatch.setattr(Fleet, "held", lambda self, lanes, used: None)
    facts = race(tmp_path / "a.ravine")
    assert any("wait on the disk" in note for note in facts.meta["notes"])
    assert facts.meta["protocol"]["engine"]["tune"]["parks"] is True
    for lane, other in zip(facts.lanes, both[0].lanes, strict=True):
        assert (lane.lr, lane.status, lane.steps_done) == (other.lr, other.status, other.steps_done)
        assert np.array_equal(facts.losses[lane.lane], both[0].losses[other.lane], equal_nan=True)
    assert list(tmp_path.iterdir()) == [tmp_path / "a.ravine"]
