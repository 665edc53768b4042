"""Whole races on tiny tasks."""

import dataclasses
import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from ravine.base.errors import DataError, InputError, RecordError, TaskError
from ravine.race import finals
from ravine.race.plan import make_plan
from ravine.race.running import find_device, run_race
from ravine.race.stage import Silent
from ravine.records import open_record
from ravine.tasks import Task

STREAM = torch.Generator().manual_seed(0)
X = torch.randn(48, 3, generator=STREAM)
Y = X @ torch.tensor([[1.0], [-2.0], [0.5]]) + 0.1 * torch.randn(48, 1, generator=STREAM)
RATES = (0.003, 0.03, 0.1)


def model():
    return nn.Linear(3, 1)


def task(**options):
    given = {"train": (X[:32], Y[:32]), "validation": (X[32:40], Y[32:40]), "test": (X[40:], Y[40:]), "loss": F.mse_loss, "batch_size": 8}
    return Task("tiny", model, **given | options)


def race(path, problem=None, *, observer=None, **options):
    """Run a small race and read its record."""
    settings = {"optimizers": ["sgd", "adam"], "steps": 12, "seeds": 2, "lrs": RATES}
    run_race(make_plan(problem or task(), **settings | options), path, observer=observer)
    return Facts(path)


class Facts:
    """A record read as a whole."""

    def __init__(self, path):
        with open_record(path) as record:
            self.meta, self.lanes, self.ranking = record.meta, record.lanes(), record.ranking()
            self.losses = {lane.lane: record.losses(lane.lane) for lane in self.lanes}
            self.curves = {
                (lane.lane, split): record.curve(lane.lane, split, "loss") for lane in self.lanes for split in ("validation", "test")
            }

    def of(self, stage):
        return [lane for lane in self.lanes if lane.stage == stage]


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    return race(tmp_path_factory.mktemp("race") / "a.ravine")


def test_a_race_is_tuned_and_run_on_fresh_seeds_and_ranked(small):
    assert small.meta["status"] == "done"
    assert {(lane.optimizer, lane.lr, lane.seed) for lane in small.of("tune")} == {(o, lr, 0) for o in ("sgd", "adam") for lr in RATES}
    assert {lane.seed for lane in small.of("final")} == {1, 2}, "no seed that was tuned on is ranked on"
    assert all(len({lane.lr for lane in small.of("final") if lane.optimizer == optimizer}) == 2 for optimizer in ("sgd", "adam"))
    assert sorted(entrant.optimizer for entrant in small.ranking) == ["adam", "sgd"]
    assert small.meta["recommendation"]["optimizer"] == small.ranking[0].optimizer == "sgd"
    assert [lane.status for lane in small.lanes] == ["done"] * len(small.lanes)


def test_two_runs_of_a_race_give_the_same_numbers(small, tmp_path):
    again = race(tmp_path / "b.ravine")
    assert [dataclasses.replace(lane, seconds=None, mode=None) for lane in again.lanes] == [
        dataclasses.replace(lane, seconds=None, mode=None) for lane in small.lanes
    ]
    # Modes are chosen by the clock, so the numbers agree to rounding, not by the bit.
    for number, losses in small.losses.items():
        assert losses == pytest.approx(again.losses[number], rel=1e-4)
    assert [(entrant.optimizer, entrant.lr) for entrant in again.ranking] == [(entrant.optimizer, entrant.lr) for entrant in small.ranking]


def test_another_race_seed_gives_other_numbers(small, tmp_path):
    other = race(tmp_path / "b.ravine", race_seed=1)
    assert all(losses[0] != other.losses[number][0] for number, losses in small.losses.items())


def test_every_entrant_of_a_seed_starts_from_the_same_evaluation(small):
    for stage, split in (("tune", "validation"), ("final", "test")):
        starts = {}
        for lane in small.of(stage):
            starts.setdefault(lane.seed, set()).add(float(small.curves[lane.lane, split][1][0]))
        # Stacked lanes may round the same weights differently in the last digits.
        assert all(max(values) - min(values) < 1e-6 for values in starts.values())
        assert len(starts) == (1 if stage == "tune" else 2)


def test_tuning_looks_at_validation_and_the_final_at_the_test_split(small):
    grid = small.meta["protocol"]["evaluation_steps"]
    for lane in small.lanes:
        steps = {split: small.curves[lane.lane, split][0].tolist() for split in ("validation", "test")}
        assert steps == ({"validation": grid, "test": []} if lane.stage == "tune" else {"validation": [12], "test": grid})


def test_the_budget_counts_every_gradient(small):
    protocol = small.meta["protocol"]
    assert protocol["gradients_by_optimizer"] == {"sgd": (3 + 4) * 12, "adam": (3 + 4) * 12}
    assert protocol["budget_gradients"] == 2 * 7 * 12
    assert all(len(losses) == 12 for losses in small.losses.values())


def test_the_record_says_how_each_stage_was_run(small):
    assert set(small.meta["protocol"]["engine"]) == {"tune", "final"}
    for engine in small.meta["protocol"]["engine"].values():
        assert engine["mode"] in ("loop", "fused", "stacked", "compiled", "native")
        assert engine["reason"]
        assert engine["memory_bytes"] > 0


def test_gradients_that_estimate_the_curvature_are_counted(tmp_path):
    facts = race(tmp_path / "a.ravine", optimizers=["sgd", "sophia_h"], steps=10, seeds=1)
    spent = facts.meta["protocol"]["gradients_by_optimizer"]
    assert spent["sophia_h"] == round(1.2 * spent["sgd"])


def test_a_winner_at_the_end_of_its_grid_extends_it(tmp_path):
    facts = race(tmp_path / "a.ravine", optimizers=["adam"], lrs=None, steps=4, seeds=1)
    grid = facts.meta["protocol"]["lr_grids"]["adam"]
    assert len(grid) in (12, 14)
    refined = facts.meta["protocol"]["search"]["refined"]["adam"]
    assert len(facts.of("tune")) == len(grid) + len(refined) == len(grid) + 2
    assert ("extend" in facts.meta["protocol"]["engine"]) == (len(grid) == 14)


def test_an_optimizer_raced_against_itself_is_a_tie(tmp_path):
    facts = race(tmp_path / "a.ravine", optimizers=["adam", "adam"], seeds=3)
    assert {(entrant.optimizer, *entrant.tied_with) for entrant in facts.ranking} == {("adam", "adam#2"), ("adam#2", "adam")}
    first, second = ([lane for lane in facts.lanes if lane.optimizer == label] for label in ("adam", "adam#2"))
    for one, other in zip(first, second, strict=True):
        assert facts.losses[one.lane] == pytest.approx(facts.losses[other.lane], rel=1e-5)


def test_a_race_that_every_lane_loses_still_ends_with_a_record(tmp_path):
    facts = race(tmp_path / "a.ravine", optimizers=["sgd", "momentum"], lrs=[1e20, 1e25])
    assert facts.meta["status"] == "done"
    assert all(lane.status == "diverged" and lane.reason for lane in facts.lanes)
    assert facts.meta["recommendation"]["optimizer"] is None
    assert [entrant.final.mean for entrant in facts.ranking] == [None, None]
    assert {lane.lr for lane in facts.of("final")} == {1e20}, "the lowest rate stands in"
    spent = facts.meta["protocol"]["gradients_by_optimizer"]
    assert spent["sgd"] == sum(lane.diverged_at for lane in facts.lanes if lane.optimizer == "sgd")


class Interrupting(Silent):
    """Presses Ctrl-C in the middle of the final."""

    def __init__(self):
        self.is_final = False

    def stage(self, name, entries, steps, choice, memory_bytes):
        self.is_final = name == "final"

    def event(self, event):
        if self.is_final and type(event).__name__ == "LossBlock" and event.first_step >= 4:
            raise KeyboardInterrupt


def test_an_interrupted_race_leaves_a_record_that_says_so(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        race(tmp_path / "a.ravine", observer=Interrupting())
    facts = Facts(tmp_path / "a.ravine")
    assert facts.meta["status"] == "interrupted"
    assert facts.ranking == []
    assert len(facts.of("tune")) == 6
    assert all(lane.status == "done" for lane in facts.of("tune"))
    assert facts.meta["wall_s"] > 0
    protocol = facts.meta["protocol"]
    assert set(protocol["engine"]) == {"tune", "final"}
    assert protocol["budget_gradients"] >= 6 * 12 + 4, "what was spent until then"


def test_a_race_that_fails_says_so(tmp_path, monkeypatch):
    # A defect of ours keeps its own traceback.
    monkeypatch.setattr(finals, "rank", None)
    with pytest.raises(TypeError):
        race(tmp_path / "a.ravine")
    assert Facts(tmp_path / "a.ravine").meta["status"] == "failed"


def test_an_existing_record_is_kept_unless_forced(tmp_path):
    path = tmp_path / "a.ravine"
    race(path, steps=2)
    with pytest.raises(RecordError):
        race(path, steps=3)
    assert Facts(path).meta["protocol"]["steps"] == 2
    run_race(make_plan(task(), optimizers=["sgd"], steps=3, seeds=1, lrs=[0.1]), path, existing="replace")
    assert Facts(path).meta["protocol"]["steps"] == 3


def test_a_task_without_a_test_split_is_cut_in_two_and_says_so(tmp_path):
    facts = race(tmp_path / "a.ravine", task(test=None))
    assert any("no test split" in note for note in facts.meta["notes"])
    split = facts.meta["protocol"]["split"]
    assert (split["validation"], split["test"]) == (4, 4)
    assert "half" in split["ranked_on"]


class Peeking(nn.Linear):
    """A forward that reads a value out of a tensor."""

    def forward(self, x):
        return super().forward(x) * (1.0 if self.bias.sum().item() < 1e9 else 2.0)


def test_a_model_that_cannot_be_stacked_runs_and_says_so(tmp_path, small):
    facts = race(tmp_path / "a.ravine", dataclasses.replace(task(), model=lambda: Peeking(3, 1)))
    notes = [note for note in facts.meta["notes"] if "one after the other" in note]
    assert len(notes) == 1
    assert ".item()" in notes[0]
    assert {lane.mode for lane in facts.lanes} <= {"loop", "fused"}
    for number, losses in small.losses.items():
        assert losses == pytest.approx(facts.losses[number], rel=1e-4), "with the numbers that it would have had"


def test_a_shared_rate_is_not_tuned_and_recommends_nothing(tmp_path):
    facts = race(tmp_path / "a.ravine", lrs=None, shared_lr=0.01)
    assert {lane.stage for lane in facts.lanes} == {"final"}
    assert {lane.lr for lane in facts.lanes} == {0.01}
    assert facts.meta["recommendation"]["optimizer"] is None
    assert facts.meta["protocol"]["shared_lr"] == 0.01
    assert facts.meta["protocol"]["tuning_seed"] is None
    assert [entrant.at_grid_edge for entrant in facts.ranking] == [False, False]


CLASSES = torch.arange(48) % 2


def noise_task(signal):
    """Two classes from three numbers: told apart by the first one, or by nothing."""
    x = X + signal * CLASSES.view(-1, 1)
    splits = {"train": (x[:32], CLASSES[:32]), "validation": (x[32:40], CLASSES[32:40]), "test": (x[40:], CLASSES[40:])}
    return Task("classes", zero_classifier, loss=F.cross_entropy, batch_size=8, **splits)


def zero_classifier():
    layer = nn.Linear(3, 2)
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


def test_lanes_too_slow_to_leave_the_start_have_not_diverged(tmp_path):
    """All start at ln 2, the loss of a constant output, and rates this small leave them there."""
    facts = race(tmp_path / "a.ravine", noise_task(3.0), optimizers=["sgd"], lrs=[1e-9, 1e-8])
    assert all(abs(facts.curves[lane.lane, "test"][1][-1] - math.log(2)) < 1e-3 for lane in facts.of("final"))
    assert all(lane.status == "done" for lane in facts.of("final"))
    assert facts.ranking[0].final.mean == pytest.approx(math.log(2), rel=1e-3)


class Dying(nn.Module):
    """A classifier that a large rate kills: its one hidden unit dies and the output stays constant."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(3, 1, bias=False)

    def forward(self, x):
        score = F.relu(1.0 - self.layer.weight.square().sum()) * self.layer(x)
        return torch.cat([score, -score], dim=1)


def test_a_lane_that_falls_silent_is_recorded_as_diverged_and_its_steps_as_spent(tmp_path):
    facts = race(
        tmp_path / "a.ravine", dataclasses.replace(noise_task(3.0), model=Dying), optimizers=["sgd"], lrs=[0.1, 3.0], steps=40, seeds=1
    )
    low, high = facts.of("tune")
    assert low.status == "done"
    assert (high.status, high.reason[:8]) == ("diverged", "silently")
    assert high.steps_done == 40
    assert {lane.lr for lane in facts.of("final")} == {0.1}
    assert facts.ranking[0].diverges_at_lr == 3.0
    assert facts.meta["protocol"]["budget_gradients"] == 3 * 40


def test_ranking_by_a_metric_of_the_users(tmp_path):
    def accuracy(output, target):
        return (output.argmax(-1) == target).float().mean()

    problem = dataclasses.replace(noise_task(5.0), metrics={"accuracy": accuracy}, rank_by="accuracy")
    facts = race(tmp_path / "a.ravine", problem, optimizers=["sgd"], lrs=[1e-9, 0.1], steps=150)
    assert facts.ranking[0].final.metric == "accuracy"
    assert facts.ranking[0].lr == 0.1
    assert facts.ranking[0].final.mean > 0.9


def test_costs_count_weight_gradient_and_slots(small):
    held = {entrant.optimizer: entrant.bytes_per_parameter for entrant in small.ranking}
    assert held == {"sgd": 8.0, "adam": 16.0}
    assert all(entrant.seconds_per_step > 0 for entrant in small.ranking)


@pytest.mark.parametrize(("given", "found"), [("cpu", "cpu"), ("auto", "cuda" if torch.cuda.is_available() else "cpu")])
def test_a_device_by_name(given, found):
    assert find_device(given) == found


@pytest.mark.parametrize("given", ["gpu", "" if torch.cuda.is_available() else "cuda"])
def test_a_device_that_is_not_there(given):
    with pytest.raises(InputError, match="device="):
        find_device(given)


def test_bad_workers_are_refused_before_a_record_is_made(tmp_path):
    with pytest.raises(InputError):
        run_race(make_plan(task(), steps=2), tmp_path / "a.ravine", workers=0)
    assert not (tmp_path / "a.ravine").exists()


def test_losses_are_finite_numbers(small):
    assert all(np.isfinite(losses).all() for losses in small.losses.values())


class Late(nn.Linear):
    """Raises after some calls, as a user's model does on rare data."""

    calls = 0

    def forward(self, x):
        Late.calls += 1
        if Late.calls > 200:
            raise RuntimeError("rare data.")
        return super().forward(x)


def test_an_error_of_the_user_s_code_in_mid_race_is_one_sentence(tmp_path):
    Late.calls = 0
    x = torch.rand(32, 1)
    task = Task("late", lambda: Late(1, 1), (x, x), (x, x), nn.functional.mse_loss, batch_size=8)
    message = r"^task 'late' raised RuntimeError at line \d+ of .*test_running.py during the race: rare data\. The record .* holds"
    with pytest.raises(TaskError, match=message):
        run_race(make_plan(task, optimizers=["sgd"], steps=100, seeds=2), tmp_path / "a.ravine")
    with open_record(tmp_path / "a.ravine") as record:
        assert record.meta["status"] == "failed"


def test_a_validation_split_that_cannot_be_cut_leaves_no_record(tmp_path):
    x = torch.rand(8, 1)
    task = Task("one", lambda: nn.Linear(1, 1), (x, x), (x[:1], x[:1]), nn.functional.mse_loss)
    with pytest.raises(DataError):
        run_race(make_plan(task, optimizers=["sgd"], steps=2, seeds=2), tmp_path / "a.ravine")
    assert list(tmp_path.iterdir()) == []
