import pytest

from lesson_checks import fake_race, holding, measured, quick
from ravine.lessons import tuned_rates as lesson

SETTINGS = lesson.Settings(steps=5, seeds=6, targets=("sine", "sawtooth"))


@pytest.mark.parametrize(
    ("finals", "expected"),
    [
        ({"sgd": 0.3, "momentum": 0.1, "adam": 0.03}, {"momentum": True, "adam": True}),
        ({"sgd": 0.3, "momentum": 0.1, "adam": 0.11}, {"momentum": True, "adam": True}),
        ({"sgd": 0.3, "momentum": 0.1, "adam": 0.2}, {"momentum": True, "adam": False}),
        ({"sgd": 0.1, "momentum": 0.3, "adam": 0.03}, {"momentum": False, "adam": True}),
    ],
    ids=["as stated", "tied", "adam behind", "momentum behind"],
)
def test_the_order_is_read_from_the_losses(monkeypatch, finals, expected):
    monkeypatch.setattr(lesson, "race", fake_race(lambda task, options, name: finals[name]))
    assert holding(lesson.PARTS, measured("tuned-rates", SETTINGS).numbers) == expected


def test_nothing_is_shared_but_the_budget(monkeypatch):
    seen = []
    monkeypatch.setattr(lesson, "race", lambda task, **options: seen.append(options) or fake_race(lambda *_: 1.0)(task, **options))
    measured("tuned-rates", SETTINGS)
    assert all("shared_lr" not in options and "lrs" not in options for options in seen)


@pytest.mark.slow
def test_the_quick_form():
    quick("tuned-rates")
