"""Profiles of a record: the times they rest on, what they say, and what they refuse."""

import json
import math

import numpy as np
import pytest

import records_fixture
from ravine.base.errors import InputError
from ravine.records import create, open_record, steps_to_target
from ravine.records.profile import profile_scores
from ravine.report import profile_summary, profile_text, read_facts
from ravine.report.profiles import read_field


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    path = tmp_path_factory.mktemp("profiles") / "race.ravine"
    records_fixture.write(path)
    return path


@pytest.fixture
def record(path):
    with open_record(path) as record:
        yield record


def test_times_are_those_of_the_ranked_lanes(record):
    facts = read_facts(record)
    field = read_field(record, facts)
    assert list(field.targets) == ["tight", "medium", "loose"]
    assert field.times.shape == (len(facts.ranking), 5, 3)
    for entrant, times in zip(facts.ranking, field.times, strict=True):
        assert np.isfinite(times[:, 1]).sum() == entrant.steps_to_target.reached
        for lane, row in zip(facts.final_lanes(entrant), times, strict=True):
            steps, values = record.curve(lane.lane, "test", "loss")
            wanted = math.inf if lane.status == "diverged" else steps_to_target(steps, values, field.targets["medium"])
            assert row[1] == wanted


def test_the_summary_is_strict_json_and_agrees_with_the_profile(record):
    found = profile_summary(record)
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    field = read_field(record, read_facts(record))
    scores = profile_scores(field.times.reshape(len(field.times), -1))
    np.testing.assert_allclose([entrant["score"]["estimate"] for entrant in found["entrants"]], scores)
    assert (found["used"], found["seeds"]) == ("medium", [1, 2, 3, 4, 5])


def test_who_beats_whom_is_what_the_fixture_made(record):
    found = {entrant["optimizer"]: entrant for entrant in profile_summary(record)["entrants"]}
    assert found["adam"]["faster_than"]["sgd"]["estimate"] == 1
    assert found["adam"]["better_than"]["sgd"]["estimate"] == 1
    assert found["sgd"]["faster_than"]["adam"]["estimate"] == 0
    # Equal by construction: all five seeds fell to one side by chance, and the interval does not take that for certain.
    assert found["adam"]["better_than"]["adamw"]["estimate"] == 0
    assert found["adam"]["better_than"]["adamw"]["high"] > 0.2
    assert found["wild"]["score"]["estimate"] == 0
    assert found["wild"]["reached"] == 0
    assert found["adam"]["faster_than"]["sgd"]["low"] < 0.8


def test_the_table_fits_and_says_that_it_is_relative(record):
    text = profile_text(record)
    assert max(map(len, text.splitlines())) <= 100
    assert "relative to the field" in text
    assert "5 seeds x 3 targets" in text
    assert all(name in text for name in ("adam", "sgd", "wild"))


def test_higher_is_better_is_turned(tmp_path):
    """The same race by a metric that is the loss with its sign turned."""
    found = []
    for sign in (1, -1):
        path = tmp_path / f"race{sign}.ravine"
        records_fixture.write(path, optimizers=("sgd", "adam"))
        with create_copy(path, sign) as record:
            found.append(profile_summary(record)["entrants"])
    plain, turned = ([(one["optimizer"], one["score"], one["better_than"]) for one in entrants] for entrants in found)
    assert plain == turned


def create_copy(path, sign):
    """The record with its losses, targets and direction turned by `sign`."""
    import sqlite3

    connection = sqlite3.connect(path)
    if sign < 0:
        connection.execute("UPDATE evaluations SET value = -value WHERE metric = (SELECT metric FROM metrics WHERE name = 'loss')")
        task, protocol = (
            json.loads(connection.execute("SELECT value FROM meta WHERE key = ?", [key]).fetchone()[0]) for key in ("task", "protocol")
        )
        task["higher_is_better"] = True
        protocol["target"] |= {name: -protocol["target"][name] for name in ("tight", "medium", "loose", "used")}
        for key, value in (("task", task), ("protocol", protocol)):
            connection.execute("UPDATE meta SET value = ? WHERE key = ?", [json.dumps(value), key])
        connection.commit()
    connection.close()
    return open_record(path)


def test_an_unranked_record_has_no_profile(tmp_path):
    with create(tmp_path / "young.ravine"):
        pass
    with open_record(tmp_path / "young.ravine") as record, pytest.raises(InputError, match="no ranking yet"):
        profile_summary(record)


def test_a_race_without_targets_has_no_profile(tmp_path):
    records_fixture.write(tmp_path / "wild.ravine", optimizers=("wild",))
    with open_record(tmp_path / "wild.ravine") as record, pytest.raises(InputError, match="no target"):
        profile_summary(record)
