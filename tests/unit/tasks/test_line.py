import pytest
import torch

from ravine.tasks import create


def test_least_squares_finds_two_and_three():
    x, y = create("line", {"noise": 0.2, "points": 2000}).data.train
    weight, bias = torch.linalg.lstsq(torch.cat([x, torch.ones_like(x)], 1), y).solution.flatten().tolist()
    assert weight == pytest.approx(2, abs=0.03)
    assert bias == pytest.approx(3, abs=0.02)
    assert (y - 2 * x - 3).std().item() == pytest.approx(0.2, rel=0.05)


def test_without_noise_it_is_exact():
    x, y = create("line", {"noise": 0}).data.test
    torch.testing.assert_close(y, 2 * x + 3)


def test_splits_are_different_points():
    task = create("line")
    task.check()
    assert task.data.sizes == {"train": 100, "validation": 100, "test": 100}
    assert task.steps_per_epoch == 5
    assert not set(task.data.train[0].flatten().tolist()) & set(task.data.validation[0].flatten().tolist())
    assert task.baseline_loss() == pytest.approx(4 / 3 + 0.04, abs=0.3)
