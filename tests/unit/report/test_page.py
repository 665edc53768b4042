import dataclasses
import itertools
import re
from html.parser import HTMLParser

import pytest

import records_fixture
from ravine.base.errors import InputError
from ravine.records import create, open_record, resume
from ravine.report import page, report, sentence
from ravine.report.facts import read_facts
from ravine.report.page import short_recipe


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
    """Fails on a tag that closes what was not open, on an attribute or an identifier given twice."""

    def __init__(self):
        super().__init__()
        self.open, self.seen, self.levels, self.ids, self.asked = [], set(), [], set(), set()

    def handle_starttag(self, tag, attrs):
        self.seen.add(tag)
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names)), (tag, names)
        given = dict(attrs)
        if "id" in given:
            assert given["id"] not in self.ids, given["id"]
            self.ids.add(given["id"])
        self.asked |= {given[name] for name in ("aria-labelledby",) if name in given}
        self.asked |= {given["href"][1:]} if given.get("href", "").startswith("#") else set()
        if tag in ("h1", "h2", "h3"):
            self.levels.append(int(tag[1]))
        if tag == "svg":
            assert given["role"] == "img"
            assert given["aria-label"]
        if tag == "th":
            assert given["scope"] in ("row", "col")
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
    assert {"svg", "table", "h1", "figcaption", "main", "nav"} <= parser.seen
    assert parser.levels[0] == 1
    assert parser.levels.count(1) == 1
    assert all(later - earlier <= 1 for earlier, later in itertools.pairwise(parser.levels))
    assert parser.asked <= parser.ids
    assert len(text) < 1_000_000
    facts = read_facts(record)
    assert sentence(facts) in text
    for words in ("Ranking", "Pairs", "Diverged lanes", "Protocol", "Rates", "Environment", "not reached (0 of 5)", "adjusted p ="):
        assert words in text
    (lost,) = re.findall(r'<section id="diverged-lanes".*?</section>', text, re.DOTALL)
    assert lost.count("diverged at step 5") == len(facts.diverged)
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


def test_the_same_record_gives_the_same_page(record, text):
    assert page(record) == text


def test_a_recipe_stands_in_the_page_whole_and_escaped(record):
    text = page(record, recipe='print("<b>")\n', recipe_note="as raced")
    assert "print(&quot;&lt;b&gt;&quot;)" in text
    assert "as raced" in text


def test_without_a_script_the_lines_that_make_the_optimiser_stand_there(record):
    import torch

    import ravine

    (entrant,) = [one for one in record.ranking() if one.optimizer == record.meta["recommendation"]["optimizer"]]
    code = short_recipe(read_facts(record))
    names = {"model": torch.nn.Linear(1, 1)}
    exec(code, names)
    assert names["optimizer"].defaults["lr"] == entrant.lr
    assert names["scheduler"].get_last_lr() == [pytest.approx(entrant.lr)]
    assert type(names["schedule"]) is ravine.schedules.Cosine


def test_an_unfinished_race_says_so_above_everything_else(tmp_path):
    for status, words in (
        ("interrupted", "was interrupted"),
        ("running", "still running, or was killed"),
        ("failed", "ended with an error"),
    ):
        path = tmp_path / f"{status}.ravine"
        records_fixture.write(path, optimizers=("sgd",), seeds=1, status=status)
        with open_record(path) as opened:
            text = page(opened)
        assert re.search(rf'<header>\n<p class="warning">Partial: this race [^<]*{words}', text)
        assert "11 of the 11 lanes planned so far had ended" in text


@pytest.mark.parametrize(
    ("options", "present", "absent"),
    [
        ({"optimizers": ("wild",), "seeds": 2}, ["nothing is recommended", "Diverged lanes"], ["Pairs", 'id="recipe"', "Time to target"]),
        ({"optimizers": ("adam",), "seeds": 3}, ["the only optimiser raced", "Time to target"], ["Pairs"]),
        ({"optimizers": ("sgd", "adam"), "seeds": 2, "shared_lr": 0.01}, ["not a fair comparison"], ["Rate sensitivity", 'id="recipe"']),
        (
            {"optimizers": ("sgd", "adam"), "seeds": 2, "names": {"sgd": "a" * 60, "adam": "adamw+clip+lookahead+cautious+ema+asam"}},
            ["a" * 60, "adamw+clip+lookah"],
            [],
        ),
    ],
    ids=["all diverged", "one entrant", "shared rate", "long names"],
)
def test_unusual_races_have_a_page(tmp_path, options, present, absent):
    records_fixture.write(tmp_path / "a.ravine", **options)
    with open_record(tmp_path / "a.ravine") as opened:
        text = page(opened)
    parser = Balance()
    parser.feed(text)
    assert parser.open == []
    for words in present:
        assert words in text
    for words in absent:
        assert words not in text


def test_an_entrant_s_own_schedule_and_warm_up_are_no_part_of_its_name_and_hypers(tmp_path):
    records_fixture.write(tmp_path / "a.ravine", optimizers=("adam",), seeds=2, names={"adam": "adam+cosine"})
    with open_record(tmp_path / "a.ravine") as opened:
        facts = read_facts(opened)
    lanes = tuple(dataclasses.replace(lane, hypers={"l2": 0.0, "warmup": 0.25}) for lane in facts.lanes)
    code = short_recipe(dataclasses.replace(facts, lanes=lanes))
    assert 'create("adam", model.parameters(), lr=' in code
    assert 'create("cosine", horizon=400).warmup(100)' in code
