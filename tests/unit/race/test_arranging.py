"""How stages are run."""

import pytest

from lane_models import lanes
from ravine.fleet import Choice, Evaluations, Fleet
from ravine.race.arranging import ON_THE_DISK, Arranging
from ravine.race.executors import Crew
from ravine.race.halving import expected_share
from ravine.race.plan import make_plan
from ravine.tasks import load

LINE = load("line")
MEMBERS = lanes(*[("sgd", {"lr": 0.01 * k}) for k in range(1, 13)])


@pytest.fixture
def fleet(monkeypatch):
    asked = []

    def calibrate(self, members, steps, evaluated=None):
        asked.append(len(members))
        return Choice("stacked", 4, "by hand", {"stacked": 1e-4}, 12.0)

    monkeypatch.setattr(Fleet, "calibrate", calibrate)
    found = Fleet(LINE)
    found.asked = asked
    return found


def arranging(fleet, engine, **options):
    plan = make_plan(LINE, **{"optimizers": ["sgd"], "steps": 1000, "seeds": 2} | options)
    splits = {"validation": LINE.data.validation}
    return Arranging(plan, Crew(fleet), splits, engine), Evaluations({}, {}), plan


def test_the_grid_is_measured_and_what_follows_it_runs_alike(fleet):
    engine = {}
    arrange, when, plan = arranging(fleet, engine)
    choice, num_workers, notes = arrange.arrange("tune", MEMBERS, when)
    assert (choice.mode, choice.tile, num_workers, notes) == ("stacked", 4, 1, [])
    assert choice.seconds == pytest.approx(12.0 * expected_share(plan.rungs, 1000)), "most rates end early"
    assert engine["tune"]["lane_s"] == 1.0
    again, *_ = arrange.arrange("refine", MEMBERS[:2], when)
    assert (again.mode, again.tile, again.seconds) == ("stacked", 4, 2.0)
    arrange.arrange("final", MEMBERS[:3], when)
    assert fleet.asked == [12, 3]
    assert engine["tune"]["race_s"] == pytest.approx(choice.seconds + 2 * 2 + 2), "two rates on two seeds, and two refined ones"


def test_every_rate_to_its_end_takes_its_time(fleet):
    arrange, when, _ = arranging(fleet, {}, exhaustive=True)
    assert arrange.arrange("tune", MEMBERS, when)[0].seconds == 12.0


def test_tiles_that_wait_count_as_held_or_are_parked(fleet):
    engine = {}
    arrange, when, _ = arranging(fleet, engine)
    arrange.arrange("tune", MEMBERS, when)
    held = fleet.held(MEMBERS, 0)
    assert held > 0
    assert engine["tune"]["memory_bytes"] == fleet.memory(MEMBERS, Choice("stacked", 4, ""), {"validation": LINE.data.validation}) + held
    assert engine["tune"]["parks"] is False
    fleet.room_bytes = 1
    assert fleet.held(MEMBERS, 0) is None
    assert arrange.arrange("tune", MEMBERS, when)[2] == [ON_THE_DISK]
    assert engine["tune"]["parks"] is True
    whole, when, _ = arranging(fleet, engine, exhaustive=True)
    assert whole.arrange("tune", MEMBERS, when)[2] == [], "without rungs nothing waits"
