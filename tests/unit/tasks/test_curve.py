import math

import pytest
import torch

from ravine.tasks import create
from ravine.tasks.curve import curve_values

TARGETS = ("sine", "step", "two-bumps", "sawtooth")


@pytest.mark.parametrize(
    ("target", "x", "value"),
    [
        ("sine", 0.5, 1.0),
        ("sine", -0.25, -math.sqrt(0.5)),
        ("step", -0.001, -1.0),
        ("step", 0.0, 1.0),
        ("two-bumps", 0.5, 1.0),
        ("two-bumps", -0.5, 1.0),
        ("two-bumps", 0.65, math.exp(-1)),
        ("sawtooth", 0.0, 0.0),
        ("sawtooth", 0.125, 0.5),
        ("sawtooth", 0.249999999, 1.0),
        ("sawtooth", 0.25, -1.0),
        ("sawtooth", -0.875, 0.5),
    ],
)
def test_known_points(target, x, value):
    assert curve_values(torch.tensor(x, dtype=torch.float64), target).item() == pytest.approx(value, abs=1e-7)


def test_the_sawtooth_has_four_teeth():
    values = curve_values(torch.linspace(-1, 0.9999, 4001, dtype=torch.float64), "sawtooth")
    assert int((values.diff() < -1).sum()) == 4
    assert values.abs().max() <= 1


@pytest.mark.parametrize("target", TARGETS)
def test_splits_interleave_on_one_curve(target):
    task = create("curve", {"target": target})
    task.check()
    assert task.data.sizes == {"train": 128, "validation": 128, "test": 128}
    assert task.rows_per_step == 128
    assert task.name == f"curve:{target}"
    x = torch.cat([getattr(task.data, name)[0] for name in ("train", "validation", "test")])
    y = torch.cat([getattr(task.data, name)[1] for name in ("train", "validation", "test")])
    assert len(x.unique()) == 384
    assert x.shape == y.shape == (384, 1)
    assert x.abs().max() < 1
    torch.testing.assert_close(x.sort(dim=0).values.diff(dim=0), torch.full((383, 1), 2 / 384), rtol=1e-3, atol=0)
    torch.testing.assert_close(y, curve_values(x, target), rtol=0, atol=1e-5)
    assert task.data.train[0].mean().abs() < 1e-6


def test_width_and_points():
    task = create("curve", {"width": 7, "points": 10})
    assert task.describe()["parameters"] == 7 + 7 + 7 + 1
    assert task.data.sizes["train"] == 10
