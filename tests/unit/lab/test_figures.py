"""What a page draws besides the command's numbers."""

import base64
import json

import numpy as np
import pytest

from ravine.lab import figures
from ravine.lab.figure_settings import FIGURES, MemorySettings, SchedulesSettings, SurfaceSettings


def test_every_figure_can_be_computed():
    assert set(figures._COMPUTED) == set(FIGURES.values())


def test_heights_are_those_of_the_surface_above_its_floor():
    found = figures.figure(SurfaceSettings(name="ravine", optimizers=("sgd",), lr=(0.01,), steps=3))
    heights = found["drawn"]["heights"]
    values = np.frombuffer(base64.b64decode(heights["values"]), "<f4").reshape(heights["rows"], heights["columns"])
    (left, right), (low, high) = found["numbers"]["surface"]["domain"]
    x, y = np.meshgrid(np.linspace(left, right, heights["columns"]), np.linspace(low, high, heights["rows"]))
    np.testing.assert_allclose(values, 0.5 * (x**2 + 20 * y**2), rtol=1e-6, atol=1e-6)
    assert [row["lr"] for row in found["drawn"]["tried"]] == [0.01]


def test_rates_that_tuning_tried_are_told():
    tried = figures.figure(SurfaceSettings(name="bowl", optimizers=("sgd", "adam"), lr=(0.1, 1e9), steps=3))["drawn"]["tried"]
    assert [(row["optimizer"], row["lr"], row["diverged_at"] is not None) for row in tried][:2] == [("sgd", 0.1, False), ("sgd", 1e9, True)]
    assert len(tried) == 4


def test_a_warm_up_and_titles_stand_beside_schedules():
    found = figures.figure(SchedulesSettings(schedules="cosine:floor=0.1;constant", horizon=40, warmup=0.25))
    assert found["drawn"] == {"titles": ["cosine, warmup=0.25, floor=0.1", "constant, warmup=0.25"], "warmup": 10}


def test_plans_are_named():
    assert figures.figure(MemorySettings(optimizers=("lion",), bits=8))["drawn"]["labels"] == ["lion, fp32, 8-bit state"]


def test_choices_are_what_the_settings_take():
    found = figures.choices()
    json.dumps(found, allow_nan=False)
    for text in found["schedules"]:
        assert SchedulesSettings(schedules=text).made()
    assert {"fp16", "bf16"} <= set(found["formats"])
    assert found["surfaces"][0]["name"] == "ravine"
    assert found["schedules"]["multistep"]["milestones"] == "0.5,0.75"


def test_floats_beyond_their_range_are_infinite():
    assert np.frombuffer(base64.b64decode(figures.floats(np.array([1e300, np.nan, 1.0]))), "<f4") == pytest.approx(
        [np.inf, np.nan, 1], nan_ok=True
    )
