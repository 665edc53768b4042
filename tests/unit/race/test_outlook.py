"""What a race would take, without running it."""

import json

import pytest

from ravine.fleet import Choice, Fleet
from ravine.race.executors import WORKER_START_S, WORTH_WORKERS_S, available_cores
from ravine.race.halving import expected_share
from ravine.race.outlook import outlook
from ravine.race.plan import make_plan
from ravine.tasks import load

LINE = load("line")


@pytest.fixture(autouse=True)
def by_hand(monkeypatch):
    """A second for each of the lanes that are timed, tiles of four."""
    monkeypatch.setattr(
        Fleet, "calibrate", lambda self, lanes, steps, when: Choice("stacked", 4, "by hand", {}, float(len(lanes)), start_s=1.0)
    )
    monkeypatch.setattr(Fleet, "most_workers", lambda *_: 8)


def found(nodes=1, workers=2, **options):
    plan = make_plan(LINE, **({"optimizers": ["sgd", "adam"], "steps": 1000, "seeds": 3} | options))
    return plan, outlook(plan, workers=workers, nodes=nodes)


def test_every_stage_has_its_lanes_shards_and_gradients():
    plan, ours = found(nodes=4)
    stages = {stage.name: stage for stage in ours.stages}
    assert {name: stage.lanes for name, stage in stages.items()} == {"tune": 24, "refine": 4, "final": 12}
    assert stages["tune"].gradients == round(24_000 * expected_share(plan.rungs, 1000))
    assert stages["tune"].seconds == pytest.approx(24 * expected_share(plan.rungs, 1000))
    assert (stages["final"].gradients, stages["final"].seconds) == (12_000, 12.0)
    assert stages["tune"].shards == (6, 6, 6, 8), "tiles of four, unless there are more workers than such tiles"
    assert ours.gradients == sum(stage.gradients for stage in ours.stages)


def test_more_machines_take_less_until_each_lane_has_its_own():
    plan, ours = found(nodes=30, exhaustive=True)
    start = WORKER_START_S + 1.0
    # Two workers: 24 lanes in 6 tiles, 4 in 2, 12 in 4 of 3 or 4.
    assert ours.seconds[0] == pytest.approx(start + 12 + 2 + 6)
    assert all(more <= fewer for fewer, more in zip(ours.seconds, ours.seconds[1:], strict=False))
    assert ours.seconds[-1] == pytest.approx(start + 1 + 1 + 1)
    assert plan.rungs == ()
    assert found(workers=1, exhaustive=True)[1].seconds == (24.0 + 4.0 + 12.0,), "this process alone needs no start"


def test_one_machine_has_the_workers_that_the_race_would_start(monkeypatch):
    plan, short = found(nodes=2, workers="auto", exhaustive=True)
    cores = available_cores()
    assert short.workers == (cores if WORTH_WORKERS_S < 24.0 else 1, 2 * cores)
    monkeypatch.setattr("ravine.race.outlook.available_cores", lambda: 4)
    monkeypatch.setattr("ravine.race.executors.available_cores", lambda: 4)
    monkeypatch.setattr("ravine.race.executors.WORTH_WORKERS_S", 100.0)
    alone = outlook(plan, workers="auto", nodes=2)
    assert alone.workers == (1, 8), "a cluster's workers do everything, however short it is"
    assert alone.seconds[0] == pytest.approx(24.0 + 4.0 + 12.0), "nothing is started"
    assert [stage.shards[0] for stage in alone.stages] == [6, 1, 4]
    assert outlook(plan, workers=3, nodes=2).workers == (3, 6), "as many as were asked for"
    monkeypatch.setattr("ravine.race.executors.WORTH_WORKERS_S", 10.0)
    started = outlook(plan, workers="auto")
    assert started.workers == (4,)
    # 24 lanes in 6 tiles, then 4 and 12 shared by the workers that are there.
    assert started.seconds[0] == pytest.approx(WORKER_START_S + 1.0 + 8 + 1 + 3)


def test_given_rates_are_not_refined_and_a_shared_one_not_tuned():
    assert [stage.name for stage in found(lrs=[0.1, 0.01])[1].stages] == ["tune", "final"]
    shared = found(shared_lr=0.1)[1]
    assert [(stage.name, stage.lanes) for stage in shared.stages] == [("final", 6)]


def test_json_holds_the_same():
    ours = found(nodes=2)[1]
    facts = json.loads(json.dumps(ours.as_json(), allow_nan=False))
    assert facts["schema"] == 1
    assert [node["workers"] for node in facts["nodes"]] == [2, 4]
    assert facts["nodes"][0]["hours"] == pytest.approx(ours.seconds[0] / 3600, abs=1e-6)
    assert facts["gradients"] == ours.gradients
    assert facts["stages"][0]["shards"] == list(ours.stages[0].shards)
