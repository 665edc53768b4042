"""Rates of a loop: what schedules make of them, and what they make of the model."""

import numpy as np
import pytest

from ravine.doctor.checks_schedule import rate
from ravine.doctor.loop_log import Looked
from ravine.doctor.probe import Activation
from watched_loops import log, measured


def titles(found, *, is_whole=True):
    return [finding.title for finding in rate(found, is_whole).findings]


def test_a_rate_that_decays_to_nothing():
    steps = range(0, 600, 10)
    assert "the rate decays to nothing" in titles(log(rates=[(step, 0.1 * 0.9**step) for step in steps]))
    cosine = [(step, 0.05 * (1 + np.cos(np.pi * step / 600))) for step in steps]
    assert titles(log(rates=cosine)) == []


class Schedule:
    def __init__(self, last_epoch):
        self.last_epoch = last_epoch


@pytest.mark.parametrize(
    ("last_epoch", "peak", "is_whole", "is_found"),
    [(6, 1.0, True, True), (600, 1.0, True, False), (6, 0.1, True, False), (6, 1.0, False, False)],
)
def test_a_rate_that_never_leaves_its_warm_up(last_epoch, peak, is_whole, is_found):
    run = log(rates=[(step, 1e-4 * (step + 1)) for step in range(0, 600, 10)], schedule=Schedule(last_epoch), peak=peak)
    assert ("the rate never leaves its warm-up" in titles(run, is_whole=is_whole)) is is_found


def test_a_loss_that_blows_up():
    losses = np.linspace(2.0, 1.0, 600)
    high = losses.copy()
    high[300:] = 50.0
    assert "the rate is too high" in titles(log(losses=high.tolist()))
    hard = losses.copy()
    hard[300] = 30.0
    assert "the rate is too high" not in titles(log(losses=hard.tolist()))


def layers(*variances):
    return [Activation(f"{place}", "Linear", True, 1.0, variance) for place, variance in enumerate(variances)]


def collapsed(**changes):
    """A run that rewrites a tenth of its weights in its first step, and has lost its inputs at the second look."""
    given = {"late": 1e-9, "update": 0.1, "losses": np.full(600, 1.386), "rates": (0.1, 0.1), "start": 1.0} | changes
    looks = [
        Looked(
            100 * number, measured(updates=[given["update"]] * 2), 0.1, layers(1.0, given["start"] if number == 0 else given["late"], 1.0)
        )
        for number in range(6)
    ]
    rates = np.linspace(*given["rates"], 6)
    return log(looks=looks, losses=list(given["losses"]), rates=[(look.step, lr) for look, lr in zip(looks, rates, strict=True)])


COLD = "the first steps are too large: no warm-up"


def test_a_missing_warm_up_is_named_with_what_it_did():
    (found,) = rate(collapsed()).findings
    assert (found.severity, found.title) == ("error", COLD)
    assert "moves weights by 10% of their size; differences between inputs at 1 fell from 1 to 1e-09 by step 101" in found.measured


@pytest.mark.parametrize(
    "changes",
    [
        {"late": 0.1},
        {"update": 0.01},
        {"losses": np.linspace(2.0, 1.0, 600)},
        {"rates": (0.001, 0.1)},
        {"start": 1e-9, "late": 1e-13},
        {"losses": np.full(50, 1.386)},
    ],
    ids=["inputs are told apart", "small steps", "the loss falls", "warm-up", "lost from the start", "too few steps"],
)
def test_where_something_else_may_be_the_cause_no_warm_up_is_asked_for(changes):
    assert titles(collapsed(**changes)) == []


def improving(mode, *, best=0.3, cut=True, name="accuracy"):
    """A metric that gets better while the rate is cut."""
    schedule = Schedule(6)
    schedule.mode, schedule.best = mode, best
    values = np.linspace(0.3, 0.9, 6).tolist()
    rates = [0.1 * (0.1**n if cut else 1) for n in range(6)]
    return log(schedule=schedule, validations=[(100 * n, {name: value}) for n, value in enumerate(values)], validated_at=rates)


def test_a_schedule_that_looks_the_wrong_way():
    (found,) = rate(improving("min")).findings
    assert (found.severity, found.title) == ("warning", "the rate is cut while the run improves")
    assert "mode='min', and the best that it knows, 0.3, is the accuracy of an evaluation, which went from 0.3 to 0.9" in found.measured
    assert found.remedy.startswith("Give it mode='max', since higher is better for accuracy")


@pytest.mark.parametrize(
    "run",
    [improving("max"), improving("min", name="loss"), improving("min", best=0.31), improving("min", cut=False)],
    ids=["the right way", "a loss", "another metric", "no cut"],
)
def test_and_one_that_does_not(run):
    assert titles(run) == []
