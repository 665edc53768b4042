import re
from dataclasses import replace

import pytest

from ravine.base.errors import InputError
from ravine.lessons import over_seeds
from ravine.lessons._criterion import VERDICTS, judge
from ravine.lessons._running import carry_out
from ravine.lessons.elongated_bowl import LESSON as BOWL
from ravine.lessons.loss_shapes import LESSON as SHAPES
from ravine.lessons.page import ordered, page, write_page

NUMBERS = {"supported": [1.0, 1.1, 0.9], "refuted": [-1.0, -1.1, -0.9], "cannot be told": [1.0, -1.0, 0.1]}


@pytest.fixture(scope="module")
def outcomes():
    """One outcome of each verdict, from two lessons' figures."""
    part = replace(BOWL.parts[0], number="gap", says="a < b & c", above=0.0, below=None)
    first, second = carry_out(BOWL, quick=True), carry_out(SHAPES, quick=True)
    found = []
    for index, (verdict, values) in enumerate(NUMBERS.items()):
        outcome = replace(first if index % 2 else second, judged=tuple(judge([part], {"gap": over_seeds(values)})), notes=("A note.",))
        assert outcome.verdict == verdict
        found.append(replace(outcome, lesson=replace(outcome.lesson, name=f"lesson-{index}")))
    parts = (part, replace(part, number="other", elsewhere=True))
    judged = judge(parts, {"gap": over_seeds(NUMBERS["supported"]), "other": over_seeds(NUMBERS["refuted"])})
    return [*found, replace(second, judged=tuple(judged), lesson=replace(SHAPES, name="lesson-3"))]


@pytest.fixture(scope="module")
def text(outcomes):
    return page(outcomes)


def test_what_fails_comes_first(outcomes, text):
    assert [outcome.verdict for outcome in ordered(outcomes)] == list(VERDICTS)
    headings = re.findall(r'<h2 id="[^"]*">([^<]*)</h2>', text)
    assert headings == ["lesson-1", "lesson-3", "lesson-2", "lesson-0"]
    assert "Of 4 claims 1 is refuted, 1 holds only at the stated settings, 1 cannot be told, 1 is supported." in text


def test_the_page_is_whole_and_needs_nothing(text):
    assert text.count("<svg") == 4
    assert not re.search(r"<script|https?://(?!www\.w3\.org)|<link|@import", text)
    identifiers = re.findall(r' id="([^"]+)"', text)
    assert len(set(identifiers)) == len(identifiers)
    assert set(re.findall(r'href="#([^"]+)"', text)) <= set(identifiers)
    assert "a &lt; b &amp; c" in text
    assert "a < b" not in text


def test_every_section_shows_claim_criterion_numbers_and_verdict(outcomes, text):
    for wanted in (
        SHAPES.claim,
        "criterion, fixed before the run",
        "must be",
        "above 0",
        "Note: A note.",
        SHAPES.explanation[:40],
        outcomes[0].sentence,
    ):
        assert wanted.replace("&", "&amp;") in text, wanted


def test_equal_outcomes_give_equal_pages(outcomes):
    assert page(outcomes[1:2]) == page(outcomes[1:2])


def test_the_page_is_written_whole_or_not_at_all(tmp_path, outcomes):
    target = tmp_path / "lessons.html"
    assert write_page(outcomes[:1], target) == target
    assert target.read_text().startswith("<!doctype html>")
    assert [path.name for path in tmp_path.iterdir()] == ["lessons.html"]
    with pytest.raises(InputError, match="is a folder; give the name of an HTML file in it"):
        write_page([], tmp_path)
    with pytest.raises(InputError, match="cannot be written: No such file or directory; check the folder"):
        write_page([], tmp_path / "none" / "lessons.html")
