import copy
import gc
import pickle
import weakref

import pytest
import torch

from ravine import optim
from ravine.fleet.native import TensorsUpdate, toolchain
from ravine.optim._standing import Standing

pytestmark = pytest.mark.skipif(toolchain.compiler() is None, reason="no C++ compiler")

SHAPES = ((64, 128), (5,), (2, 3, 4, 4))


class Run:
    """An optimizer by the native driver beside the same by the reference, fed the same gradients."""

    def __init__(self, kind=optim.AdamW, **settings):
        self.settings = {"lr": 0.01, **settings}
        self.mine, self.theirs = (
            [torch.nn.Parameter(torch.randn(shape, generator=torch.Generator().manual_seed(place))) for place, shape in enumerate(SHAPES)]
            for _ in range(2)
        )
        self.one, self.two = kind(self.mine, driver="native", **self.settings), kind(self.theirs, driver="per_tensor", **self.settings)
        self.taken = 0

    def step(self, times=1, without=(), layout=lambda g: g):
        for _ in range(times):
            self.taken += 1
            generator = torch.Generator().manual_seed(self.taken)
            for place, (p, q) in enumerate(zip(self.mine, self.theirs, strict=True)):
                g = torch.randn(p.shape, generator=generator)
                p.grad, q.grad = (None, None) if place in without else (layout(g), g.clone())
            self.one.step()
            self.two.step()
        return self

    def check(self):
        for p, q in zip(self.mine, self.theirs, strict=True):
            torch.testing.assert_close(p, q, rtol=2e-6, atol=1e-6)
            for key, value in self.two.state[q].items():
                torch.testing.assert_close(self.one.state[p][key], value, rtol=2e-6, atol=1e-6)
        return self

    @property
    def is_bound(self):
        return isinstance(self.one.__dict__.get("_bound", {}).get(0), Standing)


@pytest.mark.parametrize("kind", [optim.AdamW, optim.Lion, optim.SGD], ids=lambda kind: kind.__name__)
def test_later_steps_are_bound_and_equal_the_reference(kind, monkeypatch):
    run = Run(kind, **({"momentum": 0.9} if kind is optim.SGD else {})).step(2)
    assert run.is_bound
    monkeypatch.setattr(run.one, "_batches", None)  # what a bound step does not ask
    run.step(0).one.step()
    monkeypatch.undo()
    run.two.step()
    run.check()


def switch_a_gradient_off(run):
    run.step(2, without=(1,))


def lay_gradients_out_otherwise(run):
    run.step(2, layout=lambda g: g.mT.contiguous().mT if g.ndim > 1 else g)


def change_the_rate(run):
    for optimizer in (run.one, run.two):
        optimizer.param_groups[0]["lr"] = 0.05


def switch_decay_off(run):
    for optimizer in (run.one, run.two):
        optimizer.param_groups[0]["weight_decay"] = 0.0


def climb(run):
    for optimizer in (run.one, run.two):
        optimizer.param_groups[0]["maximize"] = True


def replace_memory(run):
    run.mine[0].data = run.mine[0].data.clone()


def replace_a_slot(run):
    for params, optimizer in ((run.mine, run.one), (run.theirs, run.two)):
        optimizer.state[params[0]]["exp_avg"] = torch.ones_like(params[0], requires_grad=False)


def replace_an_entry(run):
    for params, optimizer in ((run.mine, run.one), (run.theirs, run.two)):
        optimizer.state[params[2]] = {key: value.clone() for key, value in optimizer.state[params[0]].items() if key == "step"} | {
            key: torch.zeros_like(params[2], requires_grad=False) for key in ("exp_avg", "exp_avg_sq")
        }


def forget_a_parameter(run):
    for params, optimizer in ((run.mine, run.one), (run.theirs, run.two)):
        del optimizer.state[params[1]]


def forget_everything(run):
    for optimizer in (run.one, run.two):
        optimizer.state.clear()


def set_a_step_count(run):
    for params, optimizer in ((run.mine, run.one), (run.theirs, run.two)):
        optimizer.state[params[0]]["step"].fill_(50.0)


def load_a_state_dict(run):
    for optimizer in (run.one, run.two):
        optimizer.load_state_dict(copy.deepcopy(optimizer.state_dict()))


def swap_a_parameter(run):
    for params, optimizer in ((run.mine, run.one), (run.theirs, run.two)):
        old, new = params[0], torch.nn.Parameter(params[0].detach() * 2)
        optimizer.param_groups[0]["params"][0] = params[0] = new
        optimizer.state[new] = optimizer.state.pop(old)


@pytest.mark.parametrize(
    "change",
    [
        switch_a_gradient_off,
        lay_gradients_out_otherwise,
        change_the_rate,
        switch_decay_off,
        climb,
        replace_memory,
        replace_a_slot,
        replace_an_entry,
        forget_a_parameter,
        forget_everything,
        set_a_step_count,
        load_a_state_dict,
        swap_a_parameter,
    ],
    ids=lambda change: change.__name__,
)
def test_what_changes_between_steps_is_seen(change):
    run = Run().step(3)
    assert run.is_bound
    change(run)
    run.step(3).check()


def test_of_several_groups_each_is_bound_on_its_own():
    run = Run()
    for params, optimizer in ((run.mine, run.one), (run.theirs, run.two)):
        params.append(torch.nn.Parameter(torch.ones(7)))
        optimizer.add_param_group({"params": params[-1:], "lr": 0.1, "weight_decay": 0.0})
    run.step(4).check()
    assert [isinstance(run.one.__dict__["_bound"][index], Standing) for index in range(2)] == [True, True]


def test_nothing_is_changed_if_a_later_group_is_refused():
    run = Run()
    table = torch.nn.Embedding(4, 3, sparse=True).weight
    run.one.add_param_group({"params": [table]})
    run.step(3)
    before = [p.detach().clone() for p in run.mine]
    for p in run.mine:
        p.grad = torch.ones_like(p)
    table.grad = torch.sparse_coo_tensor(torch.tensor([[1]]), torch.ones(1, 3), (4, 3), check_invariants=True)
    with pytest.raises(ValueError, match="must be dense"):
        run.one.step()
    torch.testing.assert_close(run.mine, before, rtol=0, atol=0)


def test_copies_are_bound_anew():
    run = Run().step(3)
    for other in (copy.deepcopy(run.one), pickle.loads(pickle.dumps(run.one))):
        assert "_bound" not in other.__dict__
        params = other.param_groups[0]["params"]
        for p, q in zip(params, run.theirs, strict=True):
            p.grad = q.grad.clone()
        for _ in range(2):
            other.step()
    assert "_bound" not in run.one.state_dict()
    run.check()


def test_gradients_are_not_held():
    run = Run().step(3)
    gradient = weakref.ref(run.mine[0].grad)
    run.one.zero_grad()
    gc.collect()
    assert gradient() is None


def test_autograd_hears_of_a_bound_step():
    run = Run().step(3)
    weight = run.mine[0]
    loss = (weight * weight).sum()
    run.step()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def test_what_has_no_native_code_is_not_tried_forever(monkeypatch):
    params = [torch.nn.Parameter(torch.randn(8, 4).to(torch.bfloat16))]
    optimizer = optim.AdamW(params, driver="native")
    tried = []
    monkeypatch.setattr(TensorsUpdate, "bind", lambda self, *given: tried.append(given))
    for _ in range(6):
        params[0].grad = torch.ones_like(params[0])
        optimizer.step()
    assert not tried
    assert optimizer.__dict__["_bound"][0] == 2
