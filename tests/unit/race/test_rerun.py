"""A lane of a record, made again: the same rule, hypers, schedule and steps as when it was raced."""

import pytest

from ravine.base.errors import InputError
from ravine.fleet.parcel import fingerprint
from ravine.race.entrants import Setting, make_entrants
from ravine.race.rerun import check_task, rerun
from ravine.tasks import load

PROTOCOL = {"batch_size": 16, "steps": 40, "race_seed": 5}


@pytest.fixture(scope="module")
def task():
    return load("line:noise=0.5")


@pytest.mark.parametrize("name", ["sgd", "nesterov", "adamw+cosine", "adam+clip", "lion"])
def test_a_lane_is_the_one_that_was_raced(task, name):
    (entrant,) = make_entrants([name], [0.1], None)
    raced = entrant.entry("tune", 7, Setting(0.1), 3)
    again = rerun(raced.row, task, PROTOCOL | {"batch_size": task.rows_per_step})
    assert again.lane.rule.key == raced.lane.rule.key
    assert dict(again.lane.hypers) == dict(raced.lane.hypers)
    assert (again.lane.number, again.lane.seed, again.steps, again.race_seed) == (7, 3, 40, 5)
    assert [float(again.lane.schedule(step, 40)) for step in (0, 20)] == [float(raced.lane.schedule(step, 40)) for step in (0, 20)]
    assert again.task is task


def test_its_own_batch_size_and_warmup_are_its_own(task):
    (entrant,) = make_entrants(["sgd"], [0.1], None)
    row = entrant.entry("tune", 0, Setting(0.1), 0).row
    whole = task.rows_per_step
    own = rerun(
        row.__class__(
            **{n: getattr(row, n) for n in row.__dataclass_fields__} | {"hypers": {**row.hypers, "batch_size": whole // 2, "warmup": 0.5}}
        ),
        task,
        {"batch_size": whole, "steps": 40, "race_seed": 0},
    )
    assert own.task.rows_per_step == whole // 2
    assert own.steps == 80
    assert float(own.lane.schedule(0, 80)) < float(own.lane.schedule(60, 80))


def test_a_task_that_was_changed_is_told(task):
    check_task(task, {"plan": {"fingerprint": fingerprint(task).hex()}})
    with pytest.raises(InputError, match="other data or other initial weights than when it was raced"):
        check_task(load("line:noise=0.1"), {"plan": {"fingerprint": fingerprint(task).hex()}})
