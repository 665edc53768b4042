import dataclasses
import re

import pytest

from ravine.base.errors import UnknownNameError
from ravine.lessons import get, names
from source_files import SOURCE


def test_every_file_of_a_lesson_is_registered():
    files = {path.stem.replace("_", "-") for path in (SOURCE / "lessons").glob("*.py") if "LESSON = Lesson(" in path.read_text()}
    assert files == set(names())


@pytest.mark.parametrize("name", names())
def test_a_lesson_is_whole(name):
    lesson = get(name)
    assert lesson.name == name
    assert lesson.claim.endswith(".")
    assert lesson.question.endswith("?")
    assert lesson.explanation.endswith(".")
    assert len(lesson.explanation) > 200
    assert lesson.source == "textbook" or re.search(r"\((1[89]|20)\d\d\)", lesson.source), lesson.source
    assert len({part.number for part in lesson.parts}) == len(lesson.parts)
    assert any(not part.elsewhere for part in lesson.parts)


@pytest.mark.parametrize("name", names())
@pytest.mark.parametrize("quick", [True, False], ids=["quick", "full"])
def test_the_setup_names_fields_of_the_settings_only(name, quick):
    lesson = get(name)
    assert dataclasses.is_dataclass(lesson.settings(quick=quick))
    assert "{" not in lesson.described(quick=quick)


@pytest.mark.parametrize("name", names())
def test_the_explanation_leaves_the_verdict_to_the_run(name):
    """A fixed paragraph must be true whichever way the run goes."""
    assert not re.search(r"\b(supported|refuted|in this run|as measured|we (see|find|found))\b", get(name).explanation, re.IGNORECASE)


def test_an_unknown_lesson_is_answered_with_the_nearest():
    with pytest.raises(UnknownNameError, match="no lesson is called 'best-rate'; did you mean 'best-rate-quadratic'"):
        get("best-rate")
