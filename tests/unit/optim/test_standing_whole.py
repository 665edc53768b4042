"""Native steps in two phases without looking everything up: the reference's numbers, whatever changes between steps."""

import copy
import pickle

import pytest
import torch

from ravine import optim
from ravine.fleet.native import toolchain
from ravine.optim import _native_whole, _standing_whole
from ravine.optim._standing_whole import StandingGroup

pytestmark = pytest.mark.skipif(toolchain.compiler() is None, reason="no C++ compiler")

SHAPES = ((6, 4), (5,), (4, 3))


class Run:
    """An optimizer by the native driver beside the same by the reference, fed the same gradients."""

    def __init__(self, name="lamb", **settings):
        self.mine, self.theirs = (
            [torch.nn.Parameter(torch.randn(shape, generator=torch.Generator().manual_seed(place))) for place, shape in enumerate(SHAPES)]
            for _ in range(2)
        )
        self.one, self.two = (
            optim.create(name, [{"params": params[:2]}, {"params": params[2:]}], driver=driver, **settings)
            for params, driver in ((self.mine, "native"), (self.theirs, "per_tensor"))
        )
        self.taken = 0

    def set(self, index, **settings):
        for optimizer in (self.one, self.two):
            optimizer.param_groups[index].update(settings)
        return self

    def step(self, times=1, without=(), layout=lambda g: g):
        for _ in range(times):
            self.taken += 1
            generator = torch.Generator().manual_seed(self.taken)
            for place, (p, q) in enumerate(zip(self.mine, self.theirs, strict=True)):
                g = torch.randn(p.shape, generator=generator) + 0.5 * q.detach()
                p.grad, q.grad = (None, None) if place in without else (layout(g), g.clone())
            self.one.step()
            self.two.step()
        return self

    def check(self):
        for p, q in zip(self.mine, self.theirs, strict=True):
            torch.testing.assert_close(p, q, rtol=2e-6, atol=1e-6)
            for key, value in self.two.state[q].items():
                torch.testing.assert_close(self.one.state[p][key], value, rtol=1e-5, atol=1e-6)
        for one, two in zip(self.one.param_groups, self.two.param_groups, strict=True):
            for key in (slot.key for slot in self.one.rule.slots if slot.of_lane):
                torch.testing.assert_close(one[key], two[key], rtol=1e-5, atol=0)
        return self

    @property
    def is_bound(self):
        return isinstance(self.one.__dict__.get("_bound_whole"), list)


@pytest.fixture(params=["lamb", "lamb clipped", "adafactor", "prodigy", "schedule_free_adamw", "adamw+clip"])
def run(request):
    name, *more = request.param.split()
    return Run(name, **({"max_grad_norm": 1.0} if more else {}))


def test_later_steps_are_bound_and_equal_the_reference(run, monkeypatch):
    assert run.step(2).is_bound
    monkeypatch.setattr(run.one, "_batches", None)  # what a bound step does not ask
    run.step(6).check()


def test_rates_may_change_and_gradients_come_and_go(run):
    run.step(3).set(0, lr=0.02).set(1, lr=0.02).step(2)
    run.step(1, without=(1,)).step(2).check()
    run.step(1, without=(2,)).step(1, without=(0, 1, 2)).step(2, layout=lambda g: g.t().contiguous().t() if g.ndim > 1 else g)
    run.step(2).check()


def test_a_frozen_group_is_no_hindrance():
    run = Run("prodigy").step(3, without=(2,))
    assert run.is_bound
    run.step(3).check()


def test_saved_and_copied_runs_go_on(run):
    run.step(3)
    with torch.no_grad():
        run.one.load_state_dict(copy.deepcopy(run.one.state_dict()))
        assert not run.is_bound
    assert "_bound_whole" not in pickle.loads(pickle.dumps(run.one)).__dict__
    run.step(3).check()
    assert run.is_bound


def exchange_a_slot(optimizer, params):
    own = optimizer.state[params[0]]
    key = next(key for key in own if key != "step" and own[key].numel() > 1)
    own[key] = own[key] * 0.5


def exchange_a_weight(optimizer, params):
    params[1].data = params[1].data * 2.0


def set_a_count_back(optimizer, params):
    optimizer.state[params[2]]["step"] = torch.tensor(1.0)


def lose_state(optimizer, params):
    del optimizer.state[params[0]]


@pytest.mark.parametrize("change", [exchange_a_slot, exchange_a_weight, set_a_count_back, lose_state], ids=lambda change: change.__name__)
def test_what_was_exchanged_is_seen(run, change):
    run.step(3)
    assert run.is_bound
    change(run.one, run.mine)
    change(run.two, run.theirs)
    run.step(3).check()


def test_climbing_is_left_to_the_usual_way():
    run = Run("lamb", max_grad_norm=1.0).step(3).set(0, maximize=True).step(2).check()
    assert not run.is_bound


def test_a_group_that_stands_still_does_not_lead():
    Run("prodigy").step(2).set(0, lr=0.0).step(3).check()


def test_skipped_steps_are_skipped():
    run = Run("adamw+clip", clip_norm=1.0).step(3)
    run.mine[0].grad[0, 0] = torch.nan
    before = [p.detach().clone() for p in run.mine]
    with pytest.warns(RuntimeWarning, match="the step was skipped"):
        run.one.step()
    assert run.is_bound
    assert all(map(torch.equal, before, run.mine))
    assert run.one.state[run.mine[0]]["step"] == 3
    run.one.param_groups[0]["skipped_steps"] = run.one.param_groups[1]["skipped_steps"] = torch.tensor(0.0)
    run.step(2).check()  # of a reference that has never seen the bad gradient


def test_autograd_hears_of_the_change(run):
    run.step(3)
    loss = (run.mine[0] * run.mine[0]).sum()
    run.one.step()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def test_an_update_without_code_is_taken_by_torch(monkeypatch):
    run = Run("prodigy").step(3)
    assert run.is_bound
    real = _native_whole.phase_of
    monkeypatch.setattr(_native_whole, "phase_of", lambda *given: None if given[2] == "update" else real(*given))
    run.step(2).check()


def test_what_has_no_native_code_is_not_tried_forever(monkeypatch):
    tried = []
    monkeypatch.setattr(_standing_whole, "_bind", lambda *given: tried.append(given))
    run = Run("lamb").step(6).check()
    assert len(tried) == 2
    assert run.one.__dict__["_bound_whole"] == 2


def test_rules_of_elements_and_matrices_are_left_to_others():
    for name in ("adamw", "soap", "sophia_h"):
        params = [torch.nn.Parameter(torch.randn(4, 3))]
        optimizer = optim.create(name, params, driver="native")
        for _ in range(3):
            params[0].grad = torch.ones(4, 3)
            optimizer.step()
        assert not any(isinstance(found, StandingGroup) for found in [optimizer.__dict__.get("_bound_whole", 0)])
        assert optimizer.__dict__["_bound_whole"] == 2
