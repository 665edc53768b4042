"""Tasks on their way to another process."""

import dataclasses

import pytest
import torch

from ravine.base.errors import TaskError
from ravine.fleet import fingerprint, pack
from ravine.tasks import Task, load


def test_a_parcel_is_a_reference_or_a_pickle_or_nothing():
    line = load("line")
    assert pack(line).open().name == "line"
    data = line.data
    unpicklable = Task("mine", lambda: torch.nn.Linear(1, 1), data.train, data.validation, line.loss)
    assert pack(unpicklable) is None
    picklable = Task("mine", line.model, data.train, data.validation, line.loss, batch_size=7)
    assert pack(picklable).open().batch_size == 7


def test_a_parcel_keeps_the_batch_size_chosen_for_the_race():
    assert pack(dataclasses.replace(load("line"), batch_size=9)).open().batch_size == 9


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


def test_a_known_fingerprint_is_not_taken_again(monkeypatch):
    monkeypatch.setattr("ravine.fleet.parcel.fingerprint", None)
    assert pack(load("line"), b"known").fingerprint == b"known"
