import math

import pytest
import torch

from ravine.fleet.native import StepCounts, TensorsUpdate, Unsupported, tensors, toolchain
from ravine.optim import quantised
from ravine.optim._drivers import per_tensor
from ravine.rules import Rule, resolve
from ravine.rules._step import Symbols

needs_compiler = pytest.mark.skipif(toolchain.compiler() is None, reason="no C++ compiler")
SHAPES = ((4, 3), (5,), (), (2000, 3), (0, 2))


def problem(rule, dtype, seed=0):
    generator = torch.Generator().manual_seed(seed)
    params, grads = ([torch.randn(shape, generator=generator, dtype=dtype) for shape in SHAPES] for _ in range(2))
    states = [{slot.symbol: torch.rand(p.shape, generator=generator, dtype=dtype) for slot in rule.active_slots} for p in params]
    return params, grads, states


@needs_compiler
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("name", ["sgd", "momentum", "adamw", "lion"])
def test_many_tensors_are_updated_in_place_as_by_torch(name, dtype):
    rule, hypers = resolve(name, {})
    scalars = rule.scalars(Symbols(**hypers, peak_lr=hypers["lr"]), 3)
    mine, theirs = problem(rule, dtype), problem(rule, dtype)
    places = [p.data_ptr() for p in mine[0]]
    assert TensorsUpdate(rule, tuple(scalars), dtype).step(*mine, scalars)
    states = per_tensor(rule, scalars, *theirs)
    limits = {"rtol": 1e-6, "atol": 1e-7} if dtype == torch.float32 else {"rtol": 1e-13, "atol": 1e-14}
    for ours, other in zip(mine[0], theirs[0], strict=True):
        torch.testing.assert_close(ours, other, **limits)
    for ours, other in zip(mine[2], states, strict=True):
        torch.testing.assert_close(ours, other, **limits)
    torch.testing.assert_close(mine[1], problem(rule, dtype)[1], rtol=0, atol=0)
    assert places == [p.data_ptr() for p in mine[0]]


@needs_compiler
def test_values_that_are_not_finite_are_told():
    rule, hypers = resolve("sgd", {})
    scalars = rule.scalars(Symbols(**hypers, peak_lr=hypers["lr"]), 1)
    params, grads, states = problem(rule, torch.float32)
    grads[3][1234, 2] = float("inf")
    assert not TensorsUpdate(rule, tuple(scalars), torch.float32).step(params, grads, states, scalars)
    assert TensorsUpdate(rule, tuple(scalars), torch.float32).step([], [], [], scalars)


def test_what_is_not_element_by_element_in_float_is_refused():
    rule, _ = resolve("sgd", {})
    with pytest.raises(Unsupported, match="sgd on bfloat16"):
        TensorsUpdate(rule, ("lr",), torch.bfloat16)
    kind = type("Whole", (type(rule),), {"granularity": "tensor"})
    assert isinstance(kind(), Rule)
    with pytest.raises(Unsupported, match="sgd on float32"):
        TensorsUpdate(kind(), ("lr",), torch.float32)


@needs_compiler
@pytest.mark.parametrize("coded", [False, True], ids=["float", "8 bits"])
def test_several_threads_give_the_bits_of_one(coded, monkeypatch):
    monkeypatch.setattr(tensors, "WORTH_A_THREAD", 1000)
    rule, hypers = resolve("adamw", {})
    scalars = rule.scalars(Symbols(**hypers, peak_lr=hypers["lr"]), 3)
    results = []
    for threads in (1, 3):
        monkeypatch.setattr(torch, "get_num_threads", lambda threads=threads: threads)
        generator = torch.Generator().manual_seed(0)
        shapes = ((3, 256), (5,), (40, 256), (2048,)) if coded else SHAPES
        params, grads = ([torch.randn(shape, generator=generator) for shape in shapes] for _ in range(2))
        states = [{"m": torch.rand(p.shape, generator=generator), "v": torch.rand(p.shape, generator=generator)} for p in params]
        scales = [dict[str, torch.Tensor]() for _ in params]
        if coded:
            for state, own in zip(states, scales, strict=True):
                if state["m"].numel() % quantised.BLOCK == 0:
                    for symbol in ("m", "v"):
                        state[symbol], own[symbol] = quantised.encode(state[symbol], unsigned=symbol == "v")
        assert TensorsUpdate(rule, tuple(scalars), torch.float32).step(params, grads, states, scalars, scales if coded else ())
        results.append([*params, *(tensor for own in (*states, *scales) for tensor in own.values())])
    torch.testing.assert_close(*results, rtol=0, atol=0)


@needs_compiler
def test_step_counts_are_added_to_and_compared():
    counts = [torch.tensor(3.0), torch.tensor(3.0)]
    assert StepCounts(counts).add(0.0) == 3.0
    assert StepCounts(counts).add(1.0) == counts[0] == counts[1] == 4.0
    counts[1].fill_(9.0)
    assert math.isnan(StepCounts(counts).add(0.0))
    assert math.isnan(StepCounts([]).add(1.0))
