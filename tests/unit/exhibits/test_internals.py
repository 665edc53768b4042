"""Internals are the drop-in optimiser's own, step by step."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from ravine.base.errors import UnknownNameError
from ravine.exhibits._training import Settings, train
from ravine.exhibits.internals import internals_of
from ravine.rules import get
from ravine.tasks import create


@pytest.fixture(scope="module")
def task():
    return create("digits")


def rms(tensor):
    return float(tensor.double().square().mean().sqrt())


@pytest.mark.parametrize("name", ["adam", "muon", "adafactor", "adamw+ema"])
def test_they_equal_the_state_after_the_last_step(task, name):
    held = SimpleNamespace()
    train(task, Settings(name, 6), lambda moment: setattr(held, "last", moment))
    run, last = internals_of(task, name, 6), held.last
    assert run.names == tuple(last.named)
    slots = {slot.symbol: slot.key for slot in get(name).rule.slots if not slot.of_lane}
    assert set(run.states) <= set(slots)
    compared = 0
    for place, p in enumerate(last.named.values()):
        state = last.optimizer.state[p]
        for symbol, values in run.states.items():
            kept = state.get(slots[symbol])
            if kept is None or not kept.numel():
                assert np.isnan(values[-1, place])
            else:
                assert values[-1, place] == pytest.approx(rms(kept), rel=1e-12)
                compared += 1
    assert compared >= len(run.names)


def test_what_the_whole_model_shares_has_a_curve(task):
    run = internals_of(task, "prodigy", 4)
    assert {"d", "d_max", "r"} == set(run.shared)
    assert run.shared["d"].shape == (4,)


def test_plain_sgd_has_its_rate_at_every_entry(task):
    run = internals_of(task, "sgd", 3, lr=0.25)
    assert run.states == {}
    known = run.rates[np.isfinite(run.rates)]
    assert known == pytest.approx(0.25, rel=1e-3)
    assert run.updates == pytest.approx(0.25 * run.gradients, rel=1e-4)
    assert run.ratios[run.weights > 0] == pytest.approx((run.updates / run.weights)[run.weights > 0])


def test_adam_s_first_step_is_the_rate_everywhere(task):
    """Bias-corrected, its first step is lr times the gradient's sign."""
    run = internals_of(task, "adam", 1, lr=1e-3)
    # Of the last bias no entry's gradient is 0; elsewhere entries of unused inputs stay.
    assert run.updates[0, -1] == pytest.approx(1e-3, rel=1e-4)
    assert (run.updates[0] <= 1e-3 * 1.0001).all()
    low, _, high = run.rates[0, 0]
    assert high > 3 * low, "so that small gradients have large effective rates"


def test_parameters_without_a_gradient_are_empty():
    class Half(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.used, self.unused = torch.nn.Linear(2, 1), torch.nn.Linear(2, 1)

        def forward(self, x):
            return self.used(x)

    from ravine import Task

    pair = (torch.randn(8, 2), torch.randn(8, 1))
    run = internals_of(Task("half", Half, pair, pair, torch.nn.functional.mse_loss), "adam", 2)
    unused = run.names.index("unused.weight")
    assert np.isnan(run.gradients[:, unused]).all()
    assert np.isnan(run.states["m"][:, unused]).all()
    assert (run.updates[:, unused] == 0).all()
    plain = json.loads(json.dumps(run.summary(), allow_nan=False))
    assert plain["gradients"][0][unused] is None
    assert plain["parameters"][unused] == "unused.weight"


def test_settings_reach_the_optimiser(task):
    with pytest.raises(UnknownNameError, match="no setting of 'adam' is called 'beta9'"):
        internals_of(task, "adam", 1, hypers={"beta9": 0.5})
    slow, fast = (internals_of(task, "adam", 2, hypers={"beta2": beta}).states["v"][-1, 0] for beta in (0.999, 0.5))
    assert fast > 10 * slow
