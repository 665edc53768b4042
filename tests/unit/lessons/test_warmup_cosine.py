import numpy as np
import pytest

from lesson_checks import fake_race, holding, measured, quick
from ravine.lessons import warmup_cosine as lesson

SMALL = lesson.Settings(steps=5, seeds=6, early=4, starts=6, lr=0.1)


@pytest.mark.parametrize(
    ("cosine", "peak", "expected"),
    [(0.1, 1.0, (True, True)), (0.3, 1.0, (False, True)), (0.1, 9.0, (True, False))],
    ids=["as stated", "cosine behind", "warm-up blows up"],
)
def test_the_trained_parts_are_read_from_the_losses(monkeypatch, cosine, peak, expected):
    """A warm-up's highest early loss is `peak`, that without one 3."""
    finals = {"adamw+cosine": cosine, "adamw+step": 0.2}
    monkeypatch.setattr(lesson, "race", fake_race(lambda task, options, name: finals[name]))
    monkeypatch.setattr(lesson, "_early", lambda settings, seed, warmup: np.array([1.0, (peak if warmup else 3.0) + 0.1 * seed, 0.5, 0.5]))
    told = holding(lesson.PARTS, measured("warmup-cosine", SMALL).numbers)
    assert (told["cosine"], told["blow-up"]) == expected
    assert [told[name] for name in ("first", "peak", "half", "last")] == [True] * 4


def test_a_warm_up_begins_lower():
    losses = lesson._early(SMALL, 0, 0), lesson._early(SMALL, 0, 2)
    assert losses[0].shape == losses[1].shape == (4,)
    assert losses[0][0] == losses[1][0]
    assert losses[0][1] != losses[1][1]


@pytest.mark.slow
def test_the_quick_form():
    quick("warmup-cosine")
