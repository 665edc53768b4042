import math

import pytest

import records_fixture
from ravine.records import open_record, resume
from ravine.report import read_facts
from ravine.report.seed_figure import reached_by_seed, seeds_figure


@pytest.fixture(scope="module")
def record(tmp_path_factory):
    path = tmp_path_factory.mktemp("seeds") / "race.ravine"
    records_fixture.write(path)
    with open_record(path) as opened:
        yield opened


def test_the_numbers_are_those_of_the_ranking(record):
    facts = read_facts(record)
    found = reached_by_seed(record, facts)
    assert list(found) == [entrant.optimizer for entrant in facts.ranking]
    for entrant in facts.ranking:
        times = sorted(one.steps for one in found[entrant.optimizer])
        assert sum(map(math.isfinite, times)) == entrant.steps_to_target.reached
        assert (None if math.isinf(times[2]) else times[2]) == entrant.steps_to_target.median
    assert {one.text for one in found["wild"]} == {"diverged at step 5"}
    assert [one.text for one in found["sgd"]].count("never") == 4


def test_never_reached_stands_apart_and_every_seed_has_a_mark(record):
    facts = read_facts(record)
    reached = reached_by_seed(record, facts)
    (axes,) = seeds_figure(facts, reached).axes
    marks = [line for line in axes.lines if line.get_marker() != "|"]
    assert len(marks) == 5 * len(reached)
    hollow = [line for line in marks if line.get_markerfacecolor() == "none"]
    assert len(hollow) == 9
    assert min(float(line.get_xdata()[0]) for line in hollow) > facts.protocol["steps"]
    assert {line.get_marker() for line in hollow} == {"x", "s"}
    assert sum(line.get_marker() == "|" for line in axes.lines) == 2
    assert [label.get_text() for label in axes.get_yticklabels()] == list(reached)


def test_without_a_target_there_is_nothing(tmp_path):
    records_fixture.write(tmp_path / "a.ravine", optimizers=("sgd", "adam"), seeds=2)
    with resume(tmp_path / "a.ravine") as writer:
        writer.set_meta("protocol", {"steps": 400, "split": "test", "target": None})
    with open_record(tmp_path / "a.ravine") as record:
        assert reached_by_seed(record, read_facts(record)) == {}
