"""A lane trained again by a plain loop: the fleet's numbers, and where it broke."""

import math

import numpy as np
import pytest
import torch
from torch.nn import functional

from doctor_tasks import healthy, network
from ravine.doctor.replay import Replay
from ravine.fleet import Choice, Evaluations, Fleet, Lane, LossBlock
from ravine.rules import resolve
from ravine.schedules import create


def lane(name="sgd", lr=0.1, schedule="constant", seed=2):
    rule, hypers = resolve(name, {"lr": lr})
    return Lane(4, rule, hypers, create(schedule), seed)


def replay(task=None, name="sgd", steps=30, **given):
    return Replay(task or healthy(), name, lane(name, **given), steps, 3)


def dropping():
    return torch.nn.Sequential(torch.nn.Linear(6, 16), torch.nn.ReLU(), torch.nn.Dropout(0.5), torch.nn.Linear(16, 4))


@pytest.mark.parametrize(
    ("name", "schedule", "model"), [("sgd", "constant", network), ("adamw", "cosine", network), ("muon", "constant", dropping)]
)
def test_it_takes_the_steps_that_the_fleet_takes(name, schedule, model):
    task = healthy(model)
    events = Fleet(task, race_seed=3).run([lane(name, 0.02, schedule)], 20, Evaluations({}, {}), Choice("loop", 1, "", {}, 0.0))
    losses = np.concatenate([event.losses[:, 0] for event in events if isinstance(event, LossBlock)])
    own = replay(task, name, 20, lr=0.02, schedule=schedule)
    own.advance(20)
    np.testing.assert_allclose(own.losses, losses, rtol=2e-5)


def test_a_lane_that_is_well_has_no_place():
    own = replay()
    own.advance(10)
    assert (own.broken, own.place) == (None, "")
    assert 0.5 < own.growth < 2
    assert len(own.rows) == 10
    assert all(0 < ratio < 1 for ratio in own.rows[-1][2])


def test_where_the_forward_breaks_is_named():
    class Logged(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.body = network()

        def forward(self, x):
            return torch.log(self.body(x))

    own = replay(healthy(Logged))
    own.advance(5)
    assert own.broken == 0
    assert own.place == "the output of the model (Logged)"
    assert not math.isfinite(own.losses[0])


def test_an_update_that_overflows_is_told_from_a_gradient():
    own = replay(healthy(loss=lambda output, target: functional.cross_entropy(output, target) * 1e3), lr=1e38)
    own.advance(10)
    assert own.broken == 0
    assert own.place.startswith("the update of the parameter ")
    assert own.growth == math.inf


def test_only_the_last_steps_are_watched():
    own = replay(steps=30)
    own.advance(12, watch_from=8)
    run = own.as_short_run(np.empty(0, dtype=np.int64), {})
    assert run.trajectory.steps.tolist() == [8, 9, 10, 11]
    assert len(run.trajectory.losses) == 12
