import json
from dataclasses import replace

import pytest

import records_fixture
from ravine.records import open_record
from ravine.report import read_facts, sheets
from ravine.report.rate_points import rate_values
from ravine.report.seed_figure import reached_by_seed


@pytest.fixture(scope="module")
def record(tmp_path_factory):
    path = tmp_path_factory.mktemp("sheets") / "race.ravine"
    records_fixture.write(path)
    with open_record(path) as opened:
        yield opened


@pytest.fixture(scope="module")
def facts(record):
    return read_facts(record)


def test_every_table_has_a_title_for_each_cell(record, facts):
    found = [
        *(make(facts) for make in (sheets.ranking_sheet, sheets.settings_sheet, sheets.pairs_sheet, sheets.diverged_sheet)),
        *(make(facts) for make in (sheets.causes_sheet, sheets.culled_sheet, sheets.search_sheet, sheets.engine_sheet)),
        sheets.rates_sheet(facts, rate_values(record, facts)),
        sheets.seeds_sheet(reached_by_seed(record, facts)),
    ]
    for sheet in found:
        assert all(len(row) == len(sheet.titles) for row in sheet.rows), sheet.caption
        assert all(column < len(sheet.titles) for column in (sheet.heads, *sheet.numeric))
    assert sum(bool(sheet.rows) for sheet in found) == 7


def test_as_json_every_cell_is_text(facts):
    given = sheets.diverged_sheet(facts).as_json()
    assert json.loads(json.dumps(given)) == given
    assert {type(cell) for row in given["rows"] for cell in row} == {str}
    assert len(given["rows"]) == len(facts.diverged)


def test_of_several_lanes_at_one_rate_the_best_is_told(record, facts):
    sheet = sheets.rates_sheet(facts, rate_values(record, facts))
    column = sheet.titles.index("adam")
    cells = {row[0]: row[column] for row in sheet.rows}
    assert cells["1"] == "diverged at 5"
    assert float(cells["0.00316"]) < float(cells["0.0001"])


def test_hypers_are_named_only_where_lanes_differ_in_them(facts):
    assert "weight_decay" not in str(sheets.diverged_sheet(facts).rows)


@pytest.mark.parametrize(("seconds", "told"), [(9.4e-6, "9.4 us"), (0.00154, "1.54 ms"), (0.0009996, "1 ms"), (1.25, "1.25 s")])
def test_the_time_of_a_step_is_told_in_a_unit_that_suits_it(facts, seconds, told):
    first, *others = facts.ranking
    given = replace(facts, ranking=[replace(first, seconds_per_step=seconds), *others])
    assert sheets.settings_sheet(given).rows[0][-1] == told
