import math

import numpy as np
import pytest

from lesson_checks import holding, quick
from ravine.exhibits import Levels, Network
from ravine.lessons import over_seeds
from ravine.lessons import vanishing as lesson


def test_decades_are_from_the_last_layer_to_the_first():
    signals = np.array([[1e-3, 1e-1, 1.0], [10.0, 1.0, 0.1]])
    levels = Levels(Network(), np.ones((2, 3)), signals, np.ones((2, 3)))
    assert lesson.decades_back(levels).tolist() == pytest.approx([-3.0, 2.0])


def test_a_sigmoid_that_keeps_the_gradient_and_a_remedy_that_does_not_fail():
    flat = {name: over_seeds([0.1, -0.1, 0.05, 0.0]) for name in lesson.NETWORKS}
    assert holding(lesson.PARTS, flat) == {name: name != "sigmoid" for name in lesson.NETWORKS}
    steep = {name: over_seeds([4.0, 4.1, 4.2, 3.9]) for name in lesson.NETWORKS}
    assert set(holding(lesson.PARTS, steep).values()) == {False}


def test_the_quick_form_finds_what_theory_says():
    outcome = quick("vanishing")
    found = {one.part.number: one.interval.estimate for one in outcome.judged}
    # A sigmoid's slope is at most 1/4, and Xavier's weights keep a length on average; 49 layers lie between first and last.
    assert found["sigmoid"] < 49 * math.log10(0.27)
    # Batch normalisation: root of pi / (pi - 1) a layer, in the limit of wide layers (Yang et al. 2019).
    assert found["batch norm"] == pytest.approx(49 * math.log10(math.pi / (math.pi - 1)) / 2, rel=0.1)
    # Adding a layer whose slopes keep half of it multiplies the squares by two.
    assert found["residual"] > 5
