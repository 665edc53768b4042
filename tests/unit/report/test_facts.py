from dataclasses import replace

import pytest

import records_fixture
from ravine.records import create, open_record
from ravine.report import Facts, read_facts


@pytest.fixture(scope="module")
def facts(tmp_path_factory):
    path = tmp_path_factory.mktemp("record") / "race.ravine"
    records_fixture.write(path, seeds=2)
    with open_record(path) as record:
        return read_facts(record)


def test_facts_of_a_finished_race(facts):
    assert (facts.metric, facts.higher_is_better, facts.split, facts.status) == ("loss", False, "test", "done")
    assert facts.shared_lr is None
    assert facts.target == pytest.approx(facts.protocol["target"]["medium"])
    assert facts.recommendation["optimizer"] == facts.ranking[0].optimizer
    assert {lane.optimizer for lane in facts.diverged} >= {"wild"}
    lanes = facts.final_lanes(facts.ranking[0])
    assert [lane.seed for lane in lanes] == [1, 2]
    assert {lane.lr for lane in lanes} == {facts.ranking[0].lr}


def test_a_race_that_has_just_begun_has_facts_too(tmp_path):
    create(tmp_path / "a.ravine").close()
    with open_record(tmp_path / "a.ravine") as record:
        facts = read_facts(record)
    assert (facts.ranking, facts.lanes, facts.notes, facts.target, facts.recommendation) == ((), (), [], None, None)
    assert (facts.metric, facts.split) == ("loss", "test")


def test_a_plain_target_and_the_metric_of_an_unfinished_race():
    facts = Facts({"protocol": {"target": 0.5}, "task": {"rank_by": "accuracy", "higher_is_better": True}}, (), ())
    assert (facts.target, facts.metric, facts.higher_is_better) == (0.5, "accuracy", True)


def test_a_shared_rate_never_yields_a_recommendation(facts):
    shared = replace(facts, meta=facts.meta | {"protocol": {"shared_lr": 0.01}})
    assert shared.shared_lr == 0.01
    assert shared.recommendation is None
