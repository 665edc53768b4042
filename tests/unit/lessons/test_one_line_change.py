import pytest

from lesson_checks import fake_race, holding, measured, quick
from ravine.lessons import one_line_change as lesson

SETTINGS = lesson.Settings(task="mnist", epochs=5, seeds=6)
CLAIMED = {name: accuracy / 100 for name, (_, accuracy) in lesson.STATED.items()}


def told(monkeypatch, stated, tuned):
    def finals(task, options, name):
        assert options.get("shared_lr") in (None, lesson.STATED[name][0])
        return (stated if "shared_lr" in options else tuned)[name]

    monkeypatch.setattr(lesson, "race", fake_race(finals, spread=1e-5))
    return measured("one-line-change", SETTINGS)


def test_the_claimed_accuracies_hold_in_every_part(monkeypatch):
    found = told(monkeypatch, CLAIMED, CLAIMED)
    assert set(holding(lesson.PARTS, found.numbers).values()) == {True}
    assert found.notes == ()


@pytest.mark.parametrize("worse", lesson.CHAIN[1:])
def test_a_change_that_does_not_help_fails_its_part(monkeypatch, worse):
    found = holding(lesson.PARTS, told(monkeypatch, CLAIMED | {worse: 0.9}, CLAIMED).numbers)
    before = lesson.CHAIN[lesson.CHAIN.index(worse) - 1]
    assert found[f"{worse} over {before}"] is False


def test_tuned_alike_the_claim_holds_at_the_stated_rates_only(monkeypatch):
    found = holding(lesson.PARTS, told(monkeypatch, CLAIMED, CLAIMED | {"adam": 0.92}).numbers)
    assert found["adam over sgd"] is True
    assert found["adam over sgd, tuned"] is False


@pytest.mark.slow
def test_the_quick_form_says_that_it_is_on_digits():
    outcome = quick("one-line-change")
    assert "on digits" in outcome.notes[0]
    assert "digits" in outcome.setup
