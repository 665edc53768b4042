"""Depth: what a layer multiplies, held to theory, and the numbers to a plain module's."""

import json
import math

import numpy as np
import pytest
import torch
from torch import nn

from ravine.base._seeds import derive
from ravine.base.errors import InputError, UnknownNameError
from ravine.exhibits.depth import ACTIVATIONS, INITIALISATIONS, NORMALISATIONS, Network, crossed, depth_study, through_depth


def test_a_sigmoid_vanishes_by_at_least_a_factor_of_four_a_layer():
    levels = through_depth(Network("sigmoid", "xavier"), 30, seeds=3)
    assert (levels.backward_factor <= 0.25 * 1.02).all()
    assert (levels.signals[:, 0] / levels.signals[:, -1] < 0.26**29).all()
    assert (levels.gradients[:, 0] < 1e-15).all()


@pytest.mark.parametrize(
    ("network", "forwards", "backwards"),
    [
        # Variance 2 / D against half of the units: level both ways.
        (Network("relu", "he"), 1.0, 1.0),
        (Network("relu", "xavier"), math.sqrt(0.5), math.sqrt(0.5)),
        # Twice the standard deviation of 1 / sqrt(D), and half of the units.
        (Network("relu", "large"), math.sqrt(2), math.sqrt(2)),
        (Network("linear", "xavier"), 1.0, 1.0),
        (Network("linear", "torch"), math.sqrt(1 / 3), math.sqrt(1 / 3)),
    ],
    ids=lambda value: value.label if isinstance(value, Network) else f"{value:.2f}",
)
def test_a_layer_multiplies_as_theory_says(network, forwards, backwards):
    levels = through_depth(network, 16, width=256, rows=32, seeds=3)
    assert levels.forward_factor == pytest.approx(forwards, rel=0.03)
    assert levels.backward_factor == pytest.approx(backwards, rel=0.03)


def test_an_orthogonal_linear_network_keeps_every_length():
    levels = through_depth(Network("linear", "orthogonal"), 100, seeds=2)
    assert levels.activations / levels.activations[:, :1] == pytest.approx(1, rel=1e-9)
    assert levels.signals / levels.signals[:, :1] == pytest.approx(1, rel=1e-9)


@pytest.mark.parametrize("kind", ["layer", "batch", "rms"])
def test_normalisation_keeps_activations_level_under_any_initialisation(kind):
    for initialisation in ("small", "large"):
        levels = through_depth(Network("tanh", initialisation, kind), 20, seeds=2)
        assert levels.activations[:, 1:] / levels.activations[:, :1] == pytest.approx(1, rel=0.1)


def test_residuals_keep_the_gradient_of_a_network_that_would_lose_it():
    plain, residual = (through_depth(Network("sigmoid", "xavier", "layer", is_on), 30, seeds=2) for is_on in (False, True))
    assert (plain.backward_factor < 0.9).all()
    assert (residual.backward_factor > 0.95).all()


def test_it_equals_a_plain_module_seed_by_seed():
    """The second of two seeds, by hand."""
    network, depth, width, rows = Network("tanh", "he", "layer", residual=True), 3, 8, 4
    levels = through_depth(network, depth, width=width, rows=rows, seeds=2, seed=5)
    stream = torch.Generator().manual_seed(derive(5, "depth", 1))
    x = torch.randn(rows, width, generator=stream, dtype=torch.float64)
    weights = []
    for _ in range(depth):
        weight = nn.Parameter(torch.empty(width, width, dtype=torch.float64))
        nn.init.kaiming_normal_(weight, nonlinearity="relu", generator=stream)
        weights.append(weight)
    head = torch.randn(width, 10, generator=stream, dtype=torch.float64) / width**0.5
    labels = torch.randint(10, (rows,), generator=stream)
    outputs = []
    for weight in weights:
        x = x + torch.tanh(nn.functional.linear(nn.functional.layer_norm(x, (width,)), weight))
        x.retain_grad()
        outputs.append(x)
    nn.functional.cross_entropy(x @ head, labels).backward()
    assert levels.gradients[1] == pytest.approx([float(weight.grad.norm()) for weight in weights], rel=1e-9)
    assert levels.activations[1] == pytest.approx([float(h.detach().square().mean().sqrt()) for h in outputs], rel=1e-9)
    assert levels.signals[1] == pytest.approx([float(h.grad.square().mean().sqrt()) for h in outputs], rel=1e-9)


def test_batch_normalisation_is_torch_s():
    x = torch.randn(6, 5, dtype=torch.float64)
    assert torch.allclose(NORMALISATIONS["batch"](x), nn.BatchNorm1d(5, affine=False, dtype=torch.float64)(x))


def test_torch_s_own_initialisation_is_that_of_linear():
    drawn = INITIALISATIONS["torch"](torch.empty(64, 64), generator=torch.Generator().manual_seed(3))
    torch.manual_seed(3)
    assert torch.equal(drawn, nn.Linear(64, 64).weight)


def test_every_part_runs_and_every_combination_is_crossed():
    networks = crossed(list(ACTIVATIONS), ["he", "torch"], ["none"], [False, True])
    assert len(networks) == 4 * len(ACTIVATIONS)
    study = depth_study(networks, 2, width=4, seeds=1)
    assert all(np.isfinite(one.gradients).all() for one in study.levels)
    for initialisation in INITIALISATIONS:
        for normalisation in NORMALISATIONS:
            assert through_depth(Network("relu", initialisation, normalisation), 1, width=4, seeds=1).depth == 1


def test_a_summary_is_plain_even_for_one_layer():
    found = json.loads(json.dumps(depth_study([Network()], 1, width=4, seeds=2).summary(), allow_nan=False))
    assert (found["schema"], found["depth"], found["width"]) == (1, 1, 4)
    assert found["networks"][0]["backward_factor"] == [None, None]
    assert found["networks"][0]["label"] == "relu, he"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"depth": 0}, "depth=0: must be a whole number, at least 1 and at most 1000"),
        ({"seeds": 0}, "seeds=0"),
        ({"width": 1}, "width=1"),
        ({"rows": 1}, "rows=1"),
    ],
)
def test_numbers_that_are_none(arguments, message):
    with pytest.raises(InputError, match=message):
        through_depth(Network(), **arguments)


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"activation": "relo"}, "no activation is called 'relo'; did you mean 'relu'"),
        ({"initialisation": "kaiming"}, "no initialisation is called 'kaiming'; known: he, large"),
        ({"normalisation": "laier"}, "no normalisation is called 'laier'; did you mean 'layer'"),
    ],
)
def test_unknown_parts(parts, message):
    with pytest.raises(UnknownNameError, match=message):
        Network(**parts)
