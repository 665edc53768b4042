"""Every row under every driver: foreach gives the reference's bits; compiled stays within rounding and never recompiles."""

import pytest
import torch

from cases import CASES
from ravine.optim import _drivers
from streams import give_gradients, parameters, rate, same, train, values

COMPILED_TOLERANCE = 3e-7

every_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)


@every_case
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16], ids=str)
def test_foreach_gives_the_bits_of_the_loop(case, dtype):
    loop, listed = parameters(dtype=dtype), parameters(dtype=dtype)
    one, other = case.build(loop, driver="per_tensor"), case.build(listed, driver="foreach")
    for params, optimizer in ((loop, one), (listed, other)):
        train(optimizer, params, 8, skip_at=(3,))
    assert same(values(loop), values(listed))
    for a, b in zip(loop, listed, strict=True):
        assert same(one.state[a].values(), other.state[b].values())


def test_buckets_split_where_they_overflow(monkeypatch):
    monkeypatch.setattr(_drivers, "BUCKET_ELEMENTS", 6)
    sizes = [3, 3, 1, 9, 2, 2, 2]
    buckets = list(_drivers._buckets([torch.zeros(size) for size in sizes]))
    assert [sizes[bucket] for bucket in buckets] == [[3, 3], [1], [9], [2, 2, 2]]
    loop, listed = parameters(), parameters()
    for params, driver in ((loop, "per_tensor"), (listed, "foreach")):
        train(CASES[0].build(params, driver=driver), params, 3)
    assert same(values(loop), values(listed))


def compiled_cases():
    """Every row; by default one a family is compiled, which takes seconds, and matrix functions take a minute each."""
    usual = {"sgd", "adamw", "lamb", "adafactor", "prodigy", "schedule_free_adamw", "sophia_h"}
    return [pytest.param(case, id=case.id, marks=() if case.id in usual else pytest.mark.slow) for case in CASES]


@pytest.mark.parametrize("case", compiled_cases())
@pytest.mark.compile
def test_compiled_stays_within_rounding_and_never_recompiles(case):
    shapes = ((4, 3), (), (0, 2))
    loop, fused = parameters(shapes, torch.float32), parameters(shapes, torch.float32)
    reference, compiled = case.build(loop, driver="per_tensor"), case.build(fused, driver="compiled")
    for step in range(6):
        copy_into(compiled, fused, reference, loop)
        for params, optimizer in ((loop, reference), (fused, compiled)):
            optimizer.param_groups[0]["lr"] = case.full["lr"] * rate(step)
            give_gradients(params, step)
        reference.step()
        with torch._dynamo.config.patch(error_on_recompile=step > 0):
            compiled.step()
        for a, b in zip(values(loop), values(fused), strict=True):
            assert a.numel() == 0 or (a - b).abs().max() <= COMPILED_TOLERANCE * a.abs().max()


@pytest.mark.compile
def test_compiled_rounds_half_precision_once():
    case = next(case for case in CASES if case.id == "adamw")
    loop, fused = parameters(dtype=torch.bfloat16), parameters(dtype=torch.bfloat16)
    for params, driver in ((loop, "per_tensor"), (fused, "compiled")):
        train(case.build(params, driver=driver), params, 5)
    for a, b in zip(values(loop), values(fused), strict=True):
        torch.testing.assert_close(a, b, rtol=2**-8, atol=1e-6)


@pytest.mark.compile
def test_models_spend_no_recompilation_budget_of_each_other():
    with torch._dynamo.config.patch(recompile_limit=1, error_on_recompile=True):
        for size in (1, 2, 3):
            params = parameters(shapes=((size,),), dtype=torch.float32)
            train(CASES[0].build(params, driver="compiled"), params, 2)


@pytest.mark.compile
def test_freezing_a_parameter_compiles_nothing_anew():
    params = parameters(shapes=((3,),), dtype=torch.float32)
    optimizer = CASES[0].build(params, driver="compiled")
    train(optimizer, params, 1)
    grad = params[0].grad
    params[0].requires_grad_(False)
    params[0].grad = grad
    with torch._dynamo.config.patch(error_on_recompile=True):
        optimizer.step()


def copy_into(target, targets, source, sources):
    """Give one optimizer the weights and moments of another, so that only one step's rounding separates them."""
    with torch.no_grad():
        for a, b in zip(sources, targets, strict=True):
            b.copy_(a)
            for key, value in source.state[a].items():
                target.state[b][key].copy_(value)
