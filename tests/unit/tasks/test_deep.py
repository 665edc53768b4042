"""`deep:50`: a layer held to its formula, weights to the deviations that they are named for."""

import re
from typing import get_args

import pytest
import torch
from torch import nn
from torch.nn import functional

from ravine.base.errors import InputError
from ravine.tasks import create, load
from ravine.tasks.deep import Activation, Initialisation, Layer, Normalisation, activated, filled

WIDE = 256
DEVIATIONS = {"xavier": 1 / WIDE, "he": 2 / WIDE, "lecun": 1 / WIDE, "orthogonal": 1 / WIDE, "torch": 1 / (3 * WIDE)}
DEVIATIONS |= {"small": 1e-4, "large": 4 / WIDE}


@pytest.mark.parametrize("name", get_args(Initialisation))
def test_weights_have_their_variance(name):
    drawn = filled(name, torch.empty(WIDE, WIDE), torch.Generator().manual_seed(0))
    assert drawn.var().item() == pytest.approx(DEVIATIONS[name], rel=0.03)
    assert torch.equal(drawn, filled(name, torch.empty(WIDE, WIDE), torch.Generator().manual_seed(0)))


@pytest.mark.parametrize("name", get_args(Activation))
def test_activations_are_torch_s(name):
    x = torch.linspace(-3, 3, 13)
    modules = {"linear": nn.Identity, "sigmoid": nn.Sigmoid, "tanh": nn.Tanh, "relu": nn.ReLU}
    modules |= {"leaky_relu": nn.LeakyReLU, "gelu": nn.GELU, "silu": nn.SiLU}
    torch.testing.assert_close(activated(name, x), modules[name]()(x))


@pytest.mark.parametrize("normalisation", get_args(Normalisation))
@pytest.mark.parametrize("connection", ["residual", "plain"])
def test_a_layer_is_its_formula(normalisation, connection):
    torch.manual_seed(0)
    layer, x = Layer(6, "tanh", "he", normalisation, connection), torch.randn(8, 6)
    norms = {
        "none": lambda x: x,
        "layer": lambda x: functional.layer_norm(x, (6,)),
        "rms": lambda x: functional.rms_norm(x, (6,)),
        "batch": lambda x: (x - x.mean(0)) / (x.var(0, correction=0) + 1e-5).sqrt(),
    }
    norm = norms[normalisation]
    expected = x + torch.tanh(norm(x) @ layer.weight.T) if connection == "residual" else torch.tanh(norm(x @ layer.weight.T))
    torch.testing.assert_close(layer(x), expected)


@pytest.mark.parametrize("text", ["deep:depth=2,width=4", "deep:2,width=4,connection=plain", "deep:2,width=4,normalisation=batch"])
def test_it_runs_and_has_so_many_layers(text):
    task = load(text)
    task.check()
    assert task.name == "deep:2"
    assert sum(p.numel() for name, p in task.build(0).named_parameters() if name.endswith("weight") and p.shape == (4, 4)) == 32


def test_a_leading_number_is_the_depth():
    assert load("deep:50").reference == "deep"
    assert len(load("deep:7").build(0).layers) == 7


@pytest.mark.parametrize(("parts", "is_reached"), [("", True), (",activation=sigmoid,normalisation=none,connection=plain", False)])
def test_a_gradient_reaches_the_first_of_fifty_layers_or_does_not(parts, is_reached):
    task = load(f"deep:50{parts}")
    model, (x, y) = task.build(0), task.data.train
    task.loss(model(x[:64]), y[:64]).backward()
    first, last = (model.layers[place].weight.grad.norm() for place in (0, -1))
    assert bool(first > 0.1 * last) == is_reached


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"depth": 0}, "depth=0: must be a whole number, at least 1 and at most 1000. 2 to 100 is usual."),
        ({"width": 1}, "width=1: must be a whole number, at least 2 and at most 4096."),
        ({"activation": "relo"}, "no activation of 'deep' is called 'relo'; did you mean 'relu'"),
        ({"connection": "dense"}, "no connection of 'deep' is called 'dense'"),
    ],
)
def test_unusable_options(options, sentence):
    with pytest.raises(InputError, match=re.escape(sentence)):
        create("deep", options)
