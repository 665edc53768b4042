"""Races on surfaces: rates, settings, seeds, and what is refused."""

import json

import numpy as np
import pytest

from ravine.base.errors import InputError, UnknownNameError
from ravine.surfaces import race
from ravine.surfaces.functions import create
from ravine.surfaces.tuning import GRID


@pytest.fixture(scope="module")
def tuned():
    return race("ravine", ["sgd", "adam"], lr=(1e-3, 3e-2, 0.08, 0.3, 3.0), steps=80)


def test_each_is_shown_at_the_rate_that_a_search_by_hand_finds(tuned):
    for path in tuned.paths:
        rows = [row for row in tuned.tried if row.optimizer == path.optimizer]
        assert [row.lr for row in rows] == list(tuned.grid)
        alone = {row.lr: race("ravine", [path.optimizer], lr=row.lr, steps=80).paths[0] for row in rows}
        assert all(alone[row.lr].steps_to_minimum == row.steps_to_minimum for row in rows)
        inside = {lr: one for lr, one in alone.items() if (np.abs(one.positions) <= [5, 2.5]).all()}
        reached = {lr: one.steps_to_minimum for lr, one in inside.items() if one.steps_to_minimum is not None}
        low = {lr: one.final_height for lr, one in inside.items()}
        assert path.lr == (min(reached, key=lambda lr: (reached[lr], low[lr])) if reached else min(low, key=low.get))
        np.testing.assert_array_equal(path.positions, alone[path.lr].positions)


def test_descent_on_a_quadratic_does_as_theory_says(tuned):
    path = tuned.path("sgd")
    factors = 1 - path.lr * np.array([1.0, 20.0])
    wanted = np.array([-4.0, 1.0]) * factors ** np.arange(81)[:, None]
    np.testing.assert_allclose(path.positions, wanted, atol=1e-12)
    np.testing.assert_allclose(path.heights, 0.5 * (wanted**2 @ [1.0, 20.0]), atol=1e-12)


def test_a_rate_beyond_two_over_the_curvature_diverges():
    found = race("ravine", {"sgd": {"lr": 0.105}, "sgd#2": {"lr": 0.099}}, steps=100)
    assert found.path("sgd").diverged_at is not None
    assert found.path("sgd#2").diverged_at is None
    assert not found.tuned


def test_settings_of_each():
    found = race("bowl", {"momentum": {"lr": 0.05}, "momentum#2": {"lr": 0.05, "momentum": 0.5}, "sgd": {"lr": 0.05}}, steps=30)
    first, second, plain = (path.positions for path in found.paths)
    assert not np.allclose(first, second)
    zero = race("bowl", {"momentum": {"lr": 0.05, "momentum": 0.0}}, steps=30).paths[0].positions
    np.testing.assert_allclose(zero, plain, atol=1e-14)
    assert [path.optimizer for path in found.paths] == ["momentum", "momentum#2", "sgd"]


def test_a_rate_of_ones_own_wins_over_the_shared_one():
    found = race("bowl", {"sgd": {}, "adam": {"lr": 0.7}}, lr=0.1, steps=5)
    assert [path.lr for path in found.paths] == [0.1, 0.7]


def test_seeds_give_a_path_each():
    found = race("bowl", ["sgd", "adam"], lr=0.1, steps=10, noise=1.0, seeds=(3, 1))
    assert [(path.optimizer, path.seed) for path in found.paths] == [("sgd", 3), ("sgd", 1), ("adam", 3), ("adam", 1)]
    assert found.path("adam").seed == 3
    assert not np.allclose(found.path("sgd", 3).positions, found.path("sgd", 1).positions)
    with pytest.raises(KeyError):
        found.path("sgd", 2)


def test_all_leaves_out_only_what_cannot_run():
    found = race("bowl", ["all"], lr=1e-3, steps=1)
    assert list(found.left_out) == ["sophia_g"]
    assert len(found.paths) > 25


def test_a_surface_and_a_start():
    surface = create("x**2 + 4*y**2")
    found = race(surface, ["sgd"], lr=0.15, steps=30, start=(3.0, 2.0))
    assert found.surface.start == (3.0, 2.0)
    np.testing.assert_allclose(found.paths[0].positions[1], [3 - 0.15 * 6, 2 - 0.15 * 16], rtol=1e-12)
    assert found.surface.heights.shape == (len(found.surface.y), len(found.surface.x))
    assert found.surface.heights.min() >= -1e-9


def test_without_a_minimum_the_lowest_that_is_drawn_is_the_floor():
    found = race("x + y", ["sgd"], lr=0.01, steps=3)
    assert found.surface.minima == ()
    assert found.surface.floor == -10.0
    assert found.paths[0].final_distance is None


def test_the_summary_is_plain_json(tuned):
    found = json.loads(json.dumps(tuned.summary(), allow_nan=False))
    assert found["schema"] == 1
    assert found["surface"]["minima"] == [[0.0, 0.0]]
    assert len(found["paths"][0]["positions"]) == 81


def test_the_edge_of_the_grid_is_told():
    assert race("bowl", ["sgd"], lr=(1e-5, 1e-4), steps=5).paths[0].at_grid_edge
    assert not race("bowl", ["sgd"], lr=1e-5, steps=5).paths[0].at_grid_edge


def test_the_usual_grid_is_used_without_rates():
    assert race("bowl", ["sgd"], steps=2).grid == GRID


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"optimizers": "sgd,adam"}, r"must be a list of names. Write \['sgd', 'adam'\]"),
        ({"optimizers": []}, "must be a list of names"),
        ({"optimizers": ["sgd", "sgd"]}, "'sgd' is entered twice"),
        ({"optimizers": ["sophia_g"]}, "'sophia_g' cannot run on a surface"),
        ({"optimizers": {"adam": {"betas": 1}}}, "setting of 'adam'"),
        ({"optimizers": {"adam": {"lr": -1}}}, "lr=-1 for 'adam': must be above 0"),
        ({"lr": 0.0}, "lr=0.0: must be above 0"),
        ({"lr": []}, "must hold at least one rate"),
        ({"steps": 0}, "steps=0"),
        ({"steps": 10**9}, "at most 20,000,000"),
        ({"noise": -1.0}, "noise=-1.0"),
        ({"seeds": 3}, "must be a list of whole numbers"),
        ({"seeds": (0, 0)}, "each must be there once"),
        ({"start": (1e200, 0.0)}, "no finite height at its start"),
    ],
)
def test_bad_input(given, words):
    with pytest.raises(InputError, match=words):
        race("bowl", **({"optimizers": ["sgd"], "lr": 0.1} | given))


def test_an_unknown_optimiser_offers_the_nearest():
    with pytest.raises(UnknownNameError, match="did you mean 'adam"):
        race("bowl", ["adma"])


@pytest.mark.parametrize("given", [["all", "adam"], ["sgd", "all"], ["all", "all"]])
def test_all_stands_alone(given):
    with pytest.raises(InputError, match=r"'all' stands for every name, and alone\. Leave the others out"):
        race("bowl", given, lr=0.1, steps=1)
