"""Tiles that wait for each other: nothing moves, nothing changes by a bit, and lanes that end there stop."""

import dataclasses
import os
import pickle
import signal

import numpy as np
import pytest
import torch

from lane_models import LOOP, STACKED, fleet, lanes
from ravine.fleet import (
    Choice,
    Culled,
    Evaluated,
    Evaluations,
    Finished,
    Fleet,
    LossBlock,
    Past,
    Paused,
    Processes,
    Rungs,
    Saved,
    Snapshots,
    WorkerPool,
    pack,
)
from ravine.fleet.loop_tile import LoopTile
from ravine.fleet.rungs import in_step
from ravine.fleet.stacked_tile import StackedTile
from ravine.fleet.tile_run import TileRun
from ravine.tasks import load

STEPS, AT = 30, (5, 12)
MEMBERS = lanes(*((optimizer, {"lr": rate}, 1) for optimizer in ("sgd", "adam") for rate in (0.001, 0.01, 0.03)))
PAIRS = Choice("stacked", 2, "by hand")


def evaluations(problem):
    return Evaluations({"validation": frozenset({0, *AT, 20, STEPS})}, {"validation": problem.data.validation})


def culling(ended):
    """Rungs at which given lanes end: step -> numbers."""
    return Rungs(AT, lambda step: dict.fromkeys(ended.get(step, ()), f"ended at {step}"))


ENDED = {5: (0, 3), 12: (1, 4)}


def run(runner, problem, choice=PAIRS, past=None, rungs=None, disturb=None):
    """Lane -> losses and evaluated losses, without what comes after its end; and every event."""
    losses, values, events, ended = {}, {}, [], {}
    past = past or Past()
    for event in runner.run(MEMBERS, STEPS, evaluations(problem), choice, past, rungs=rungs):
        events.append(event)
        match event:
            case LossBlock():
                for lane, column in zip(event.lanes, event.losses.T, strict=True):
                    assert len(losses.setdefault(lane, [])) == event.first_step, "no step is told twice, none is left out"
                    losses[lane].extend(column.tolist())
            case Evaluated():
                values |= {(lane, event.step): value for lane, value in zip(event.lanes, event.values["loss"].tolist(), strict=True)}
            case Culled():
                ended |= dict.fromkeys(event.lanes, event.step)
            case Saved():
                past.snapshots.commit(event)
        if disturb is not None:
            disturb(event)
    assert sorted(lane for event in events if isinstance(event, Finished) for lane in event.lanes) == [lane.number for lane in MEMBERS]
    losses = {lane: np.array(column[: ended.get(lane, STEPS)]).tobytes() for lane, column in losses.items()}
    values = {(lane, step): value for (lane, step), value in values.items() if step <= ended.get(lane, STEPS)}
    return losses, values, events


@pytest.fixture(scope="module")
def engine():
    return fleet("linear")


@pytest.fixture(scope="module")
def plain(engine):
    return run(engine, engine.task)


def check(found, plain, ended=ENDED):
    """Lanes have the bits of the run without rungs, up to their end and no further."""
    last = {number: step for step, numbers in ended.items() for number in numbers}
    for lane, column in plain[0].items():
        assert found[0][lane] == column[: 8 * last.get(lane, STEPS)]
    expected = {(lane, step): value for (lane, step), value in plain[1].items() if step <= last.get(lane, STEPS)}
    assert found[1] == expected


@pytest.mark.parametrize("choice", [PAIRS, STACKED, LOOP], ids=["pairs", "one tile", "loop"])
def test_what_is_culled_stops_and_the_rest_has_the_same_bits(engine, choice):
    whole = run(engine, engine.task, choice)
    found = run(engine, engine.task, choice, rungs=culling(ENDED))
    check(found, whole)
    culls = [(event.step, event.lanes, event.reasons) for event in found[2] if isinstance(event, Culled)]
    assert culls == [(5, (0, 3), ("ended at 5", "ended at 5")), (12, (1, 4), ("ended at 12", "ended at 12"))]
    for event in found[2]:
        if isinstance(event, LossBlock) and event.first_step >= 12:
            assert all(np.isnan(event.losses[:, event.lanes.index(lane)]).all() for lane in (0, 1, 3, 4) if lane in event.lanes)


def test_every_tile_has_told_of_a_rung_before_it_is_decided(engine):
    seen, asked = set(), []

    def judge(step):
        asked.append((step, {lane for lane, at in seen if at == step}, max(at for _, at in seen)))
        return {}

    def disturb(event):
        if isinstance(event, Evaluated):
            seen.update((lane, event.step) for lane in event.lanes)

    run(engine, engine.task, rungs=Rungs(AT, judge), disturb=disturb)
    assert asked == [(step, set(range(6)), step) for step in AT]


def test_a_lane_that_was_culled_does_not_diverge(engine):
    events = run(engine, engine.task, STACKED, rungs=culling({5: (0, 2, 3)}))[2]
    assert not [event for event in events if type(event).__name__ == "Diverged"]


@pytest.mark.parametrize("mode", ["stacked", "loop"])
def test_a_culled_lane_takes_no_step_more(engine, mode):
    members = MEMBERS[:2] if mode == "stacked" else MEMBERS[:1]
    tile, number = engine._tile(members, mode, STEPS), members[0].number
    (place,) = [position for position, lane in enumerate(tile.lanes) if lane.number == number]
    rungs = Rungs((5,), decided={5: frozenset({number})})
    seen = {}
    for event in TileRun(tile, mode, STEPS, evaluations(engine.task), evaluate=engine.evaluate, rungs=rungs).events():
        if isinstance(event, Evaluated):
            seen[event.step] = [value.clone() for value in tile.parameters(place).values()]
    assert all(torch.equal(a, b) for a, b in zip(seen[5], seen[STEPS], strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(seen[0], seen[5], strict=True))


@pytest.mark.parametrize("choice", [PAIRS, LOOP], ids=["stacked", "loop"])
def test_tiles_that_are_parked_are_gone_and_come_back_with_the_same_bits(engine, choice, tmp_path, monkeypatch):
    import weakref

    alive, most = [], []
    for kind in (StackedTile, LoopTile):
        original = kind.__init__

        def remember(self, *arguments, original=original, **options):
            original(self, *arguments, **options)
            alive.append(weakref.ref(self))
            most.append(sum(ref() is not None for ref in alive))

        monkeypatch.setattr(kind, "__init__", remember)
    whole = run(engine, engine.task, choice)
    most.clear()
    past = Past(Snapshots(tmp_path / "s", "race"))
    found = run(engine, engine.task, choice, past, dataclasses.replace(culling(ENDED), parks=True))
    check(found, whole)
    assert max(most) <= 2, "one at work, and perhaps the one before it, not yet collected"
    assert sum(isinstance(event, Saved) for event in found[2]) >= 2 * len({event.lanes for event in found[2] if isinstance(event, Saved)})


def test_tiles_that_cannot_be_parked_are_held(engine, plain, tmp_path):
    (tmp_path / "s").write_text("in the way")
    past = Past(Snapshots(tmp_path / "s", "race"))
    check(run(engine, engine.task, past=past, rungs=dataclasses.replace(culling(ENDED), parks=True)), plain)


def test_a_tile_that_waits_is_saved_where_its_work_is_worth_it(engine, plain, tmp_path, monkeypatch):
    monkeypatch.setattr("ravine.fleet.snapshot.COST_SHARE", 1e9)
    past = Past(Snapshots(tmp_path / "s", "race"))
    found = run(engine, engine.task, past=past, rungs=culling(ENDED))
    check(found, plain)
    assert [event.step for event in found[2] if isinstance(event, Saved)][:1] == [5]
    assert {event.step for event in found[2] if isinstance(event, Saved)} >= set(AT)
    never = Past(Snapshots(tmp_path / "t", "race", float("inf")))
    assert not any(isinstance(event, Saved) for event in run(engine, engine.task, past=never, rungs=culling(ENDED))[2])


@pytest.mark.parametrize("at", AT)
def test_a_run_goes_on_from_snapshots_on_either_side_of_a_rung(engine, plain, tmp_path, monkeypatch, at):
    """One tile was saved at a rung before it was decided, the other begins anew."""
    monkeypatch.setattr("ravine.fleet.snapshot.COST_SHARE", 1e9)
    past = Past(Snapshots(tmp_path / "s", "race"))

    class Enough(Exception):
        pass

    def stop(event):
        if isinstance(event, Saved) and event.step == at:
            raise Enough

    with pytest.raises(Enough):
        run(engine, engine.task, past=past, rungs=culling(ENDED), disturb=stop)
    tail = {}
    for event in engine.run(MEMBERS, STEPS, evaluations(engine.task), PAIRS, past, rungs=culling(ENDED)):
        if isinstance(event, Saved):
            past.snapshots.commit(event)
        if isinstance(event, LossBlock):
            for lane, column in zip(event.lanes, event.losses.T, strict=True):
                tail.setdefault(lane, {}).update(enumerate(column.tolist(), event.first_step))
    for lane, column in plain[0].items():
        whole = np.frombuffer(column)
        for step, value in tail.get(lane, {}).items():
            if step < {0: 5, 3: 5, 1: 12, 4: 12}.get(lane, STEPS):
                assert value == whole[step]
            else:
                assert np.isnan(value)
    assert all(max(tail[lane]) == STEPS - 1 for lane in (2, 5)), "no more is told of a tile all of whose lanes have ended"


def test_a_tile_that_memory_halves_waits_as_one(engine, plain, monkeypatch):
    original = StackedTile.run

    def scarce(self, num_steps):
        if len(self.lanes) > 1 and self.lanes[0].number == 2:
            raise MemoryError
        return original(self, num_steps)

    monkeypatch.setattr(StackedTile, "run", scarce)
    scarce_engine = fleet("linear")
    found = run(scarce_engine, scarce_engine.task, Choice("stacked", 6, "by hand"), rungs=culling(ENDED))
    for lane, column in plain[0].items():
        assert len(found[0][lane]) == min(len(column), 8 * {0: 5, 3: 5, 1: 12, 4: 12}.get(lane, STEPS))


def test_rungs_travel_without_their_judge():
    rungs = culling(ENDED)
    assert rungs.verdict(5).lanes == (0, 3)
    other = pickle.loads(pickle.dumps(rungs.elsewhere()))
    assert (other.steps, other.decided) == (AT, {5: frozenset({0, 3})})
    assert other.judge(12) == {}


def test_runs_at_different_rungs_wait_for_the_last():
    """As where some go on from a snapshot behind a rung and others do not."""

    def early():
        yield "a"
        yield Paused((0,), 1)
        yield "b"
        yield Paused((0,), 2)
        yield "c"

    def late():
        yield "x"
        yield Paused((1,), 2)
        yield "y"

    assert list(in_step([early(), late()], lambda step: [step])) == ["a", "x", 1, "b", 2, "y", "c"]


@pytest.fixture(scope="module")
def line():
    return Fleet(load("line"))


@pytest.mark.slow
@pytest.mark.parametrize("kills", [(), (5,), (5, 12), (6,)], ids=["none", "at a rung", "at both", "between"])
def test_workers_wait_for_each_other_and_one_that_is_killed_is_made_up_for(line, tmp_path, kills):
    plain = run(line, line.task)
    past, left = Past(Snapshots(tmp_path / "s", "race", 0.0)), list(kills)
    with WorkerPool(line, 2, Processes(pack(line.task), 2)) as pool:

        def disturb(event):
            step = event.step if isinstance(event, Culled) else event.first_step if isinstance(event, LossBlock) else None
            if left and step is not None and step >= left[0]:
                left.pop(0)
                os.kill(pool._workers[0].link._process.pid, signal.SIGKILL)

        check(run(pool, line.task, past=past, rungs=culling(ENDED), disturb=disturb), plain)
        check(run(pool, line.task, rungs=culling({5: (2,)})), plain, {5: (2,)})
