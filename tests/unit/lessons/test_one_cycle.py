import pytest

from lesson_checks import fake_race, holding, measured, quick
from ravine.lessons import one_cycle as lesson

SMALL = lesson.Settings(steps=5, seeds=6, lr=0.01)


@pytest.mark.parametrize("beaten", [lesson.CONSTANT, lesson.CYCLICAL, lesson.COSINE])
def test_every_rival_can_refute_it(monkeypatch, beaten):
    def finals(task, options, name):
        return 0.05 if name == beaten and "shared_lr" not in options else 0.1 if name == lesson.CYCLE else 0.2

    monkeypatch.setattr(lesson, "race", fake_race(finals))
    told = holding(lesson.PARTS, measured("one-cycle", SMALL).numbers)
    number = {lesson.CONSTANT: "constant", lesson.CYCLICAL: "cyclical", lesson.COSINE: "cosine"}[beaten]
    assert told == {part.number: part.number != number for part in lesson.PARTS}


def test_untuned_it_can_fail_on_its_own(monkeypatch):
    def finals(task, options, name):
        good = lesson.CONSTANT if "shared_lr" in options else lesson.CYCLE
        return 0.1 if name == good else 0.2

    monkeypatch.setattr(lesson, "race", fake_race(finals))
    told = holding(lesson.PARTS, measured("one-cycle", SMALL).numbers)
    assert [number for number, holds in told.items() if holds is False] == ["untuned"]


@pytest.mark.slow
def test_the_quick_form():
    quick("one-cycle")
