import json

import pytest

import records_fixture
from ravine.records import create, open_record, resume
from ravine.report import read_facts, sentence, summary
from ravine.report.record_view import entrant_names, entrant_styles, record_view


@pytest.fixture(scope="module")
def record(tmp_path_factory):
    path = tmp_path_factory.mktemp("view") / "race.ravine"
    records_fixture.write(path, seeds=3)
    with resume(path) as writer:
        writer.mark_culled([2], 16, ["number 9 of 9"])
    with open_record(path) as opened:
        yield opened


@pytest.fixture(scope="module")
def view(record):
    return record_view(record, recipe="import torch", recipe_note="a note")


def test_it_is_strict_json_and_says_what_the_other_forms_say(record, view):
    json.dumps(view, allow_nan=False)
    facts = read_facts(record)
    assert view["summary"] == summary(record)
    assert view["verdict"] == sentence(facts)
    assert view["status"] == "done"
    assert view["banner"] == ""
    assert (view["recipe"], view["recipe_note"]) == ("import torch", "a note")
    assert [row[1] for row in view["ranking"]["rows"]] == [entrant.optimizer for entrant in facts.ranking]
    assert view["tables"].keys() == {"settings", "seeds", "rates", "pairs", "diverged", "culled", "search"}


def test_entrants_point_to_the_lanes_they_were_ranked_by(record, view):
    facts = read_facts(record)
    for entrant, ranked in zip(view["entrants"], facts.ranking, strict=True):
        assert (entrant["name"], entrant["rank"], entrant["lr"]) == (ranked.optimizer, ranked.rank, ranked.lr)
        assert entrant["lanes"] == [lane.lane for lane in facts.final_lanes(ranked)]
    ties = {entrant["name"]: entrant["tied_with"] for entrant in view["entrants"]}
    assert ties["adam"] == ["adamw"]


def test_an_optimiser_looks_as_in_the_figures(view):
    adam = next(entrant["style"] for entrant in view["entrants"] if entrant["name"] == "adam")
    assert adam == {"colour": {"light": "#0072B2", "dark": "#0A85CA"}, "dash": [], "marker": "o"}
    assert entrant_styles(["adamw"])["adamw"]["dash"] == [5, 1.5]


def test_lanes_are_columns_of_one_length(record, view):
    lanes = view["lanes"]
    number = len(record.lanes())
    assert {len(column) for name, column in lanes.items() if not name.endswith("s_texts") and name != "reasons"} == {number}
    culled = lanes["status"].index("culled")
    assert lanes["ended_at"][culled] == 16
    assert lanes["reasons"][lanes["reason"][culled]] == "number 9 of 9"
    wild = next(lane for lane in record.lanes() if lane.optimizer == "wild")
    place = lanes["lane"].index(wild.lane)
    assert (lanes["status"][place], lanes["ended_at"][place], lanes["losses"][place]) == ("diverged", 5, 5)
    assert view["entrants"][lanes["entrant"][place]]["name"] == "wild"


def test_every_rate_has_its_fate(view):
    rates = view["rates"]
    assert rates["split"] == "validation"
    by_name = {view["entrants"][one["entrant"]]["name"]: one for one in rates["entrants"]}
    assert {point["status"] for point in by_name["wild"]["points"]} == {"diverged"}
    assert [point["value"] for point in by_name["wild"]["points"]] == [None] * len(records_fixture.RATES)
    fates = [point["status"] for point in by_name["sgd"]["points"]]
    assert fates.count("culled") == 1
    assert by_name["sgd"]["ranked"] in [point["lr"] for point in by_name["sgd"]["points"]]


def test_a_race_that_has_just_begun_has_a_view(tmp_path):
    create(tmp_path / "a.ravine").close()
    with open_record(tmp_path / "a.ravine") as begun:
        view = record_view(begun)
        assert entrant_names(read_facts(begun)) == []
    assert view["steps"] == 1
    assert view["rates"] is None
    assert view["entrants"] == view["measures"] == []
    json.dumps(view, allow_nan=False)
