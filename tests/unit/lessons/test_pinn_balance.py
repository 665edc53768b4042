import numpy as np
import pytest

from lesson_checks import fake_race, holding, quick
from ravine.lessons import pinn_balance as lesson

SETTINGS = lesson.Settings(points=16, width=6, steps=10, seeds=5, starts=3)


def test_the_task_is_the_built_in_one_with_its_terms_weighted():
    task = lesson.poisson(SETTINGS, (2.0, 3.0))
    assert task.reference == "pinn:points=16,width=6,equation=2.0,boundary=3.0"


def test_weights_make_the_terms_diagonals_equal():
    traces = np.array([8.0, 2.0])
    assert lesson.tangent_weights(traces) == (1.25, 5.0)
    assert np.ptp(traces * lesson.tangent_weights(traces)) == 0.0


def test_each_part_follows_its_races(monkeypatch):
    finals = {("sgd", False): 1.0, ("adam", False): 0.1, ("sgd", True): 0.1, ("adam", True): 1.0}
    first = []

    def final(task, options, name):
        first.append(task)
        return finals[name, task is not first[0]]

    monkeypatch.setattr(lesson, "race", fake_race(final))
    found = lesson.experiment(SETTINGS)
    told = holding(lesson.PARTS, found.numbers)
    assert told | {"unbalanced": None} == {"unbalanced": None, "adam": True, "weights, adam": False, "weights, sgd": True}
    assert len(found.numbers["unbalanced"].values) == SETTINGS.starts


@pytest.mark.slow
def test_the_quick_form():
    quick("pinn-balance")
