import re
from html.parser import HTMLParser

import pytest

import records_fixture
from ravine.base.errors import InputError
from ravine.records import create, open_record, resume
from ravine.report import page, report, sentence
from ravine.report.facts import read_facts


@pytest.fixture(scope="module")
def record(tmp_path_factory):
    path = tmp_path_factory.mktemp("record") / "race.ravine"
    records_fixture.write(path)
    with resume(path) as writer:
        writer.set_meta("task", {"name": "<script>alert(1)</script>", "rank_by": "loss", "higher_is_better": False})
        writer.set_meta("notes", ["a < b & c"])
    with open_record(path) as opened:
        yield opened


class Balance(HTMLParser):
    """Fails on a tag that closes what was not open."""

    def __init__(self):
        super().__init__()
        self.open, self.seen = [], set()

    def handle_starttag(self, tag, attrs):
        self.seen.add(tag)
        if tag not in ("meta", "br", "link"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.seen.add(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_page_is_whole_and_holds_everything(record, tmp_path):
    assert report(record, tmp_path / "report.html") == tmp_path / "report.html"
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    parser = Balance()
    parser.feed(text)
    assert parser.open == []
    assert {"svg", "table", "h1"} <= parser.seen
    facts = read_facts(record)
    assert sentence(facts) in text
    for words in ("Ranking", "Pairs", "Diverged lanes", "Protocol", "lr_grids", "Environment", "not reached (0 of 5)", "adjusted p ="):
        assert words in text
    assert text.count("diverged at step 5") == len(facts.diverged)
    assert [entry.name for entry in tmp_path.iterdir()] == ["report.html"]


@pytest.fixture(scope="module")
def text(record):
    return page(record)


def test_nothing_is_fetched_and_nothing_runs(text):
    parser = Balance()
    parser.feed(text)
    assert not parser.seen & {"script", "link", "img", "iframe", "object"}
    # Names of XML vocabularies are identifiers, not addresses that a browser opens.
    outside = set(re.findall(r'(?:src|href)="(?!#)([^"]*)"', text))
    assert outside == set()
    assert "@import" not in text
    assert "url(http" not in text


def test_everything_foreign_is_escaped(text):
    assert "<script" not in text
    assert "&lt;script&gt;alert(1)" in text
    assert "the loss is not finite &lt;nan &amp; more&gt;" in text
    assert "a &lt; b &amp; c" in text


def test_a_race_that_has_just_begun_has_a_page(tmp_path):
    create(tmp_path / "a.ravine").close()
    with open_record(tmp_path / "a.ravine") as opened:
        text = page(opened)
    assert "no recommendation yet" in text
    assert "Diverged lanes" not in text
    assert "Pairs" not in text


def test_one_seed_says_that_pairs_are_not_testable(tmp_path):
    records_fixture.write(tmp_path / "a.ravine", optimizers=("sgd", "adam"), seeds=1)
    with open_record(tmp_path / "a.ravine") as opened:
        assert "not testable at this n" in page(opened)


def test_a_record_or_a_folder_is_never_overwritten(record, tmp_path):
    for target in (tmp_path, record.path, tmp_path / "new.ravine"):
        with pytest.raises(InputError, match=r"cannot hold a report; give the name of an HTML file"):
            report(record, target)


def test_an_unwritable_place_is_one_sentence(record, tmp_path):
    with pytest.raises(InputError, match="cannot be written: No such file or directory"):
        report(record, tmp_path / "nowhere" / "report.html")
