"""Wrapped rules in float64: 60 steps, changing lr, two groups, steps without a gradient, against papers, torch and optax."""

import copy

import pytest
import torch

from oracles import TOLERANCE, has
from ravine import optim
from streams import give_gradients, parameters, same, train, values
from wrapped_oracles import (
    ASCENTS,
    CORES,
    WRAPPED,
    WRAPPED_IN_OPTAX,
    WRAPPED_IN_TORCH,
    ascent_from_paper,
    average_from_torch,
    wrapped_from_optax,
    wrapped_from_paper,
    wrapped_from_torch,
)


@pytest.mark.parametrize("name", WRAPPED)
@pytest.mark.parametrize("core", CORES)
@pytest.mark.parametrize("driver", ["per_tensor", "foreach"])
def test_equals_the_paper(core, name, driver):
    assert wrapped_from_paper(core, name, driver) <= TOLERANCE


@pytest.mark.parametrize("kind", ASCENTS)
def test_two_gradients_equal_the_paper(kind):
    assert ascent_from_paper(kind) <= TOLERANCE


@pytest.mark.parametrize("name", WRAPPED_IN_TORCH)
def test_equals_torch(name):
    assert wrapped_from_torch(name) <= TOLERANCE


def test_the_average_equals_torchs():
    assert average_from_torch() <= TOLERANCE


@pytest.mark.parametrize("name", WRAPPED_IN_OPTAX)
@pytest.mark.skipif(not (has("jax") and has("optax")), reason="jax or optax is not installed")
def test_equals_optax(name):
    assert wrapped_from_optax(name) <= WRAPPED_IN_OPTAX[name]


NEUTRAL = {
    "lookahead": {"lookahead_alpha": 1.0},
    "clip": {"clip_norm": 1e30},
    "clip_value": {"clip_value": 1e30},
    "agc": {"agc_bound": 1e30},
    "clip_history": {"clip_history_warmup": 1000},
    "ema": {},
}


@pytest.mark.parametrize("name", NEUTRAL)
@pytest.mark.parametrize("core", ["sgd", "adamw", "lion", "adan"])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16], ids=str)
def test_a_neutral_wrapper_keeps_every_bit(core, name, dtype):
    plain, dressed = parameters(dtype=dtype), parameters(dtype=dtype)
    train(optim.create(core, plain, lr=0.01), plain, 12, skip_at=(3,))
    train(optim.create(f"{core}+{name}", dressed, lr=0.01, **NEUTRAL[name]), dressed, 12, skip_at=(3,))
    assert same(values(plain), values(dressed))


def test_order_matters_from_the_inside_out():
    """Clipped before it is centred, or after."""
    results = []
    for name in ("sgd+centralised+clip", "sgd+clip+centralised"):
        params = parameters(shapes=((4, 3),))
        train(optim.create(name, params, lr=0.1, clip_norm=0.5), params, 1)
        results.append(values(params)[0])
    start = parameters(shapes=((4, 3),))
    give_gradients(start, 0)
    g = start[0].grad
    centred = g - g.mean(1, keepdim=True)
    for found, norm in zip(results, (g.norm(), centred.norm()), strict=True):
        torch.testing.assert_close(found, start[0].detach() - 0.1 * centred * 0.5 / (norm + 1e-6))


def test_wrappers_are_copied_with_their_settings():
    params = parameters()
    optimizer = optim.create("adamw+lookahead", params, lookahead_k=3)
    assert copy.deepcopy(optimizer).param_groups[0]["lookahead_k"] == 3
