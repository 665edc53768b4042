import pytest

from lesson_checks import fake_race, holding, measured, quick
from ravine.lessons import restarts as lesson

SMALL = lesson.Settings(steps=12, seeds=6, snapshots=2, trainings=6, lr=0.01)


@pytest.mark.parametrize(
    ("restarted", "ensemble", "expected"),
    [(0.1, 0.05, (True, True)), (0.05, 0.05, (False, True)), (0.1, 0.2, (True, False))],
    ids=["as stated", "restarts help", "the ensemble does not"],
)
def test_both_parts_are_read_from_the_losses(monkeypatch, restarted, ensemble, expected):
    finals = {lesson.COSINE: 0.1, lesson.RESTARTS: restarted}
    monkeypatch.setattr(lesson, "race", fake_race(lambda task, options, name: finals[name]))
    monkeypatch.setattr(lesson, "_pair", lambda settings, seed: (0.1, 0.11, ensemble * (1 + 0.01 * seed)))
    told = holding(lesson.PARTS, measured("restarts", SMALL).numbers)
    assert (told["one run"], told["ensemble"]) == expected


def test_a_pair_begins_alike_and_ends_apart():
    single, last, together = lesson._pair(SMALL, 0)
    assert len({single, last, together}) == 3


@pytest.mark.slow
def test_the_quick_form():
    quick("restarts")
