"""The final in waves: when it ends, what the record says of it, and that a given number of seeds is run as ever."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from ravine.fleet import Choice, Fleet
from ravine.race.plan import make_plan
from ravine.race.running import run_race
from ravine.race.stage import Silent
from ravine.records import ALPHA, open_record
from ravine.tasks import Task

STREAM = torch.Generator().manual_seed(0)
X = torch.randn(60, 3, generator=STREAM)
Y = X @ torch.tensor([[1.0], [-2.0], [0.5]]) + 0.1 * torch.randn(60, 1, generator=STREAM)
TASK = Task("tiny", lambda: nn.Linear(3, 1), (X[:40], Y[:40]), (X[40:50], Y[40:50]), F.mse_loss, test=(X[50:], Y[50:]), batch_size=8)


@pytest.fixture(autouse=True)
def by_hand(monkeypatch):
    """How lanes run is decided by the clock; here it is four at a time."""
    monkeypatch.setattr(Fleet, "calibrate", lambda self, lanes, steps, evaluated=0: Choice("stacked", 4, "by hand", {}, 1.0))


class Noted(Silent):
    """Remembers stages and notes."""

    def __init__(self):
        self.stages, self.notes = [], []

    def stage(self, name, entries, steps, choice, memory_bytes):
        self.stages.append((name, len(entries), choice.reason))

    def note(self, text):
        self.notes.append(text)


def race(path, **options):
    noted = Noted()
    settings = {"optimizers": ["sgd", "adam"], "steps": 12, "lrs": [0.003, 0.03, 0.1]}
    run_race(make_plan(TASK, **settings | options), path, observer=noted)
    with open_record(path) as record:
        losses = {(lane.optimizer, lane.lr, lane.seed): record.losses(lane.lane) for lane in record.lanes(stage="final")}
        return noted, record.meta, record.ranking(), losses


def test_seeds_come_in_waves_until_the_recommendation_stands(tmp_path):
    noted, meta, ranking, losses = race(tmp_path / "a.ravine", min_seeds=2, max_seeds=12)
    protocol = meta["protocol"]
    looks = protocol["stopping"]["looks"]
    assert [look["seeds"] for look in protocol["stopping"]["planned"]] == [2, 3, 5, 8, 12]
    assert [look["ends"] for look in looks] == [False] * (len(looks) - 1) + [True]
    assert protocol["seeds"] == looks[-1]["seeds"] == ranking[0].steps_to_target.seeds
    assert (protocol["min_seeds"], protocol["max_seeds"]) == (2, 12)
    assert {seed for *_, seed in losses} == set(range(1, protocol["seeds"] + 1))
    assert protocol["stopping"]["ended_because"] == looks[-1]["sentence"]
    assert looks[-1]["sentence"] in meta["notes"]
    assert protocol["stopping"]["alpha_spent"] == sum(look["alpha"] for look in looks) <= ALPHA
    told = [note for note in noted.notes if note.startswith("After ")]
    assert told == [look["sentence"] for look in looks[:-1]], "told as it goes, but only the end is kept beside the ranking"
    assert not any(note.startswith("After ") for note in meta["notes"])
    finals = [(name, lanes) for name, lanes, _ in noted.stages if name.startswith("final")]
    sizes = [4 * new for new in (2, 1, 2, 3, 4)]
    assert finals == [("final", 8), *((f"final {number}", size) for number, size in enumerate(sizes[1:], 2))][: len(looks)]
    assert {reason for name, _, reason in noted.stages if name.startswith("final ")} <= {"as the first seeds were run"}
    assert len(looks) > 1
    assert set(protocol["engine"]) >= {"tune", "final", "final 2"}


def test_a_seed_is_the_same_run_in_a_wave_and_without(tmp_path):
    _, meta, _, waves = race(tmp_path / "a.ravine", min_seeds=2, max_seeds=12)
    _, fixed, _, losses = race(tmp_path / "b.ravine", seeds=meta["protocol"]["seeds"])
    assert waves.keys() == losses.keys()
    # Tiles hold other lanes, so the last digits may differ.
    assert all(waves[key] == pytest.approx(run, rel=1e-5) for key, run in losses.items())
    assert (fixed["protocol"]["stopping"], fixed["protocol"]["min_seeds"], fixed["protocol"]["max_seeds"]) == (None, None, None)


def test_an_entrant_against_itself_ends_early(tmp_path):
    """Same times, known to an evaluation: a few seeds rule out that more of them would lean one way."""
    noted, meta, ranking, _ = race(tmp_path / "a.ravine", optimizers=["sgd", "sgd"], min_seeds=3, max_seeds=20)
    assert meta["protocol"]["seeds"] == 8
    assert ranking[0].tied_with
    assert meta["protocol"]["stopping"]["ended_because"].startswith("The final ended after 8 of at most 20 seeds: sgd")
    assert [name for name, *_ in noted.stages] == ["tune", "final", "final 2", "final 3"]


def test_an_interrupted_final_says_how_far_it_came(tmp_path):
    class Interrupting(Noted):
        def stage(self, name, entries, steps, choice, memory_bytes):
            if name == "final 2":
                raise KeyboardInterrupt

    plan = make_plan(TASK, optimizers=["sgd", "adam"], steps=12, lrs=[0.003, 0.03, 0.1], min_seeds=2, max_seeds=12)
    with pytest.raises(KeyboardInterrupt):
        run_race(plan, tmp_path / "a.ravine", observer=Interrupting())
    with open_record(tmp_path / "a.ravine") as record:
        protocol = record.meta["protocol"]
    assert (protocol["seeds"], len(protocol["stopping"]["looks"]), protocol["stopping"]["ended_because"]) == (3, 1, None)
