"""Sections of the page: what each says of a race, and which are left out."""

import re

import pytest

import records_fixture
from ravine.records import create, open_record, resume
from ravine.report import _page_sections as sections
from ravine.report import read_facts


@pytest.fixture(scope="module")
def record(tmp_path_factory):
    path = tmp_path_factory.mktemp("sections") / "race.ravine"
    records_fixture.write(path)
    with open_record(path) as opened:
        culled = [lane.lane for lane in opened.lanes(stage="tune", optimizer="sgd") if lane.status == "done"][:2]
    with resume(path) as writer:
        writer.mark_culled(culled, 16, ["number 5 of 9"] * 2)
    with open_record(path) as opened:
        yield opened


@pytest.fixture(scope="module")
def facts(record):
    return read_facts(record)


def rows(text, caption):
    """Cells of the rows of the table with this caption."""
    (body,) = re.findall(rf"<caption>{re.escape(caption)}</caption>.*?<tbody>(.*?)</tbody>", text, re.DOTALL)
    return [re.findall(r"<t[hd][^>]*>([^<]*)</t[hd]>", row) for row in re.findall(r"<tr>(.*?)</tr>", body, re.DOTALL)]


def test_every_entrant_is_shown_with_its_settings(record, facts):
    text = sections.ranking(record, facts)
    assert [row[1] for row in rows(text, "Entrants, best first")] == [entrant.optimizer for entrant in facts.ranking]
    for row, entrant in zip(rows(text, "What they ran with"), facts.ranking, strict=True):
        assert row[:4] == [entrant.optimizer, f"{entrant.lr:.3g}", "cosine", "weight_decay=0.01"]


def test_every_rate_has_its_value_or_what_became_of_it(record, facts):
    text = sections.rates(record, facts)
    found = {row[0]: row[1:] for row in rows(text, "loss on validation by rate")}
    names = [entrant.optimizer for entrant in facts.ranking]
    cells = [cell for row in found.values() for cell in row]
    assert len(found) == len(records_fixture.RATES)
    assert found["0.0001"][names.index("wild")] == "diverged at 5"
    assert sum(cell.endswith("ended at 16") for cell in cells) == 2
    assert all(re.fullmatch(r"[\d.e-]+(, ended at 16)?|diverged at 5", cell) for cell in cells)


def test_every_seed_has_its_steps(record, facts):
    found = rows(sections.seeds(record, facts), "Steps to the target by seed")
    assert [row[0] for row in found] == [entrant.optimizer for entrant in facts.ranking]
    assert all(len(row) == 6 for row in found)


def test_lanes_that_ended_are_listed_with_reasons(record, facts):
    assert sections.diverged(record, facts).count("the loss is not finite &lt;nan") == len(facts.diverged)
    text = sections.culled(record, facts)
    assert text.count("culled at step 16") == text.count("number 5 of 9") == 2


def test_pairs_say_what_tells_them_apart(record, facts):
    text = sections.pairs(record, facts)
    assert text.count("adjusted p =") > 0
    assert len(re.findall(r"<tr><th scope=\"row\">", text)) == len(facts.meta["pairs"])


def test_protocol_task_and_environment_are_tables_of_labels(record, facts):
    text = sections.protocol(record, facts) + sections.task(record, facts) + sections.environment(record, facts)
    for label in ("Steps of every lane", "Gradient evaluations spent", "Ranked by", "Machine"):
        assert f'<th scope="row">{label}</th>' in text


def test_of_a_race_that_has_just_begun_there_is_next_to_nothing(tmp_path):
    create(tmp_path / "a.ravine").close()
    with open_record(tmp_path / "a.ravine") as record:
        facts = read_facts(record)
        assert "Nothing is ranked yet." in sections.ranking(record, facts)
        for section in (sections.curves, sections.rates, sections.seeds, sections.pairs, sections.diverged, sections.culled, sections.task):
            assert section(record, facts) == ""


def test_a_recipe_is_a_block_to_copy():
    assert "<pre" in sections.recipe("import torch", "note")
