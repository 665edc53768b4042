"""Rules that look at whole tensors or at the model, under driver="native": what is taken, and what is left to torch."""

import pytest
import torch

from ravine import optim
from ravine.fleet.native import toolchain
from ravine.optim import _native_whole
from ravine.optim._native_whole import fields, forms_of, is_whole, measuring, native_update, phase_of
from ravine.rules import resolve
from ravine.rules._step import Part, Symbols, measure_each

needs_compiler = pytest.mark.skipif(toolchain.compiler() is None, reason="no C++ compiler")


def lars(*shapes, dtype=torch.float32):
    rule, hypers = resolve("lars", {})
    scalars = rule.scalars(Symbols(**hypers), 1)
    params, grads, buffers = ([torch.rand(shape, dtype=dtype) for shape in shapes] for _ in range(3))
    return rule, scalars, params, grads, [{"m": m} for m in buffers]


def test_rules_of_elements_have_a_way_of_their_own():
    assert {name: is_whole(resolve(name, {})[0]) for name in ("adamw", "lamb", "prodigy", "schedule_free_sgd", "adamw+clip")} == {
        "adamw": False, "lamb": True, "prodigy": True, "schedule_free_sgd": True, "adamw+clip": True,
    }  # fmt: skip
    rule, hypers = resolve("sgd", {})
    p = torch.ones(2)
    assert list(native_update(rule, rule.scalars(Symbols(**hypers), 1), [p], [p.clone()], [{}])) == [0]


@needs_compiler
def test_each_tensor_that_lies_oddly_is_left_alone():
    rule, scalars, params, grads, states = lars((4, 3), (4, 3), (5,), (0, 2), (2, 3))
    params[1] = params[1].t()
    states[2] = {"m": torch.rand(10)[::2]}
    states[4] = {"m": torch.rand(2, 3, dtype=torch.float64)}
    before = [p.clone() for p in params]
    assert list(native_update(rule, scalars, params, grads, states)) == [1, 2, 3, 4]
    assert not torch.equal(params[0], before[0])
    assert all(torch.equal(p, q) for p, q in zip(params[1:], before[1:], strict=True))
    assert list(native_update(rule, scalars, [], [], [])) == []


@needs_compiler
def test_the_rest_is_taken_by_torch_in_the_same_step():
    results = []
    for driver in ("per_tensor", "native"):
        params = [torch.nn.Parameter(torch.arange(24.0).view(2, 3, 2, 2) + place) for place in range(2)]
        params[1].data = params[1].data.to(memory_format=torch.channels_last)
        optimizer = optim.create("lamb", params, max_grad_norm=1.0, driver=driver)
        for _ in range(4):
            for place, param in enumerate(params):
                param.grad = torch.full_like(param, 1.0 + place)
            optimizer.step()
        results.append([param.detach() for param in params] + [optimizer.state[param]["exp_avg"] for param in params])
    for mine, theirs in zip(*results, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-6, atol=1e-7)


@needs_compiler
def test_gradients_that_lie_otherwise_are_copied():
    rule, _, params, grads, states = lars((4, 3))
    turned = grads[0].t().contiguous().t()
    taken = fields(params[0], turned, states[0], rule.active_slots, is_row=False)
    assert taken is not None
    assert taken[1].is_contiguous()
    assert torch.equal(taken[1], grads[0])
    assert fields(params[0].t(), turned.t(), {"m": states[0]["m"].t()}, rule.active_slots, is_row=False) is None


@needs_compiler
def test_parts_are_measured_natively_where_that_is_wanted():
    rule, hypers = resolve("prodigy", {})
    scalars = rule.scalars(Symbols(**hypers), 1)
    lane = {slot.symbol: torch.tensor(0.5) for slot in rule.lane_slots}
    found = []
    for natively in ([False] * 3, [True, False, True], [True] * 3):
        torch.manual_seed(0)
        tensors = [[torch.rand(size) for _ in range(2 + len(rule.active_slots))] for size in (4, 0, 7)]
        slots = [dict(zip([slot.symbol for slot in rule.active_slots], own[2:], strict=True)) for own in tensors]
        parts = [Part(rule, own[0], own[1], s, scalars) for own, s in zip(tensors, slots, strict=True)]
        totals, measured = measuring(natively)(parts, lane)
        assert [not state for state in measured] == [is_native and place != 1 for place, is_native in enumerate(natively)]
        found.append({name: float(value) for name, value in totals.items()} | {"m": float((measured[0] or slots[0])["m"].sum())})
        assert all(value.dtype == torch.float32 for value in totals.values())
    assert found[0] == pytest.approx(found[1], rel=1e-5)
    assert found[0] == pytest.approx(found[2], rel=1e-5)
    assert measuring([False, False]) is measure_each


def test_without_a_compiler_all_is_left(monkeypatch):
    monkeypatch.setattr(_native_whole, "phase_of", lambda *_: None)
    rule, scalars, params, grads, states = lars((4, 3))
    assert list(native_update(rule, scalars, params, grads, states)) == [0]
    part = Part(rule, params[0], grads[0], states[0], scalars)
    assert measuring([True])([part], {}) == ({}, [{}])


@needs_compiler
def test_shapes_have_forms_if_all_of_them_have_code(monkeypatch):
    rule, scalars, *_ = lars((4, 3))
    phase = phase_of(type(rule), rule.key[1], "update", tuple(scalars), torch.float32)
    assert forms_of(phase, [(4, 3), (4, 3)]).all()
    monkeypatch.setattr("ravine.fleet.native.whole.MOST_SHAPES", 1)
    assert forms_of(phase, [(1, 1), (2, 2), (9, 9)]) is None
    assert phase_of(type(rule), rule.key[1], "update", tuple(scalars), torch.bfloat16) is None
