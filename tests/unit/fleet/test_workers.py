"""Shards, parcels, and processes that give the same numbers."""

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lane_models import lanes
from ravine.base.errors import TaskError
from ravine.fleet import Choice, Evaluations, Fleet, WorkerPool, pack
from ravine.fleet.workers import fingerprint, shard_lanes
from ravine.tasks import Task, load

CHOICE = Choice("stacked", 64, "by hand")


@given(
    seeds=st.lists(st.integers(0, 3), min_size=1, max_size=24), num_shards=st.integers(1, 5), size=st.integers(1, 9), by_seed=st.booleans()
)
def test_shards_hold_every_lane_once_and_none_is_empty(seeds, num_shards, size, by_seed):
    members = lanes(*((("sgd", "adam")[index % 2], {}, seed) for index, seed in enumerate(seeds)))
    shards = shard_lanes(members, num_shards, size, by_seed=by_seed)
    assert 1 <= len(shards) <= num_shards
    assert all(shards)
    assert sorted(lane.number for shard in shards for lane in shard) == list(range(len(seeds)))


def test_shards_are_about_equally_large():
    members = lanes(*(("sgd", {}, seed) for seed in range(40)))
    assert sorted(map(len, shard_lanes(members, 4, 5, by_seed=False))) == [10] * 4


def test_a_parcel_is_a_reference_or_a_pickle_or_nothing():
    line = load("line")
    assert pack(line).open().name == "line"
    data = line.data
    unpicklable = Task("mine", lambda: torch.nn.Linear(1, 1), data.train, data.validation, line.loss)
    assert pack(unpicklable) is None
    picklable = Task("mine", line.model, data.train, data.validation, line.loss, batch_size=7)
    assert pack(picklable).open().batch_size == 7


def test_a_parcel_keeps_the_batch_size_chosen_for_the_race():
    from dataclasses import replace

    assert pack(replace(load("line"), batch_size=9)).open().batch_size == 9


@pytest.mark.slow
def test_two_workers_give_the_numbers_of_one_process():
    problem = load("line")
    members = lanes(*((optimizer, {"lr": 0.01}, seed) for optimizer in ("sgd", "adam") for seed in (1, 2)))
    evaluations = Evaluations({"validation": frozenset({0, 10})}, {"validation": problem.data.validation})
    engine = Fleet(problem)
    found = []
    for runner in (engine, WorkerPool(pack(problem), engine, 2)):
        values = {}
        for event in runner.run(members, 10, evaluations, CHOICE):
            if type(event).__name__ == "LossBlock":
                values |= {lane: event.losses[:, index].tolist() for index, lane in enumerate(event.lanes)}
        found.append(values)
    assert found[0].keys() == found[1].keys() == {0, 1, 2, 3}
    assert all(np.allclose(found[0][lane], found[1][lane], rtol=1e-5) for lane in range(4))


@pytest.mark.slow
def test_a_worker_that_fails_tells_the_parent():
    problem = load("line")
    parcel = pack(problem)
    broken = dataclasses.replace(parcel, reference="no-such-task")
    evaluations = Evaluations({"validation": frozenset({0})}, {"validation": problem.data.validation})
    with pytest.raises(TaskError, match="no-such-task"):
        list(WorkerPool(broken, Fleet(problem), 2).run(lanes(("sgd", {})), 3, evaluations, CHOICE))


def test_the_fingerprint_sees_data_and_weights():
    line = load("line")
    other_data = dataclasses.replace(line, load=lambda: tuple((x + 1, y) for x, y in (line.data.train, line.data.validation)))
    other_model = dataclasses.replace(line, model=lambda: torch.nn.Linear(1, 1, bias=False))
    marks = {fingerprint(task) for task in (line, other_data, other_model)}
    assert len(marks) == 3
    assert fingerprint(load("line")) == fingerprint(line)


def test_a_task_that_comes_out_differently_is_refused():
    parcel = dataclasses.replace(pack(load("line")), reference="line:noise=0.5")
    with pytest.raises(TaskError, match="other data or other initial weights in a worker process"):
        parcel.open()


def test_a_changed_task_is_not_loaded_again_from_its_old_text():
    changed = dataclasses.replace(load("line"), model=lambda: torch.nn.Linear(1, 1, bias=False))
    assert changed.reference is None
    assert pack(changed) is None
