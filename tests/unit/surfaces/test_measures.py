"""Measures on paths that are known by construction."""

import math

import numpy as np
import pytest

from ravine.surfaces.functions import create
from ravine.surfaces.measures import FAR, details, measure

BOWL = create("bowl", start=(-4.0, 0.0))
STEPS = 40


def path(x, y=None):
    x = np.asarray(x, dtype=float)
    return np.stack([x, np.zeros_like(x) if y is None else np.asarray(y, dtype=float)], axis=-1)[:, None]


def of(positions, surface=BOWL, **rest):
    found = measure(surface, positions, **rest)
    return details(surface, found, 0), found


def test_a_straight_way_that_arrives():
    x = np.concatenate([np.linspace(-4, 0, 11), np.zeros(STEPS - 10)])
    found, _ = of(path(x))
    assert found == {
        "steps_to_minimum": 10,
        "final_distance": 0.0,
        "final_height": 0.0,
        "overshoot": 0.0,
        "length": pytest.approx(4.0),
        "directness": pytest.approx(1.0),
        "turns": 0,
        "diverged_at": None,
    }


def test_a_way_that_passes_through_is_not_there_until_it_stays():
    x = [-4, -2, 0, 2, 1, 0, 0, 0]
    found, _ = of(path(x))
    assert found["steps_to_minimum"] == 5
    assert found["overshoot"] == pytest.approx(0.5)
    assert found["turns"] == 1
    assert found["length"] == pytest.approx(8.0)
    assert found["directness"] == pytest.approx(0.5)
    noisy, _ = of(path(x), is_noisy=True)
    assert noisy["steps_to_minimum"] == 2


def test_a_way_that_leaves_again_has_not_arrived():
    assert of(path([-4, 0, 0, 0, 1]))[0]["steps_to_minimum"] is None


def test_a_lost_path_says_when():
    far = FAR * math.hypot(10, 10)
    found, measured = of(path([-4, 2 * far, -1, far + 1, 2 * far, 1e200]))
    assert found["diverged_at"] == 3
    assert np.isnan(measured.positions[3:]).all()
    assert np.isfinite(measured.positions[:3]).all()
    assert [found[name] for name in ("final_distance", "final_height", "overshoot", "length", "directness")] == [None] * 5
    assert measured.final_heights[0] == math.inf


def test_no_number_is_lost_as_well():
    assert of(path([-4, -3, math.nan, math.nan]))[0]["diverged_at"] == 2
    assert of(path([-4, math.nan, math.nan, math.nan]))[0]["diverged_at"] == 1


def test_a_path_that_never_was_inside_is_lost_at_once():
    assert of(path([1e6, 1e6, 1e6]))[0]["diverged_at"] == 1


def test_a_path_that_ends_outside_the_picture_but_near_is_not_lost():
    found, measured = of(path([-4, -7, -9]))
    assert found["diverged_at"] is None
    assert found["final_distance"] == 9.0
    assert not measured.stays[0]


def test_the_final_height_is_a_mean_over_the_last_tenth():
    x = np.zeros(41)
    x[-4:] = [2.0, 0.0, 2.0, 0.0]
    assert of(path(x))[0]["final_height"] == pytest.approx(1.0)


def test_the_nearest_of_several_minima_counts():
    surface = create("himmelblau")
    target = surface.minima[2]
    found, _ = of(np.array([[surface.start], [target]]), surface)
    assert found["final_distance"] == 0.0
    assert found["overshoot"] == pytest.approx(0.0)
    assert found["final_height"] == pytest.approx(0.0, abs=1e-12)


def test_without_a_minimum_heights_count_from_the_given_floor():
    surface = create("x + y", start=(0.0, 0.0))
    found, measured = of(path([0, -1, -2]), surface, floor=-10.0)
    assert measured.heights[:, 0].tolist() == [10.0, 9.0, 8.0]
    assert found["steps_to_minimum"] is None
    assert found["final_distance"] is None
    assert found["overshoot"] is None


def test_a_path_that_begins_at_the_minimum_has_no_overshoot():
    found, _ = of(path([0, 1, 0]), create("bowl", start=(0.0, 0.0)))
    assert found["overshoot"] is None
    assert found["directness"] == 0.0
    assert of(path([0, 0, 0]), create("bowl", start=(0.0, 0.0)))[0]["directness"] is None
