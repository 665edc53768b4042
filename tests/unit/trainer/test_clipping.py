"""The loop's clipping: the bits of torch's function and of ours, by fewer calls."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

import ravine
from ravine.trainer.clipping import clip, total_norm


def parameters(scale=1.0, dtype=torch.float32, seed=0):
    generator = torch.Generator().manual_seed(seed)
    made = [nn.Parameter(torch.randn(shape, generator=generator).to(dtype)) for shape in [(7, 5), (33,), (2, 3, 4), ()]]
    for p in made[:-1]:
        p.grad = (torch.randn(p.shape, generator=generator) * scale).to(dtype)
    return made


def gradients(params):
    return [p.grad for p in params if p.grad is not None]


@given(
    seed=st.integers(0, 1000),
    scale=st.floats(1e-30, 1e18),
    bound=st.one_of(st.floats(1e-12, 1e3), st.floats(1e3, 1e300), st.just(1.0)),
)
def test_bits_are_those_of_torchs_function(seed, scale, bound):
    own, theirs = parameters(scale, seed=seed), parameters(scale, seed=seed)
    norm = clip(own, bound)
    assert norm == float(nn.utils.clip_grad_norm_(theirs, bound))
    assert all(torch.equal(a, b) for a, b in zip(gradients(own), gradients(theirs), strict=True))
    assert total_norm(gradients(own)) == float(nn.utils.get_total_norm(gradients(own)))


@pytest.mark.parametrize("scale", [0.0, 1e-3, 1e3])
def test_nothing_but_a_norm_that_is_too_large_changes_gradients(scale):
    params = parameters(scale)
    before = [g.clone() for g in gradients(params)]
    norm = clip(params, 1.0)
    is_same = all(torch.equal(a, b) for a, b in zip(before, gradients(params), strict=True))
    assert is_same == (norm <= 1.0)
    assert total_norm(gradients(params)) == pytest.approx(min(norm, 1.0), rel=1e-5)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_norm_that_is_no_number_leaves_gradients(value):
    params = parameters()
    params[0].grad[0, 0] = value
    before = [g.clone() for g in gradients(params)]
    assert not math.isfinite(clip(params, 1.0))
    assert all(torch.equal(a, b) for a, b in zip(before[1:], gradients(params)[1:], strict=True))


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_other_dtypes_go_the_public_way(dtype):
    own, theirs = parameters(10.0, dtype), parameters(10.0, dtype)
    assert clip(own, 0.5) == float(ravine.optim.clip_grad_norm_(theirs, 0.5))
    assert all(torch.equal(a, b) for a, b in zip(gradients(own), gradients(theirs), strict=True))


def test_without_gradients_the_norm_is_zero():
    assert clip([nn.Parameter(torch.zeros(2))], 1.0) == 0.0
    assert total_norm([]) == 0.0
