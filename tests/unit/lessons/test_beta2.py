import numpy as np
import pytest

from lesson_checks import holding, measured, quick
from ravine.lessons import beta2 as lesson
from ravine.lessons import over_seeds


def test_a_leap_is_above_the_median_of_the_steps_before():
    losses = np.linspace(5.0, 1.0, 100)
    calm = lesson.leap(losses)
    losses[60] += 3.0
    # One low value before it moves a mean, and no median by much.
    losses[50] -= 2.0
    expected = losses[60] - np.median(losses[60 - lesson.WINDOW : 60])
    assert calm < 0
    assert lesson.leap(losses) == pytest.approx(expected)


def test_the_last_step_counts():
    assert lesson.leap([1.0] * lesson.WINDOW + [3.0]) == 2.0


def test_the_longer_memory_that_is_steadier_fails():
    numbers = dict.fromkeys([part.number for part in lesson.PARTS], over_seeds([-1.0, -1.1, -0.9]))
    assert set(holding(lesson.PARTS, numbers).values()) == {False}


def test_pairs_share_weights_and_batches(tmp_path):
    text = tmp_path / "text"
    text.write_text("to be or not to be, " * 200)
    task = f"chars:text={text},layers=1,heads=1,width=8,context=8"
    found = measured("beta2", lesson.Settings(task=task, steps=lesson.WINDOW + 2, seeds=2))
    (long, short), _ = (panel.curves for panel in found.picture.panels)
    assert long.y[0] == short.y[0]
    assert long.y[-1] != short.y[-1]


@pytest.mark.slow
def test_the_quick_form():
    quick("beta2")
