"""What is tuned besides the rate: spaces, configurations, equal budgets, and races that tune it."""

import json

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from ravine.base.errors import InputError, PlanError
from ravine.fleet import Choice, Fleet
from ravine.race.entrants import make_entrants
from ravine.race.plan import make_plan
from ravine.race.recipe import make_recipe
from ravine.race.running import run_race
from ravine.race.spaces import DEFAULT_CONFIGURATIONS, HALF_DECADE, as_json, batch_sizes, coarseness, dimensions, with_spaces
from ravine.race.stage import Silent
from ravine.records import open_record
from ravine.tasks import Task, load

LINE = load("line")
STREAM = torch.Generator().manual_seed(0)
X = torch.randn(100, 3, generator=STREAM)
Y = X @ torch.tensor([[1.0], [-2.0], [0.5]]) + 0.1 * torch.randn(100, 1, generator=STREAM)
TASK = Task("tiny", lambda: nn.Linear(3, 1), (X[:60], Y[:60]), (X[60:80], Y[60:80]), F.mse_loss, test=(X[80:], Y[80:]), batch_size=10)


def entrants(*names, tune=("weight_decay", "beta1", "warmup"), **options):
    settings = {"configurations": None, "race_seed": 0, "has_own_rates": False, "task": LINE} | options
    return with_spaces(make_entrants(names, None, None), tune, **settings)


def test_the_first_configuration_is_the_defaults_and_the_rest_differs():
    (adamw,) = entrants("adamw")
    assert len(adamw.tried) == DEFAULT_CONFIGURATIONS == len({configuration.values for configuration in adamw.tried})
    assert adamw.tried[0].values == (("weight_decay", 0.01), ("beta1", 0.9), ("warmup", 0.0))
    assert {configuration.grid for configuration in adamw.tried} == {adamw.grid}
    for name in ("weight_decay", "beta1", "warmup"):
        one = next(one for one in adamw.space if one.name == name)
        values = sorted(dict(configuration.values)[name] for configuration in adamw.tried[1:])
        assert one.low <= values[0] < values[-1] <= one.high
        assert len(set(values)) == 7


def test_points_are_the_same_for_all_that_have_the_same_dimensions_and_follow_the_race_seed():
    adamw, again, adam = entrants("adamw", "adamw", "adam")
    assert adamw.tried == again.tried
    assert [dict(c.values)["beta1"] for c in adam.tried] == [dict(c.values)["beta1"] for c in adamw.tried]
    assert entrants("adamw", race_seed=1)[0].tried[1:] != adamw.tried[1:]
    assert entrants("adamw")[0].tried == adamw.tried


def test_fewer_configurations_are_the_first_ones():
    sixteen, five = entrants("adamw", configurations=16)[0], entrants("adamw", configurations=5)[0]
    assert sixteen.tried[:5] == five.tried
    assert [configuration.values for configuration in entrants("adamw", configurations=1)[0].tried] == [five.tried[0].values]


def test_everyone_has_the_same_budget_in_gradients():
    adamw, sam, sgd = entrants("adamw", "adamw+sam", "sgd", tune=("beta1",))
    assert len(adamw.settings()) == 2 * len(sam.settings()) == len(sgd.settings()) == 96
    assert sam.tried == adamw.tried[:4]


def test_who_has_nothing_to_tune_has_a_finer_grid_of_rates():
    sgd, _ = entrants("sgd", "adam", tune=("beta1",), configurations=4)
    rates = [setting.lr for setting in sgd.settings()]
    assert all(setting.values == () for setting in sgd.settings())
    assert np.diff(np.log10(sorted(rates))) == pytest.approx(0.125)
    assert sgd.tried[2].grid == pytest.approx([lr * HALF_DECADE**0.5 for lr in sgd.grid])
    given = make_entrants(["sgd", "adam"], [0.1, 0.2], None)
    own, _ = with_spaces(given, ["beta1"], configurations=8, race_seed=0, has_own_rates=True, task=LINE)
    assert [setting.lr for setting in own.settings()] == [0.1, 0.2], "rates that the user gave are left alone"


def test_batch_sizes_are_powers_of_two_around_the_task_s_own_and_repeats_have_a_finer_grid():
    assert batch_sizes(64, 1000) == (16, 32, 64, 128, 256)
    assert batch_sizes(64, 200) == (16, 32, 64, 128)
    assert batch_sizes(6, 6) == (3, 6)
    assert batch_sizes(7, 7) == (7,)
    assert (LINE.rows_per_step, LINE.data.sizes["train"]) == (20, 100)
    (sgd,) = entrants("sgd", tune=("batch_size",))
    assert sgd.tried[0].values == (("batch_size", 20),)
    assert {dict(configuration.values)["batch_size"] for configuration in sgd.tried} <= {5, 10, 20, 40, 80}
    assert len(sgd.tried) == 8
    assert len(set(sgd.settings())) == 96, "of equal points none is the same as another"
    assert (coarseness([sgd], 20), coarseness(make_entrants(["sgd"], None, None), 20)) == (4, 1)


def test_the_record_s_form_says_what_each_has_and_lacks():
    found = as_json(entrants("adam", "sgd"), ["lr", "weight_decay", "beta1", "warmup"])
    assert found["tuned"] == ["lr", "weight_decay", "beta1", "warmup"]
    assert found["optimizers"]["sgd"]["without"] == ["beta1"]
    assert found["optimizers"]["adam"]["dimensions"]["beta1"] == {"low": 0.5, "high": 0.98, "scale": "log of 1 - x", "default": 0.9}
    assert (found["optimizers"]["adam"]["rates"], len(found["optimizers"]["adam"]["configurations"])) == (96, 8)
    assert as_json(entrants("adam"), ()) is None
    json.dumps(found, allow_nan=False)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"tune": ["bta1"]}, "no hyper of those raced that can be tuned is called 'bta1'; did you mean 'beta1'"),
        (
            {"tune": ["beta1"], "optimizers": ["sgd", "lars"]},
            "is called 'beta1'; known: batch_size, eps, lr, momentum, warmup, weight_decay",
        ),
        ({"tune": ["alpha"], "optimizers": ["rmsprop"]}, "--tune alpha: there is no declared range"),
        ({"tune": "lr,beta1"}, "tune='lr,beta1': must be a list of names. Write ['lr', 'beta1']"),
        ({"tune": 3}, "tune=3: must be a list of names"),
        ({"tune": []}, "--tune names nothing"),
        ({"tune": ["beta1", "beta1"]}, "--tune names beta1 more than once"),
        ({"tune": ["beta1"], "shared_lr": 0.1}, "--tune has no effect with --shared-lr"),
        ({"configurations": 4}, "--configurations 4 has no effect without --tune"),
        ({"tune": ["lr"], "configurations": 4}, "--configurations 4 has no effect without --tune"),
        ({"tune": ["beta1"], "configurations": 0}, "configurations=0"),
    ],
)
def test_what_cannot_be_tuned_is_one_problem(options, said):
    with pytest.raises(PlanError, match=r"^[^\n]*$") as caught:
        make_plan(LINE, **{"optimizers": ["sgd", "adam"]} | options)
    assert len(caught.value.problems) == 1
    assert said in caught.value.problems[0]


def test_the_rate_alone_is_what_is_tuned_anyway():
    plain, named = make_plan(LINE), make_plan(LINE, tune=["lr"])
    assert (named.tune, named.entrants) == ((), plain.entrants)


def test_every_optimiser_can_be_tuned_in_the_warm_up():
    assert all("warmup" in dimensions(entrant) for entrant in make_entrants(["sgd", "muon+clip", "prodigy"], None, None))


class Broken(Silent):
    def __init__(self, after):
        self.left = after

    def event(self, event):
        self.left -= 1
        if not self.left:
            raise KeyboardInterrupt


def race(path, observer=None, existing="resume", **options):
    settings = {"optimizers": ["sgd", "adam", "adam", "adamw+sam"], "steps": 60, "seeds": 2, "tune": ["weight_decay", "beta1", "warmup"]}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Fleet, "calibrate", lambda self, lanes, steps, evaluated=0: Choice("stacked", 64, "by hand", {}, 1.0))
        plan = make_plan(TASK, **settings | {"configurations": 4} | options)
        run_race(plan, path, existing=existing, observer=observer, snapshot_s=0.0)


@pytest.fixture(scope="module")
def record(tmp_path_factory):
    path = tmp_path_factory.mktemp("tuned") / "a.ravine"
    race(path)
    with open_record(path) as record:
        yield record


def test_every_setting_is_a_lane_of_the_record(record):
    space = record.meta["protocol"]["search_space"]["optimizers"]
    refined = record.meta["protocol"]["search"]["refined"]
    for label, number in (("sgd", 48), ("adam", 48), ("adamw+sam", 24)):
        lanes = [lane for lane in record.lanes(stage="tune", optimizer=label) if lane.lr not in refined[label]]
        assert len(lanes) >= number
        assert {tuple(lane.value(name) for name in space[label]["dimensions"]) for lane in lanes} == {
            tuple(values.values()) for values in space[label]["configurations"]
        }
    assert {lane.status for lane in record.lanes(stage="tune")} >= {"culled", "done"}
    assert any("lanes, of which" in (lane.reason or "") for lane in record.lanes())


def test_nobody_spends_more_on_the_grid_than_the_others(record):
    grid = {}
    for lane in record.lanes(stage="tune")[: 48 * 3 + 24]:
        grid[lane.optimizer] = grid.get(lane.optimizer, 0) + lane.steps_done * (2 if lane.optimizer == "adamw+sam" else 1)
    assert max(grid.values()) < 1.5 * min(grid.values())


def test_the_final_runs_two_settings_and_the_ranking_has_the_better(record):
    for entrant in record.ranking():
        lanes = record.lanes(stage="final", optimizer=entrant.optimizer)
        names = list(record.meta["protocol"]["search_space"]["optimizers"][entrant.optimizer]["dimensions"])
        settings = {(lane.lr, *(lane.value(name) for name in names)) for lane in lanes}
        assert (len(lanes), len(settings)) == (4, 2)
        assert list(entrant.hypers) == names
        assert (entrant.lr, *entrant.hypers.values()) in settings
        assert [lane.seed for lane in lanes if lane.is_set(entrant.lr, entrant.hypers)] == [1, 2]


def test_an_optimiser_against_itself_is_a_tie_of_the_same_settings(record):
    ranked = {entrant.optimizer: entrant for entrant in record.ranking()}
    assert ranked["adam"].hypers == ranked["adam#2"].hypers
    assert "adam#2" in ranked["adam"].tied_with


def test_the_recommendation_and_the_recipe_have_what_was_tuned(record):
    chosen = record.meta["recommendation"]
    best = next(entrant for entrant in record.ranking() if entrant.optimizer == chosen["optimizer"])
    assert chosen["hypers"] == best.hypers
    recipe = make_recipe(record)
    assert recipe.warmup == round(best.hypers["warmup"] * 60)
    assert recipe.hypers.get("l2", recipe.hypers.get("weight_decay")) == best.hypers["weight_decay"]
    assert "warmup" not in recipe.hypers


def test_a_warm_up_is_the_only_difference_of_its_lanes(tmp_path):
    race(tmp_path / "a.ravine", optimizers=["sgd"], tune=["warmup"], configurations=2, lrs=[0.1], seeds=1, steps=200)
    with open_record(tmp_path / "a.ravine") as record:
        default, warmed = record.lanes(stage="tune")
        steps = round(warmed.hypers["warmup"] * 200)
        ours, theirs = record.losses(warmed.lane), record.losses(default.lane)
    assert steps > 1
    assert ours[0] == theirs[0]
    assert ours[1] > theirs[1], "a smaller first step"


@pytest.mark.parametrize("after", [100])
def test_a_race_that_was_broken_off_ends_with_the_same_bits(record, tmp_path, after):
    path = tmp_path / "a.ravine"
    with pytest.raises(KeyboardInterrupt):
        race(path, Broken(after))
    race(path)
    with open_record(path) as other:
        assert [lane.hypers for lane in other.lanes()] == [lane.hypers for lane in record.lanes()]
        assert [lane.status for lane in other.lanes()] == [lane.status for lane in record.lanes()]
        for lane in record.lanes():
            assert other.losses(lane.lane).tobytes() == record.losses(lane.lane).tobytes()
        assert other.meta["recommendation"] == record.meta["recommendation"]


def test_resuming_with_another_space_is_refused(record):
    with pytest.raises(InputError, match="begun with tune="):
        race(record.path, tune=["weight_decay"])
    with pytest.raises(InputError, match="begun with configurations="):
        race(record.path, configurations=2)
