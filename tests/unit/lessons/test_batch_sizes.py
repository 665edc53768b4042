import numpy as np
import pytest

from lesson_checks import fake_race, holding, measured, quick
from ravine.lessons import batch_sizes as lesson
from ravine.tasks import load

SMALL = lesson.Settings(epochs=1, seeds=6, small=16, large=128, starts=3, draws=50)


def told(monkeypatch, losses):
    """What becomes of the parts where `losses(optimizer, batch, factor)` is the final loss at `factor` times the small batch's rate."""

    def finals(task, options, name):
        factor = options["shared_lr"] / lesson.RATES[name]
        return losses(name, task.batch_size, factor)

    monkeypatch.setattr(lesson, "race", fake_race(finals))
    return holding(lesson.PARTS, measured("batch-sizes", SMALL).numbers)


def test_rules_that_make_up_for_the_batch_hold(monkeypatch):
    right = {"sgd": 8.0, "adam": 8**0.5}
    found = told(monkeypatch, lambda name, batch, factor: 0.1 if batch == 16 or factor == pytest.approx(right[name]) else 0.5)
    assert found == {"noise": True, "lags": True, "linear": True, "root": True}


def test_rules_that_do_not_fail(monkeypatch):
    found = told(monkeypatch, lambda name, batch, factor: 0.1 if batch == 16 else 0.1 if factor == 1 else 0.5)
    assert found == {"noise": True, "lags": False, "linear": False, "root": False}


def test_the_variance_of_a_mean_is_that_of_the_draws():
    """Of single rows it is the variance of the rows themselves."""
    task = load("digits")
    model, (inputs, targets) = task.build(0), task.data.train
    rows = []
    for row, target in zip(inputs[:200], targets[:200], strict=True):
        model.zero_grad()
        task.loss(model(row[None]), target[None]).backward()
        rows.append(np.concatenate([parameter.grad.flatten().numpy() for parameter in model.parameters()]))
    expected = np.array(rows).var(axis=0, ddof=1).sum()
    found = lesson._variances(task, 0, 400)
    assert found[0] == pytest.approx(expected, rel=0.1)
    assert found[2] == pytest.approx(found[0] / 16, rel=0.1)


@pytest.mark.slow
def test_the_quick_form():
    quick("batch-sizes")
