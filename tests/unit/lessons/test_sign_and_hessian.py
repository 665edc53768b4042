from contextlib import contextmanager
from types import SimpleNamespace

import numpy as np
import pytest

from lesson_checks import fake_race, holding, quick, reading
from ravine.lessons import sign_and_hessian as lesson

SETTINGS = lesson.Settings(task="digits", steps=100, large=256, seeds=6)


@pytest.fixture
def races(monkeypatch):
    """Nothing is raced; every entrant ends at its value."""
    asked, finals = [], {"adamw": 0.1, "lion": 0.1, lesson.SOPHIA: 0.1, "lamb": 0.1}
    stream = np.random.default_rng(1)

    @contextmanager
    def raced(task, **options):
        asked.append(options)
        yield SimpleNamespace(options=options, ranking=[SimpleNamespace(gradients_per_step=1.1)])

    def read(result):
        names, seeds = result.options["optimizers"], result.options["seeds"]
        return {name: reading(name, finals[name] * np.exp(stream.normal(0, 0.001, seeds))) for name in names}

    monkeypatch.setattr(lesson, "raced", raced)
    monkeypatch.setattr(lesson, "read", read)
    monkeypatch.setattr(lesson, "race", fake_race(lambda task, options, name: finals[name], spread=0.001))
    return asked, finals


def test_each_part_follows_its_races(races):
    asked, finals = races
    finals.update({"lion": 0.2, lesson.SOPHIA: 0.05, "lamb": 0.05})
    numbers = lesson.experiment(SETTINGS).numbers
    assert holding(lesson.PARTS, numbers) == {"lion": False, "memory": True, "sophia": True, "lamb": True}
    finals.update({"lion": 0.1, lesson.SOPHIA: 0.2, "lamb": 0.2})
    numbers = lesson.experiment(SETTINGS).numbers
    assert holding(lesson.PARTS, numbers) == {"lion": True, "memory": True, "sophia": False, "lamb": False}
    assert [(one["optimizers"], one["steps"]) for one in asked[:2]] == [(["adamw", "lion"], 100), ([lesson.SOPHIA], 50)]


def test_large_batches_take_as_many_epochs(races):
    assert "25 steps for the epochs that 100 take in batches of 64" in lesson.experiment(SETTINGS).notes[0]


@pytest.mark.slow
def test_the_quick_form():
    quick("sign-and-hessian")
