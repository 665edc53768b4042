"""How many processes, and which executor."""

import pytest
import torch

from ravine.base.errors import InputError
from ravine.fleet import Fleet, WorkerPool
from ravine.race import executors
from ravine.race.executors import InProcess, available_cores, check_workers, choose_workers, make_executor
from ravine.tasks import Task, load

LINE = load("line")


def sealed():
    return Task("sealed", lambda: torch.nn.Linear(1, 1), LINE.data.train, LINE.data.validation, LINE.loss)


@pytest.mark.parametrize(("given", "found"), [("auto", None), (3, 3), ("2", 2)])
def test_workers_are_a_number_or_auto(given, found):
    assert check_workers(given) == found


@pytest.mark.parametrize("given", [0, -1, "many", "0"])
def test_other_numbers_of_workers_are_refused(given):
    with pytest.raises(InputError, match="workers="):
        check_workers(given)


def test_auto_starts_workers_only_where_the_forecast_says_that_it_pays(monkeypatch):
    monkeypatch.setattr(executors, "available_cores", lambda: 4)
    engine = Fleet(LINE)
    assert choose_workers("auto", engine, 5.0, 100) == (1, "")
    assert choose_workers("auto", engine, 500.0, 100) == (4, "")
    assert choose_workers("auto", engine, 500.0, 3) == (3, "")
    assert choose_workers(2, engine, 0.1, 100) == (2, "")


def test_a_task_that_cannot_travel_runs_here_and_says_so():
    count, note = choose_workers(2, Fleet(sealed()), 1.0, 100)
    assert count == 1
    assert "cannot be sent" in note
    assert choose_workers("auto", Fleet(sealed()), 1e9, 100) == (1, ""), "nobody asked, so nothing is said"


def test_one_worker_is_this_process():
    assert isinstance(make_executor(Fleet(LINE), 1), InProcess)
    assert isinstance(make_executor(Fleet(LINE), 2), WorkerPool)
    assert isinstance(make_executor(Fleet(sealed()), 2), InProcess)


def test_there_is_a_core():
    assert available_cores() >= 1
