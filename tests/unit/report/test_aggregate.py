"""Profiles over several races: each weighs the same, whoever is not in all of them is not compared."""

import json

import numpy as np
import pytest

import records_fixture
from ravine.records import create, open_record, resume
from ravine.records.profile import profile, profile_scores
from ravine.report import aggregate_summary, aggregate_text, profile_summary


def written(folder, name, task, **options):
    path = folder / f"{name}.ravine"
    records_fixture.write(path, **options)
    with resume(path) as writer:
        writer.set_meta("task", {"name": task, "rank_by": "loss", "higher_is_better": False})
    return open_record(path)


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    folder = tmp_path_factory.mktemp("aggregate")
    first = written(folder, "a", "one", optimizers=("sgd", "adam", "wild"), seeds=3)
    second = written(folder, "b", "two", optimizers=("adam", "adamw", "sgd"), seeds=5)
    with first, second:
        yield [first, second]


def test_a_single_race_gives_its_own_profile(records):
    alone, found = profile_summary(records[0]), aggregate_summary(records[:1])
    by_name = {entrant["optimizer"]: entrant for entrant in found["entrants"]}
    for entrant in alone["entrants"]:
        assert by_name[entrant["optimizer"]]["score"]["estimate"] == pytest.approx(entrant["score"]["estimate"])
        assert by_name[entrant["optimizer"]]["shares"] == pytest.approx(entrant["shares"])


def test_scores_are_means_over_races_of_those_entered_in_all(records):
    from ravine.report import read_facts
    from ravine.report.profiles import read_field

    found = aggregate_summary(records)
    assert found["relative_to"] == ["adam", "sgd"]
    assert found["not_in_every_race"] == ["adamw", "wild"]
    times = []
    for record in records:
        facts = read_facts(record)
        names = [entrant.optimizer for entrant in facts.ranking]
        times.append(read_field(record, facts).times[[names.index("adam"), names.index("sgd")]].reshape(2, -1))
    expected = np.mean([profile_scores(each) for each in times], axis=0)
    shares = np.mean([profile(each, [1.0]) for each in times], axis=0)
    for entrant, score, share in zip(found["entrants"], expected, shares, strict=True):
        assert entrant["score"]["estimate"] == pytest.approx(score)
        assert entrant["shares"]["1"] == pytest.approx(share[0])
        assert np.mean(list(entrant["scores"].values())) == pytest.approx(score)
    assert [entrant["optimizer"] for entrant in found["entrants"]] == ["adam", "sgd"]
    assert [entrant["top"] for entrant in found["entrants"]] == [2, 0]
    assert found["entrants"][0]["faster_than_best"] is None
    assert found["entrants"][1]["faster_than_best"]["estimate"] < 0.1


def test_it_is_strict_json_and_the_same_each_time(records):
    text = json.dumps(aggregate_summary(records), allow_nan=False)
    assert text == json.dumps(aggregate_summary(records), allow_nan=False)


def test_the_text_says_what_the_numbers_are_relative_to(records):
    text = " ".join(aggregate_text(records).split())
    assert "one 3 x 3, two 5 x 3" in text
    assert "relative to the field raced" in text
    assert "Not in every race, so not compared: adamw and wild." in text


def test_intervals_begin_at_eight_seeds(tmp_path):
    pair = [written(tmp_path, name, name, optimizers=("sgd", "adam"), seeds=8) for name in ("a", "b")]
    with pair[0], pair[1]:
        for entrant in aggregate_summary(pair)["entrants"]:
            assert entrant["score"]["low"] <= entrant["score"]["estimate"] <= entrant["score"]["high"]


def test_races_without_a_ranking_are_left_out_with_the_reason_and_none_left_says_so(records, tmp_path):
    create(tmp_path / "begun.ravine").close()
    with open_record(tmp_path / "begun.ravine") as begun:
        found = aggregate_summary([*records, begun])
        assert [each["name"] for each in found["left_out"]] == ["begun"]
        assert len(found["entrants"]) == 2
        assert "no entrant is ranked in all" in aggregate_text([begun])
        assert aggregate_summary([begun])["entrants"] == []


def test_races_of_one_task_are_named_by_their_files_and_many_have_no_columns_of_their_own(tmp_path):
    found = [written(tmp_path, name, "one", optimizers=("sgd", "adam"), seeds=2) for name in "abcde"]
    assert [race["name"] for race in aggregate_summary(found)["races"]] == list("abcde")
    assert "  a  " not in aggregate_text(found).splitlines()[1]
    for record in found:
        record.close()
