import numpy as np
import pytest
import torch
from torch.nn import functional as F

from lesson_checks import fake_race, holding, quick
from ravine.lessons import over_seeds
from ravine.lessons import sharp_minima as lesson
from ravine.lessons._stacked import Stacked


def largest(model, x, labels, seed):
    """The largest eigenvalue of one seed's Hessian, written out."""
    weights = [weight.detach()[seed] for weight in model.parameters()]
    sizes = [weight.numel() for weight in weights]

    def loss(flat):
        first, second, bias, last = (part.view(weight.shape) for part, weight in zip(flat.split(sizes), weights, strict=True))
        return F.cross_entropy(F.relu(x @ first + bias) @ second + last, labels)

    hessian = torch.autograd.functional.hessian(loss, torch.cat([weight.flatten() for weight in weights]))
    return torch.linalg.eigvalsh(hessian).max().item()


def test_sharpness_is_the_largest_eigenvalue_of_each_seed():
    model = Stacked((3, 4, 2), [0, 1])
    x, labels = torch.randn(12, 3, generator=torch.Generator().manual_seed(0)), torch.arange(12) % 2
    expected = [largest(model, x, labels, seed) for seed in range(2)]
    assert lesson.sharpness(model, x, labels, turns=300).tolist() == pytest.approx(expected, rel=1e-3)


def test_the_ends_are_those_of_the_tuned_rates(monkeypatch):
    monkeypatch.setattr(lesson, "race", fake_race(lambda task, options, name: 0.5))
    found = lesson.experiment(lesson.Settings(task="digits", widths=(64, 8, 10), steps=20, seeds=3, rows=64))
    assert found.also["sgd: its tuned rate"].values == (0.1,)
    gap = np.array(found.also["sgd: test accuracy, %"].values) - found.also["adam: test accuracy, %"].values
    assert found.numbers["generalises"].values == pytest.approx(gap)
    assert found.numbers["sharper"].values[0] == pytest.approx(
        np.log10(found.also["adam: largest eigenvalue"].values[0] / found.also["sgd: largest eigenvalue"].values[0])
    )


def test_a_flatter_and_more_accurate_adam_fails():
    numbers = dict.fromkeys(["sharper", "generalises"], over_seeds([-0.5, -0.4, -0.45, -0.42]))
    assert holding(lesson.PARTS, numbers) == {"sharper": False, "generalises": False}


@pytest.mark.slow
def test_the_quick_form():
    quick("sharp-minima")
