"""A fleet's own duties: what it reports, when, and what it leaves untouched."""

import random

import numpy as np
import pytest
import torch

from lane_models import LOOP, STACKED, Run, fleet, lanes, task
from ravine.fleet import Choice, Diverged, Evaluated, Evaluations, Finished, Fleet, LossBlock, Started
from ravine.fleet.memory import forecast
from ravine.fleet.tile_run import quiet_threads


def flushes():
    return float(torch.tensor(1e-40) * 1.0) == 0.0


def surroundings():
    return torch.get_num_threads(), flushes(), torch.get_rng_state().tolist(), np.random.get_state()[1].tolist(), random.getstate()  # noqa: NPY002


@pytest.fixture
def callers_settings():
    """Settings that differ from the fleet's own, put back afterwards."""
    threads, flush = torch.get_num_threads(), flushes()
    torch.set_num_threads(2)
    torch.set_flush_denormal(False)
    yield surroundings()
    torch.set_num_threads(threads)
    torch.set_flush_denormal(flush)


@pytest.mark.parametrize("choice", [STACKED, LOOP], ids=["stacked", "loop"])
def test_the_callers_streams_threads_and_denormals_are_as_before_at_every_event(choice, callers_settings):
    engine = fleet("cnn")
    evaluations = Evaluations({"validation": frozenset({0, 2, 5})}, {"validation": engine.task.data.validation})
    for _ in engine.run(lanes(("sgd", {"lr": 0.1}), ("adam", {})), 5, evaluations, choice):
        assert surroundings() == callers_settings
    assert surroundings() == callers_settings


def test_settings_are_put_back_after_an_error(callers_settings):
    def interrupted():
        with quiet_threads():
            assert (torch.get_num_threads(), flushes()) == (1, True)
            torch.manual_seed(3)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert surroundings() == callers_settings


def test_denormals_stay_flushed_where_the_caller_flushes_them(callers_settings):
    torch.set_flush_denormal(True)
    with quiet_threads():
        assert flushes()
    assert flushes()


def test_the_users_data_stays_as_it_is():
    problem = task("cnn")
    before = [leaf.clone() for leaf in (*problem.data.train, *problem.data.validation)]
    Run(fleet("cnn"), lanes(("sgd", {"lr": 1e30})), STACKED, 5, at=(0, 5))
    assert all(torch.equal(a, b) for a, b in zip(before, (*problem.data.train, *problem.data.validation), strict=True))


def test_events_come_in_order_and_splits_are_evaluated_on_their_own_steps():
    engine = fleet("linear")
    at = {"test": frozenset({0, 2, 4}), "validation": frozenset({4})}
    splits = {"test": engine.task.data.train, "validation": engine.task.data.validation}
    events = list(engine.run(lanes(("sgd", {}), ("adam", {})), 4, Evaluations(at, splits), STACKED))
    assert [type(event) for event in events] == [Started, Evaluated, LossBlock, Evaluated, LossBlock, Evaluated, Evaluated, Finished]
    assert [(event.step, event.split) for event in events if isinstance(event, Evaluated)] == [
        (0, "test"),
        (2, "test"),
        (4, "test"),
        (4, "validation"),
    ]
    assert [(event.first_step, len(event.losses)) for event in events if isinstance(event, LossBlock)] == [(0, 2), (2, 2)]
    assert events[0] == Started((1, 0), "stacked"), "arranged by rule"
    assert set(events[1].values) == {"loss", "accuracy"}
    assert all(value.dtype == np.float64 for value in events[1].values.values())
    assert events[-1].seconds > 0


def test_steps_after_the_last_evaluation_are_taken_as_well():
    run = Run(fleet("linear"), lanes(("sgd", {})), STACKED, 6, at=(0, 2))
    assert len(run.losses[0]) == 6


def test_evaluations_are_means_over_the_split_in_evaluation_mode():
    engine = fleet("cnn")
    run = Run(engine, lanes(("sgd", {"lr": 0.1}, 5)), STACKED, 2, at=(0, 2))
    objective, split = engine.model(5).eval(), engine.task.data.validation
    with torch.no_grad():
        for metric, value in objective(split, evaluate=True).items():
            assert run.values[0][0, metric] == pytest.approx(float(value), rel=1e-7)


@pytest.mark.parametrize("choice", [STACKED, LOOP], ids=["stacked", "loop"])
def test_when_every_lane_has_diverged_the_run_still_ends_in_order(choice):
    run = Run(fleet("mlp", torch.float32), lanes(("sgd", {"lr": 1e38}), ("sgd", {"lr": 3e38})), choice)
    assert sorted(event.lane for event in run.events if isinstance(event, Diverged)) == [0, 1]
    for number in (0, 1):
        assert np.isfinite(run.values[number][0, "loss"])
        assert np.isnan([run.values[number][step, "loss"] for step in (7, 20)]).all()
        assert len(run.losses[number]) == 7, "no block is reported in which nothing ran"


def test_a_loop_runs_lane_by_lane_whatever_tile_is_asked_for():
    run = Run(fleet("linear"), lanes(("sgd", {}), ("adam", {})), Choice("loop", 64, "by hand"), 2, at=(2,))
    assert [event.lanes for event in run.events if isinstance(event, Started)] == [(1,), (0,)]


def test_a_batch_is_at_most_the_split():
    assert fleet("linear").batch_size == 4
    assert fleet("linear", batch_size=None).batch_size == 22
    assert fleet("linear", batch_size=1000).batch_size == 22


def test_another_training_split_can_be_given():
    data = task("linear").data
    assert Fleet(task("linear", batch_size=None), train=data.validation).batch_size == 10


def test_marks_hold_every_evaluation_and_the_end():
    assert Evaluations({"a": frozenset({0, 3}), "b": frozenset({3, 5})}, {}).marks(9) == [0, 3, 5, 9]


def test_the_first_batch_alone_does_not_decide_what_blowing_up_means():
    """Batches of one row whose loss is by chance 1e-9 of the split's: a lane that stands still is healthy."""
    from torch import nn

    from ravine.tasks import Task

    x = torch.cat([torch.full((1, 1), 1e-5), torch.ones(40, 1)])
    problem = Task(
        "lucky",
        lambda: nn.Linear(1, 1, bias=False),
        (x,),
        (x,),
        step=lambda model, batch: (0 * model(batch[0]) + batch[0]).square().mean(),
        batch_size=1,
    )
    seed = next(s for s in range(500) if int(Fleet(problem)._tile(lanes(("sgd", {}, s)), "loop", 1)._orders[s].take(1)) == 0)
    run = Run(Fleet(problem), lanes(("sgd", {"lr": 1e-3}, seed)), LOOP, 80, at=(0, 80))
    assert run.losses[0][0] < 1e-9
    assert not [event for event in run.events if isinstance(event, Diverged)]


def test_the_memory_forecast_counts_data_and_the_largest_tile():
    engine = fleet("linear")
    members = lanes(("sgd", {}), ("adam", {}))
    splits = {"validation": engine.task.data.validation}
    held = sum(leaf.nbytes for tree in (engine.train, splits["validation"]) for leaf in tree)
    footprint = engine.support.footprint
    for choice, tiles in ((STACKED, [members[::-1]]), (LOOP, [members[:1], members[1:]])):
        assert engine.memory(members, choice, splits) == forecast(footprint, tiles, held, choice.mode, evaluated=10)


def test_a_lane_that_would_diverge_is_timed_like_any_other():
    """A diverged lane stops early, which must not be taken for speed."""
    engine = fleet("mlp", torch.float32)
    healthy, doomed = (engine.calibrate(lanes(("sgd", {"lr": lr})), 4).measured["loop"] for lr in (1e-3, 1e38))
    assert doomed > healthy / 10


def test_a_mode_that_is_out_of_the_question_is_not_tried_and_says_why():
    choice = fleet("mlp").calibrate(lanes(("sgd", {})), 4, without={"stacked": "told so"})
    assert {trial.mode: trial.why_not for trial in choice.trials}["stacked"] == "told so"
    assert "stacked" not in choice.measured


def test_calibration_leaves_no_trace_in_the_run():
    engine = fleet("cnn")
    members = lanes(("sgd", {"lr": 0.1}), ("adam", {}))
    before = Run(engine, members, STACKED, 4, at=(4,))
    choice = engine.calibrate(members, 4, Evaluations({"validation": frozenset({4})}, {"validation": engine.task.data.validation}))
    assert choice.mode in ("loop", "stacked")
    assert set(choice.measured) == {"loop", "stacked"}
    after = Run(engine, members, STACKED, 4, at=(4,))
    assert before.losses == after.losses
