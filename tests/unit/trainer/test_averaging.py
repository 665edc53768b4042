"""The average of the weights, held to its equation."""

import pytest
import torch
from torch import nn

from ravine.base.errors import InputError
from ravine.trainer.averaging import Averaging


def make():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))


def test_it_follows_its_equation_with_the_ramp():
    model = make()
    averaging, expected = Averaging(model, 0.9), model[0].weight.detach().clone()
    for step in range(1, 200):
        with torch.no_grad():
            model[0].weight.add_(0.01 * step)
        averaging.update(step)
        decay = min(0.9, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * model[0].weight.detach()
    torch.testing.assert_close(averaging.tensors()["average.0.weight"], expected, rtol=1e-5, atol=1e-5)


def test_statistics_of_batchnorm_are_averaged_and_counters_left():
    model = make()
    averaging = Averaging(model, 0.5)
    for step in range(50, 53):
        model(torch.randn(8, 2) + 5.0)
        averaging.update(step)
    live, counted = model[1].running_mean.clone(), model[1].num_batches_tracked.clone()
    with averaging.applied():
        assert not torch.equal(model[1].running_mean, live)
        assert torch.equal(model[1].num_batches_tracked, counted)
    assert torch.equal(model[1].running_mean, live)


def test_bfloat16_weights_are_averaged_in_float32():
    model = nn.Linear(1, 1).bfloat16()
    averaging = Averaging(model, 0.999)
    assert {tensor.dtype for tensor in averaging.tensors().values()} == {torch.float32}
    averaging.update(10)
    with averaging.applied():
        assert model.weight.dtype == torch.bfloat16


def test_it_goes_on_from_its_tensors():
    model = make()
    one, other = Averaging(model, 0.9), Averaging(make(), 0.9)
    model(torch.randn(4, 2))
    one.update(3)
    other.restore(one.tensors())
    assert all(torch.equal(one.tensors()[name], tensor) for name, tensor in other.tensors().items())


def test_a_decay_of_one_would_never_learn():
    with pytest.raises(InputError, match=r"ema=1: must be at least 0 and below 1"):
        Averaging(make(), 1)
