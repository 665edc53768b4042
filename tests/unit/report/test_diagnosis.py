"""A diagnosis as text and as a page."""

import re

import pytest

from ravine.base.errors import InputError
from ravine.records.findings import Diagnosis, Finding, Rung
from ravine.report.diagnosis import diagnosis_page, diagnosis_sentence, diagnosis_text, write_diagnosis


@pytest.fixture
def sick():
    findings = (
        Finding("error", "rate", "the rate is too high", "lr=9 <b>", "below 1", "a paper", "the rate", "Use lr=0.1"),
        Finding("information", "batch size", "noise", "12", "", "", "", "nothing"),
    )
    rungs = (Rung("loading", "pass", "64 rows"), Rung("rate", "fail", "9 [red]"), Rung("curve", "skipped", "broken"))
    return Diagnosis({"name": "my <task>"}, findings, rungs)


def test_the_sentence_counts_what_was_found(sick):
    assert diagnosis_sentence(sick) == "my <task>: 1 error, 1 remark; 1 rung was not climbed."
    assert diagnosis_sentence(Diagnosis({"name": "t"}, ())) == "t: nothing was found."


def test_the_text_has_every_rung_and_every_finding(sick):
    text = diagnosis_text(sick)
    for part in ("loading", "64 rows", "skipped", "9 [red]", "error: the rate is too high (rate)", "Use lr=0.1", "1 error, 1 remark"):
        assert part in text
    assert text.index("loading") < text.index("error: the rate")


def test_the_page_is_whole_and_escapes_what_is_foreign(sick):
    page = diagnosis_page(sick)
    assert "my &lt;task&gt;" in page
    assert "lr=9 &lt;b&gt;" in page
    assert "<b>" not in page
    assert not re.search(r"(src|href)=\"https?:", page)
    assert page.index("error: the rate is too high") < page.index("The ladder, lowest rung first")


def test_a_page_that_cannot_be_written_says_so(sick, tmp_path):
    assert write_diagnosis(sick, tmp_path / "d.html").read_text() == diagnosis_page(sick)
    with pytest.raises(InputError, match=r"cannot be written: .*; check the folder and its permissions"):
        write_diagnosis(sick, tmp_path / "none" / "d.html")
