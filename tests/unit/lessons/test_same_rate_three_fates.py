import numpy as np
import pytest

from lesson_checks import fake_race, holding, measured, quick
from ravine.lessons import same_rate_three_fates as lesson

SETTINGS = lesson.Settings(steps=5, seeds=6, targets=("sine", "sawtooth"))


def losses(table, *, hardest=1.0):
    """Final losses by (rate, optimizer); SGD's on the hardest curve are `hardest` times as high."""

    def finals(task, options, name):
        factor = hardest if task == "curve:sawtooth" and name == "sgd" else 1.0
        return table.get((options["shared_lr"], name), {"sgd": 0.3, "momentum": 0.1, "adam": 0.03}[name]) * factor

    return fake_race(finals)


def told(monkeypatch, table, **options):
    monkeypatch.setattr(lesson, "race", losses(table, **options))
    return holding(lesson.PARTS, measured("same-rate-three-fates", SETTINGS).numbers)


def test_what_the_textbook_says_holds_in_every_part(monkeypatch):
    table = {(0.001, "sgd"): 1.5, (0.001, "momentum"): 0.2, (0.001, "adam"): 0.05}
    assert told(monkeypatch, table, hardest=2.0) == dict.fromkeys([part.number for part in lesson.PARTS], True)


@pytest.mark.parametrize(
    ("table", "hardest", "failing"),
    [
        ({(0.01, "momentum"): 0.9, (0.01, "adam"): 0.1}, 2.0, "momentum at 0.01"),
        ({(0.01, "adam"): 0.2}, 2.0, "adam at 0.01"),
        ({}, 0.5, "widens"),
        ({(0.001, "adam"): 1.0}, 2.0, "slows"),
        ({(0.3, "adam"): 2.0}, 2.0, "holds up"),
        ({(0.1, "momentum"): 0.9}, 1.0, "momentum at 0.1"),
    ],
    ids=["momentum behind", "adam behind", "narrows", "adam slows", "adam breaks", "elsewhere"],
)
def test_each_part_can_fail(monkeypatch, table, hardest, failing):
    assert told(monkeypatch, table, hardest=hardest)[failing] is False


def test_lost_lanes_are_told(monkeypatch):
    def race(task, metric="loss", **options):
        found = losses({})(task, metric, **options)
        values = found["sgd"].values.copy()
        values[:2, 1:] = np.nan
        return found | {"sgd": lesson.Reading("sgd", 0.3, found["sgd"].finals, found["sgd"].steps, values, 2)}

    monkeypatch.setattr(lesson, "race", race)
    notes = measured("same-rate-three-fates", SETTINGS).notes
    assert "sine at 0.3: sgd diverged in 2 of 6 seeds, which count with their loss at the start." in notes


@pytest.mark.slow
def test_the_quick_form():
    assert {one.part.number: one.holds for one in quick("same-rate-three-fates").judged}["momentum at 0.01"] is True
