import json

import pytest

import records_fixture
from ravine.records import create, open_record
from ravine.report import summary


def test_a_finished_race_has_exactly_the_fields_of_schema_1(tmp_path):
    ranking = records_fixture.write(tmp_path / "a.ravine", seeds=2)
    with open_record(tmp_path / "a.ravine") as record:
        found = summary(record)
    assert list(found) == ["schema", "task", "protocol", "ranking", "recommendation", "lanes", "diverged", "culled", "findings", "wall_s"]
    assert found["schema"] == 1
    assert found["ranking"] == [entrant.as_json() for entrant in ranking.entrants]
    assert list(found["recommendation"]) == ["optimizer", "lr", "schedule", "hypers", "tied_with", "sentence"]
    assert found["recommendation"]["optimizer"] == ranking.recommended.optimizer
    assert found["recommendation"]["tied_with"] == list(ranking.recommended.tied_with)
    assert found["lanes"] == 4 * (len(records_fixture.RATES) + 2 * 2)
    assert found["diverged"] == sum(records_fixture.breaks(name, lr) for name in records_fixture.TRUTH for lr in records_fixture.RATES) + 4
    assert found["wall_s"] == 12.5
    json.dumps(found, allow_nan=False)


@pytest.mark.parametrize("shared", [True, False])
def test_without_a_recommendation_its_fields_are_null(tmp_path, shared):
    path = tmp_path / "a.ravine"
    if shared:
        records_fixture.write(path, optimizers=("sgd", "adam"), seeds=2, shared_lr=0.01)
    else:
        create(path).close()
    with open_record(path) as record:
        found = summary(record)
    advice = found["recommendation"]
    assert (advice["optimizer"], advice["lr"], advice["schedule"], advice["tied_with"]) == (None, None, None, [])
    assert advice["sentence"]
    assert bool(found["ranking"]) == shared
    json.dumps(found, allow_nan=False)
