"""A loss that is no number before the first step, blamed on its first cause."""

import re

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from ravine.base.errors import TaskError
from ravine.tasks import Task

X, Y = torch.randn(10, 3, generator=torch.Generator().manual_seed(0)), torch.arange(10) % 2
PAIR = (X, Y)


class Logarithm(nn.Module):
    """The log of zero, in the middle of a model."""

    def forward(self, x):
        return torch.log(x * 0)


class Uncopyable(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(3, 2)

    def forward(self, x):
        return self.layer(x) / 0

    def __deepcopy__(self, memo):
        raise RuntimeError("no copies")


def inner():
    return nn.Sequential(nn.Linear(3, 4), Logarithm(), nn.Linear(4, 2))


def from_nan():
    module = nn.Linear(3, 2)
    with torch.no_grad():
        module.bias[1] = torch.nan
    return module


def task(model=lambda: nn.Linear(3, 2), loss=F.cross_entropy, step=None):
    return Task("t", model, PAIR, PAIR, None if step else loss, step=step)


def differentiating(model, batch):
    point = batch[0].requires_grad_()
    (slope,) = torch.autograd.grad(model(point).sum(), point, create_graph=True)
    return slope.sum() / 0


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"model": from_nan}, "task 't': the loss is nan before the first step; 'bias' of the model starts with a nan (1 of 2 numbers)."),
        (
            {"model": inner},
            "its 1 (Logarithm) is the first whose output holds a -inf (40 of 40 numbers). Look there for a division by zero",
        ),
        ({"model": Uncopyable}, "the model Uncopyable is the first whose output holds a"),
        ({"loss": lambda output, target: output.sum() / 0}, "the model's output is finite ("),
        ({"loss": lambda output, target: output.sum() / 0}, "so it comes from the loss. Look for the log, root or division of zero there."),
        ({"step": lambda model, batch: model(batch[0]).sum() * torch.inf}, "so it comes from the loss."),
        ({"step": differentiating}, "so it comes from the loss."),
    ],
)
def test_the_first_thing_that_is_no_number_is_named(changes, sentence):
    with pytest.raises(TaskError, match=re.escape(sentence)) as caught:
        task(**changes).check()
    assert "\n" not in str(caught.value)


def test_large_but_finite_is_fine():
    task(loss=lambda output, target: output.square().sum() * 1e30).check()
