"""Rungs: where they are, who goes on, and that it costs nothing but gradients that were not worth spending."""

import dataclasses
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from ravine.fleet import Choice, Fleet
from ravine.race.halving import LEAST, Candidate, Rung, can_halve, culls, expected_share, rungs_for, skipped
from ravine.race.plan import DEFAULT_OPTIMIZERS, evaluation_grid, make_plan
from ravine.race.running import run_race
from ravine.records import open_record
from ravine.tasks import Task

BROKEN, THIRD, NINTH = Rung(0.03, 25, 1), Rung(0.10, 100, 3), Rung(0.33, 325, 9)
RUNGS = (BROKEN, THIRD, NINTH)
STEPS = np.array([0, 25, 100, 325, 1000])
RATES = [10.0 ** (k / 2) for k in range(-12, 0)]


def rate(lr, *values, losses=None, diverged_at=None, start=2.0):
    """Values at the three rungs and the end; the last is repeated where fewer are given."""
    whole = np.array([start, *values, *[values[-1]] * (4 - len(values))])
    return Candidate(lr, STEPS, whole, whole if losses is None else np.array(losses), diverged_at)


def grid(values, **options):
    return [rate(lr, value, **options) for lr, value in zip(RATES, values, strict=False)]


def left(candidates, upto=1000, rungs=RUNGS):
    ended = culls(candidates, rungs, upto)
    return sorted(c.lr for c in candidates if c.lr not in ended and c.diverged_at is None)


def test_rungs_are_the_evaluations_nearest_to_their_shares():
    assert rungs_for(1000, evaluation_grid(1000)) == RUNGS
    assert [rung.step for rung in rungs_for(20_000, evaluation_grid(20_000))] == [500, 2000, 6500]


@pytest.mark.parametrize(("steps", "found"), [(12, []), (20, []), (40, [(0.33, 13, 3)]), (150, [(0.1, 15, 3), (0.33, 49, 9)])])
def test_rungs_that_come_too_early_to_tell_anything_are_left_out(steps, found):
    rungs = rungs_for(steps, evaluation_grid(steps))
    assert [(rung.share, rung.step, rung.part) for rung in rungs] == found
    assert skipped(rungs) == [share for share in (0.03, 0.1, 0.33) if share not in {share for share, *_ in found}]


def test_of_rungs_at_one_step_the_one_that_halves_stays():
    assert rungs_for(1000, [0, 100, 1000]) == (Rung(0.33, 100, 3),)
    assert rungs_for(1000, [0, 90, 330, 1000]) == (Rung(0.10, 90, 3), Rung(0.33, 330, 9))
    assert rungs_for(1000, [0, 1000]) == ()


def test_at_the_first_rung_nothing_but_broken_rates_end():
    candidates = [*grid([1.9, 1.8, 1.0, 3.9, 0.5]), rate(1.0, 4.1), rate(2.0, math.nan), rate(3.0, 0.1, losses=[2.0, math.inf, 1, 1, 1])]
    ended = culls(candidates, RUNGS, 25)
    assert set(ended) == {1.0, 2.0, 3.0}
    assert ended[1.0] == (25, "at 3 % of the horizon its loss was 4.1, from 2 at the start")


def test_a_third_goes_on_with_the_next_lower_rate_of_each():
    values = [3.9, 3.8, 3.7, 1.4, 1.3, 1.2, 1.1, 3.6, 3.5, 3.5, 3.5, 3.5]
    candidates = [rate(lr, 1.0, value, 1.0) for lr, value in zip(RATES, values, strict=True)]
    assert left(candidates, 100) == RATES[2:7], "four of twelve, and the one below the lowest of them"
    ended = culls(candidates, RUNGS, 100)
    assert ended[RATES[0]] == (100, "at 10 % of the horizon it was number 12 of 12 rates, of which 5 went on")


def test_at_the_last_rung_at_least_three_go_on():
    values = [3.9, 3.8, 3.7, 1.4, 1.3, 1.2, 1.1, 3.6, 3.5, 3.5, 3.5, 3.5]
    candidates = [rate(lr, 1.0, value) for lr, value in zip(RATES, values, strict=True)]
    assert left(candidates) == RATES[4:7], "two of twelve and the one below them"
    lonely = [rate(lr, 1.0, value) for lr, value in zip(RATES, [1.1, 1.2, 3, 3, 3, 1.3, 3, 3, 3, 3, 3, 3], strict=True)]
    assert left(lonely) == [RATES[0], RATES[1], RATES[5]], "the lowest has no neighbour, so that the third best fills up"


def test_the_next_lower_rate_is_the_next_that_runs():
    candidates = [rate(lr, 1.0, value) for lr, value in zip(RATES, [3.9, 3.8, 3.7, 3.6, 3.5, 3.5, 3.5, 3.5, 3.5, 3.5, 3.5, 1], strict=True)]
    diverged = [dataclasses.replace(c, diverged_at=50) if c.lr in RATES[8:11] else c for c in candidates]
    assert RATES[7] in left(diverged, 100)


def test_rates_that_diverged_count_as_lost_and_are_not_culled():
    candidates = [rate(lr, 1.0, diverged_at=40 if lr > 1e-4 else None) for lr in RATES]
    assert not {lr for lr in culls(candidates, RUNGS, 1000) if lr > 1e-4}
    late = [rate(lr, 1.0 + lr, diverged_at=200 if lr == RATES[3] else None) for lr in RATES]
    assert RATES[3] not in culls(late, RUNGS, 100), "at this rung it was one of the best"


def test_equal_metrics_are_told_apart_by_the_loss_and_then_in_favour_of_the_lower_rate():
    losses = {lr: [2.0, 1.0, 1.0 - lr, 1.0, 1.0] for lr in RATES}
    by_loss = [rate(lr, -0.9, losses=losses[lr]) for lr in RATES]
    assert left(by_loss, 100) == RATES[-5:]
    assert left([rate(lr, -0.9, losses=[2.0, 1, 1, 1, 1]) for lr in RATES], 100) == RATES[:4]


def test_three_rates_are_never_fewer():
    assert not can_halve(3)
    assert can_halve(4)
    assert culls(grid([1.0, 2.0, 3.0]), RUNGS, 1000) == {}
    assert len(left(grid([math.nan] * 12))) == LEAST, "even where all are broken: they may say more than nothing"


@given(st.data())
def test_a_decision_never_depends_on_what_came_later_or_on_the_order(data):
    number = data.draw(st.integers(1, 14))
    values = data.draw(st.lists(st.lists(st.floats(0, 10) | st.just(math.nan), min_size=4, max_size=4), min_size=number, max_size=number))
    ends = data.draw(st.lists(st.none() | st.integers(1, 1000), min_size=number, max_size=number))
    candidates = [rate(1e-6 * 10 ** (k / 2), *row, diverged_at=end) for k, (row, end) in enumerate(zip(values, ends, strict=True))]
    shuffled = data.draw(st.permutations(candidates))
    for rung in RUNGS:
        ended = culls(candidates, RUNGS, rung.step)
        cut = [dataclasses.replace(c, values=np.where(rung.step < STEPS, math.nan, c.values)) for c in shuffled]
        cut = [dataclasses.replace(c, diverged_at=None if c.diverged_at and c.diverged_at > rung.step else c.diverged_at) for c in cut]
        assert culls(cut, RUNGS, rung.step) == ended
        running = [c for c in candidates if c.diverged_at is None or c.diverged_at > rung.step]
        kept = [c for c in running if c.lr not in ended]
        assert len(kept) >= min(LEAST, len([c for c in running if ended.get(c.lr, (rung.step,))[0] >= rung.step]))


def test_the_expected_share_is_what_a_healthy_grid_spends():
    assert expected_share((), 1000) == 1.0
    candidates = [rate(lr, 1.0, abs(math.log10(lr) + 3)) for lr in RATES]
    spent = sum(culls(candidates, RUNGS, 1000).get(lr, (1000,))[0] for lr in RATES) / 12_000
    assert expected_share(RUNGS, 1000) == pytest.approx(spent, rel=0.25)


STREAM = torch.Generator().manual_seed(0)
X = torch.randn(220, 6, generator=STREAM)
CLASSES = (X[:, 0] * X[:, 1] > 0).long() + (X[:, 2] > 0.5).long()
LINEAR = X @ torch.randn(6, 1, generator=STREAM) + 0.3 * torch.randn(220, 1, generator=STREAM)


def split(y):
    return {name: (X[low:high], y[low:high]) for name, low, high in (("train", 0, 120), ("validation", 120, 170), ("test", 170, 220))}


TASKS = {
    "classes": Task("classes", lambda: nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3)), loss=F.cross_entropy, **split(CLASSES)),
    "line": Task("line", lambda: nn.Linear(6, 1), loss=F.mse_loss, **split(LINEAR)),
}
BOUND = 0.01
"""Regret of the rate that halving picks, on the way from the best back to the start."""


@pytest.fixture(scope="module", params=TASKS, ids=str)
def recorded(request, tmp_path_factory):
    """Validation curves of every rate of six optimisers, each run to its end."""
    task = dataclasses.replace(TASKS[request.param], batch_size=20)
    plan = make_plan(task, optimizers=list(DEFAULT_OPTIMIZERS), steps=120, seeds=1, exhaustive=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Fleet, "calibrate", lambda self, lanes, steps, evaluated=0: Choice("stacked", 64, "by hand", {}, 1.0))
        path = run_race(plan, tmp_path_factory.mktemp("recorded") / "a.ravine")
    found = {}
    with open_record(path) as record:
        for entrant in plan.entrants:
            lanes = [lane for lane in record.lanes(stage="tune", optimizer=entrant.label) if lane.lr in entrant.grid]
            curves = [(lane, *record.curve(lane.lane, "validation", "loss")) for lane in lanes]
            found[entrant.label] = [Candidate(lane.lr, steps, values, values, lane.diverged_at) for lane, steps, values in curves]
    return plan, found


def test_replayed_on_recorded_curves_halving_picks_as_good_a_rate_for_half_of_the_gradients(recorded):
    plan, found = recorded
    rungs, spent, whole = rungs_for(plan.steps, plan.evaluation_steps), 0, 0
    assert len(rungs) == 2, "at 12 and 40 steps"
    for candidates in found.values():
        ended = culls(candidates, rungs, plan.steps)
        finals = {c.lr: float(c.values[-1]) for c in candidates if c.diverged_at is None}
        best, picked = min(finals.values()), min(value for lr, value in finals.items() if lr not in ended)
        assert (picked - best) / (candidates[0].values[0] - best) <= BOUND
        last = {c.lr: c.diverged_at or plan.steps for c in candidates}
        whole += sum(last.values())
        spent += sum(min(end, ended.get(lr, (end, ""))[0]) for lr, end in last.items())
    assert spent <= 0.5 * whole


def test_the_next_lower_rate_is_one_of_the_same_group():
    """Two groups of six: the best is the third of the second group, whose second goes on; its first group's better ones do not."""
    values = [3.9, 3.8, 3.7, 3.6, 1.2, 3.5]
    groups = [(0, values), (1, [3.9, 3.8, 1.1, 3.4, 3.3, 3.2])]
    candidates = [
        dataclasses.replace(rate(lr, 1.0, value, value), group=group, number=100 * group + place)
        for group, own in groups
        for place, (lr, value) in enumerate(zip(RATES, own, strict=False))
    ]
    ended = culls(candidates, (BROKEN, NINTH), 1000)
    assert sorted({c.number for c in candidates} - set(ended)) == [3, 4, 101, 102]
    assert ended[5] == (325, "at 33 % of the horizon it was number 6 of 12 lanes, of which 4 went on")
