"""What was tuned, in words."""

import dataclasses

import pytest

import records_fixture
from ravine.records import open_record, resume
from ravine.report import lanes_text, sentence, table
from ravine.report.facts import read_facts
from ravine.report.spaces import budget_text, lane_values, space_lines, space_rows, space_text, spaces, values_text

DECAY = {"low": 1e-3, "high": 0.5, "scale": "log", "default": 0.01}
ADAM = {"dimensions": {"weight_decay": DECAY}, "without": ["beta1"], "configurations": [{"weight_decay": 0.01}] * 4, "rates": 48}
SGD = {"dimensions": {}, "without": ["weight_decay", "beta1"], "configurations": [{}] * 8, "rates": 96}
SPACE = {"tuned": ["lr", "weight_decay", "beta1"], "optimizers": {"sgd": SGD, "adam": ADAM}}


@pytest.fixture(scope="module")
def facts(tmp_path_factory):
    """The synthetic race, whose lanes all have weight decay 0.01, as if that had been found."""
    path = tmp_path_factory.mktemp("record") / "race.ravine"
    records_fixture.write(path, optimizers=("sgd", "adam"))
    with open_record(path) as record:
        found = read_facts(record)
    ranking = tuple(dataclasses.replace(e, hypers={"weight_decay": 0.01} if e.optimizer == "adam" else {}) for e in found.ranking)
    return dataclasses.replace(found, meta=found.meta | {"protocol": found.protocol | {"search_space": SPACE}}, ranking=ranking)


def test_values_are_written_whole():
    assert values_text({"beta2": 0.999005, "weight_decay": 1e-5}) == "beta2=0.999005, weight_decay=1e-05"
    assert values_text({}) == ""


def test_a_line_for_each_entrant_says_what_was_found_where_and_what_it_lacks(facts):
    lines = {line.partition(":")[0]: line for line in space_lines(facts)}
    assert lines["adam"] == "adam: weight_decay=0.01 of 0.001 to 0.5 (4 configurations, 48 lanes to begin with); it has no beta1."
    assert lines["sgd"] == "sgd: the rate alone (96 rates); it has no weight_decay and no beta1."
    assert space_text(ADAM) == "weight_decay of 0.001 to 0.5 (4 configurations, 48 lanes to begin with); it has no beta1"
    assert space_rows(SPACE).startswith("sgd: the rate alone")


def test_without_a_space_there_is_nothing_to_say(facts):
    plain = dataclasses.replace(facts, meta=facts.meta | {"protocol": {**facts.protocol, "search_space": None}})
    assert spaces(plain) == {}
    assert space_lines(plain) == []
    assert lane_values(facts.lanes[0], plain) == {}


def test_lanes_tell_what_they_had(facts):
    adam, sgd = (next(lane for lane in facts.lanes if lane.optimizer == name) for name in ("adam", "sgd"))
    assert lane_values(adam, facts) == {"weight_decay": 0.01}
    assert lane_values(sgd, facts) == {}


def test_the_sentence_the_ranking_and_the_lanes_name_what_was_tuned(tmp_path):
    path = tmp_path / "race.ravine"
    ranking = records_fixture.write(path, optimizers=("sgd", "adam"))
    with resume(path) as writer, open_record(path) as record:
        meta = record.meta
        writer.set_ranking(
            [dataclasses.replace(e, hypers={"weight_decay": 0.01} if e.optimizer == "adam" else {}) for e in ranking.entrants]
        )
        writer.set_meta("protocol", meta["protocol"] | {"search_space": SPACE})
        writer.set_meta("recommendation", meta["recommendation"] | {"hypers": {"weight_decay": 0.01}})
    with open_record(path) as record:
        assert "Use adam with lr=0.00316, weight_decay=0.01 and the" in sentence(read_facts(record)).replace("\n", " ")
        text = table(record).replace("\n", " ")
        assert "Settings: 9 an optimiser" in text
        assert "adam: weight_decay=0.01 of 0.001 to 0.5" in text
        lanes = lanes_text(record, width=200)
        assert lanes.split("\n", 2)[1].endswith("tuned")
        assert "weight_decay=0.01" in lanes


def test_a_budget_in_words():
    allowed = {"gradients": 40_000, "seconds": None, "decisions": {"extend": True, "refine": True}}
    assert budget_text(allowed) == "40,000 gradient evaluations"
    cut = {"gradients": 40_000, "seconds": 600.0, "decisions": {"extend": True, "refine": False, "seeds": 3}}
    assert budget_text(cut) == "600 s, 40,000 gradient evaluations by forecast; left out: refine"
