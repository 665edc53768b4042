import numpy as np
import pytest
import torch
from torch import nn

from lesson_checks import holding, measured, quick
from ravine.lessons import median_over_seeds
from ravine.lessons import spectral_bias as lesson
from ravine.lessons._readings import Reading

SETTINGS = lesson.Settings(frequencies=(1, 2, 4), points=32, width=4, steps=30, seeds=2)


class Wave(nn.Module):
    """Knows one wave."""

    def __init__(self, frequency):
        super().__init__()
        self.frequency = frequency

    def forward(self, x):
        return torch.sin(2 * torch.pi * self.frequency * x)


@pytest.mark.parametrize("known", [1, 2, 4])
def test_a_metric_is_what_is_missing_of_its_wave(known):
    task = lesson.waves(SETTINGS)
    for split in (task.train, task.validation):
        missing = {name: metric(Wave(known), split).item() for name, metric in task.metrics.items()}
        assert missing == pytest.approx({f"wave {k}": float(k != known) for k in (1, 2, 4)}, abs=1e-5)


def test_a_wave_is_learnt_once_it_is_for_good():
    values = np.array(
        [
            [1.0, 0.2, 0.9, -0.3, 0.1],
            [1.0, -0.9, 1.0, 0.8, 0.7],
            [0.1, 0.1, 0.1, 0.1, 0.1],
            [1.0, 0.1, np.nan, np.nan, np.nan],
            [1.0, 1.0, 1.0, 0.9, 0.2],
        ]
    )
    reading = Reading("sgd", 0.1, values[:, -1], np.array([0, 1, 2, 4, 8]), values, 0)
    assert lesson.learnt_at(reading).tolist() == [4.0, np.inf, 0.0, np.inf, 8.0]


def test_what_is_never_learnt_counts_as_learnt_at_the_end():
    low, high = np.array([10.0, 10.0, np.inf, np.inf, 0.0]), np.array([40.0, np.inf, np.inf, 8.0, 2.0])
    assert lesson.later(low, high, 80).tolist() == pytest.approx([2.0, 3.0, 0.0, np.log2(0.1), 1.0])


def test_an_optimiser_that_learns_all_at_once_does_not_hold():
    numbers = {name: median_over_seeds([0.0] * 10) for name in lesson.OPTIMIZERS}
    assert set(holding(lesson.PARTS, numbers).values()) == {False}


@pytest.mark.slow
def test_a_short_race_is_taken_apart_by_frequency():
    found = measured("spectral-bias", SETTINGS)
    assert set(found.numbers) == set(lesson.OPTIMIZERS)
    assert [len(panel.curves) for panel in found.picture.panels] == [3, 3, 3]


@pytest.mark.slow
def test_the_quick_form():
    quick("spectral-bias")
