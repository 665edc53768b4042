from dataclasses import dataclass

from ravine.lessons import Lesson, Part
from ravine.lessons._lesson import settings_of


@dataclass(frozen=True)
class Settings:
    steps: int
    lr: float
    targets: tuple[str, ...]


LESSON = Lesson(
    name="none",
    claim="",
    question="",
    source="textbook",
    setup="{targets} at {lr}, {steps} steps",
    parts=(Part(number="a", says="", measures="", above=0.0),),
    experiment=lambda settings: None,
    quick=Settings(1000, 0.5, ("sine", "step")),
    full=Settings(20, 1e-4, ("sine",)),
    full_s=1.0,
    explanation="",
)


def test_the_setup_is_told_in_words():
    assert LESSON.described(quick=True) == "sine, step at 0.5, 1,000 steps"
    assert LESSON.described(quick=False) == "sine at 0.0001, 20 steps"


def test_settings_are_plain_values():
    assert settings_of(LESSON.settings(quick=False)) == {"steps": 20, "lr": 1e-4, "targets": ("sine",)}
