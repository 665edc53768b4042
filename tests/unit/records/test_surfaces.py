"""What came of a race on a surface, as plain values."""

import json

import numpy as np
import pytest

from ravine.records.surfaces import SurfacePath, SurfaceRace, SurfaceView


def path(optimizer, seed=0, lost_at=None):
    positions = np.stack([np.linspace(-4, 0, 5), np.zeros(5)], axis=1)
    heights = positions[:, 0] ** 2
    if lost_at:
        positions[lost_at:], heights[lost_at:] = np.nan, np.nan
    end = (None, None, None, None, None) if lost_at else (0.0, 0.0, 0.0, 4.0, 1.0)
    distance, height, overshoot, length, directness = end
    return SurfacePath(
        optimizer, 0.1, seed, positions, heights, None if lost_at else 4, distance, height, overshoot, length, directness, 0, lost_at
    )


def race(*paths, **rest):
    side = np.linspace(-5, 5, 11)
    heights = side[:, None] ** 2 + side**2
    view = SurfaceView("bowl", "x**2 + y**2", ((-5.0, 5.0), (-5.0, 5.0)), ((0.0, 0.0),), (-4.0, 0.0), 0.1, 0.0, side, side, heights)
    given = {"tried": (), "steps": 4, "noise": 0.0, "tuned": False, "grid": (0.1,), "protocol": "as given"} | rest
    return SurfaceRace(view, paths, **given)


def test_a_path_is_found_by_name_and_seed():
    found = race(path("sgd", 0), path("sgd", 1), path("adam", 1))
    assert found.path("sgd").seed == 0
    assert found.path("sgd", 1).seed == 1
    with pytest.raises(KeyError):
        found.path("adam", 0)


def test_json_ends_where_a_path_does():
    found = json.loads(json.dumps(race(path("sgd", lost_at=2), path("adam")).summary(), allow_nan=False))
    lost, kept = found["paths"]
    assert lost["diverged_at"] == 2
    assert lost["positions"] == [[-4.0, 0.0], [-3.0, 0.0]]
    assert lost["heights"] == [16.0, 9.0]
    assert lost["final_distance"] is None
    assert len(kept["positions"]) == 5
    assert found["protocol"] == {"steps": 4, "noise": 0.0, "tuned": False, "lr_grid": [0.1], "left_out": {}, "sentence": "as given"}
    assert found["surface"]["domain"] == [[-5.0, 5.0], [-5.0, 5.0]]
