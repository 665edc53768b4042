"""How many processes, and which executor."""

import pytest
import torch

from lane_models import lanes
from ravine.base.errors import InputError
from ravine.fleet import Choice, Fleet, WorkerPool
from ravine.race import executors
from ravine.race.executors import WORKER_START_S, Crew, available_cores, check_workers, longest_share
from ravine.tasks import Task, load

LINE = load("line")
MEMBERS = lanes(*[("sgd", {"lr": 0.1})] * 10)
CHOICE = Choice("native", 4, "", {}, 30.0)


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
    crew = Crew(Fleet(LINE), "auto")
    assert crew.size(5.0, 100) == (1, "")
    assert crew.size(500.0, 100) == (4, "")
    assert crew.size(500.0, 3) == (3, "")
    assert Crew(Fleet(LINE), 2).size(0.1, 100) == (2, "")


def test_a_task_that_cannot_travel_runs_here_and_says_so():
    count, note = Crew(Fleet(sealed()), 2).size(1.0, 100)
    assert count == 1
    assert "cannot be sent" in note
    assert Crew(Fleet(sealed()), "auto").size(1e9, 100) == (1, ""), "nobody asked, so nothing is said"


def test_one_worker_is_this_process():
    for task, count, kind in ((LINE, 1, Fleet), (LINE, 2, WorkerPool), (sealed(), 2, Fleet)):
        with Crew(Fleet(task), count) as crew:
            assert isinstance(crew.executor(count), kind)


def test_the_pool_stays_for_the_next_stage_and_ends_with_the_crew(monkeypatch):
    closed = []
    with Crew(Fleet(LINE), 3) as crew:
        pool = crew.executor(3)
        monkeypatch.setattr(pool, "close", lambda: closed.append(pool))
        assert crew.executor(2) is pool
        assert pool.num_workers == 2
        assert closed == []
    assert closed == [pool]


def test_a_task_is_fingerprinted_once(monkeypatch):
    taken = []
    monkeypatch.setattr(executors, "fingerprint", lambda task: taken.append(task) or b"mark")
    crew = Crew(Fleet(LINE), 2)
    assert crew.fingerprint == b"mark"
    crew.size(1.0, 10)
    crew.executor(2)
    assert len(taken) == 1


def test_there_is_a_core():
    assert available_cores() >= 1


@pytest.mark.parametrize(("tiles", "workers", "longest"), [([16, 16, 16], 2, 32), ([16, 16, 8, 8], 2, 24), ([5], 3, 5), ([3, 3, 3], 1, 9)])
def test_the_worker_with_most_to_do_decides_how_long_it_takes(tiles, workers, longest):
    assert longest_share(tiles, workers) == longest


def test_a_forecast_counts_the_start_of_workers_once(monkeypatch):
    members = lanes(*[("sgd", {"lr": 0.1})] * 10)
    choice = Choice("native", 4, "", {}, 30.0, 1.0, stretch=3.0)
    with Crew(Fleet(LINE), 2) as crew:
        assert crew.forecast(choice, members, 1) == 30.0
        # Three tiles of 3 or 4 lanes; one worker runs two of them.
        share = longest_share([len(tile) for tile in crew.fleet.tiles(members, choice, 2)], 2) / 10
        assert crew.forecast(choice, members, 2) == pytest.approx(3.0 * WORKER_START_S + 1.0 + 30.0 * share)
        crew.executor(2)
        assert crew.forecast(choice, members, 2) == pytest.approx(30.0 * share)


def test_workers_that_are_there_are_used_for_less(monkeypatch):
    monkeypatch.setattr(executors, "available_cores", lambda: 2)
    with Crew(Fleet(LINE), "auto") as crew:
        assert crew.size(5.0, 10) == (1, "")
        crew.executor(2)
        assert crew.size(5.0, 10) == (2, "")


class Far:
    """A cluster of four workers, each of which has memory for its own."""

    num_slots = 4

    def __init__(self):
        self.packed = []

    def site(self, task, mark):
        self.packed.append((task, mark))
        return type("Site", (), {"capacity": 2})()

    def fitting(self, one_process):
        return 3


def test_elsewhere_runs_every_lane_whatever_the_forecast():
    far = Far()
    with Crew(Fleet(sealed()), far) as crew:
        assert [mark for _, mark in far.packed] == [crew.fingerprint], "a task that cannot travel is known before a record is begun"
        assert crew.size(0.0, 100) == (4, "")
        assert crew.size(1e9, 3) == (3, "")
        assert crew.most_workers(MEMBERS, CHOICE, {}) == 3
        assert crew.forecast(CHOICE, MEMBERS, 1) > CHOICE.seconds, "even one worker must start"
        pool = crew.executor(1)
        assert isinstance(pool, WorkerPool)
        assert crew.executor(4) is pool
        assert pool.num_workers == 4


def test_elsewhere_is_for_the_cpu():
    fleet = Fleet(LINE)
    fleet.device = torch.device("meta")
    with pytest.raises(InputError, match="Use --device cpu"), Crew(fleet, Far()):
        pass


def test_a_race_begun_by_many_goes_on_with_as_many_processes_as_there_are_cores(monkeypatch):
    monkeypatch.setattr(executors, "available_cores", lambda: 2)
    with Crew(Fleet(LINE), "auto") as crew:
        pool = crew.executor(16)
        assert (pool.num_workers, pool._site.capacity) == (16, 2), "lanes are cut as they were, for the bits' sake"
    with Crew(Fleet(LINE), 3) as crew:
        assert crew.executor(16)._site.capacity == 3
