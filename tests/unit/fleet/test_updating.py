"""A block's native update equals the rule's text, and its memory is handed back and forth."""

import math
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from ravine.fleet.blocks import lay_out
from ravine.fleet.native import Functions, compiler
from ravine.fleet.updating import BlockUpdate
from ravine.rules import resolve

pytestmark = pytest.mark.skipif(compiler() is None, reason="no C++ compiler")


def block_and_update(name, dtype):
    rule, hypers = resolve(name, {"lr": 0.1})
    parameters = [nn.Parameter(torch.linspace(-1, 1, n, dtype=dtype).view(shape)) for n, shape in ((6, (2, 3)), (5, (5,)))]
    (block,) = lay_out(parameters, rule, hypers, ["matrix"] * len(parameters))
    values = rule.scalars(SimpleNamespace(**{hyper.symbol: hyper.default for hyper in rule.hypers}), 3)
    scalars = {symbol: float(value) for symbol, value in values.items()}
    function = Functions(lambda: None).flat_update(rule, tuple(scalars), dtype)
    return rule, parameters, block, scalars, BlockUpdate(function, block, len(scalars))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", ["sgd", "adam"])
def test_steps_that_are_taken_over_or_dropped_equal_the_rules_text(name, dtype):
    rule, parameters, block, scalars, update = block_and_update(name, dtype)
    value, slots = block.storage.clone(), {symbol: slot.clone() for symbol, slot in block.slots.items()}
    for is_taken in (True, False, True, True, False, False, True):
        gradients = [torch.sin(3 * p.detach()) for p in parameters]
        g = torch.cat([gradient.reshape(-1) for gradient in gradients])
        delta, new = rule.update(value, g, SimpleNamespace(**slots), SimpleNamespace(**scalars))
        proposed, spare, wrong = update.propose(gradients, list(scalars.values()))
        assert wrong == 0.0
        assert torch.allclose(proposed, value + delta, rtol=1e-6)
        assert all(torch.allclose(spare[symbol], new[symbol], rtol=1e-6) for symbol in new)
        assert torch.equal(block.storage, value), "nothing moves before the step is taken over"
        assert all(torch.equal(block.slots[symbol], slots[symbol]) for symbol in slots)
        if is_taken:
            block.storage.copy_(proposed)
            block.slots.update(spare)
            value, slots = block.storage.clone(), {symbol: slot.clone() for symbol, slot in block.slots.items()}


@pytest.mark.parametrize("wrong", [math.nan, math.inf])
def test_a_value_that_is_not_finite_is_told(wrong):
    _, parameters, _, scalars, update = block_and_update("sgd", torch.float32)
    gradients = [torch.zeros_like(p) for p in parameters]
    gradients[1][2] = wrong
    assert math.isnan(update.propose(gradients, list(scalars.values()))[2])
