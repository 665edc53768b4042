"""Which losses and metrics are known never to be negative."""

import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from ravine.tasks import Task, metrics
from ravine.tasks.bounds import bounds_of

PAIR = (torch.ones(4, 2), torch.ones(4, 2))


def task(loss, **given):
    return Task("t", lambda: nn.Linear(2, 2), PAIR, PAIR, loss, metrics=given)


class Shifted(nn.MSELoss):
    def forward(self, output, target):
        return super().forward(output, target) - 5.0


@pytest.mark.parametrize("loss", [F.mse_loss, F.cross_entropy, nn.L1Loss(), nn.CrossEntropyLoss(label_smoothing=0.1)])
def test_losses_of_torch_that_are_sums_of_what_is_not_negative(loss):
    assert bounds_of(task(loss), "loss") == (0.0, math.inf)


@pytest.mark.parametrize("loss", [F.nll_loss, Shifted(), lambda output, target: output.mean()])
def test_nothing_is_assumed_of_others(loss):
    assert bounds_of(task(loss), "loss") == (-math.inf, math.inf)


def test_metrics_have_bounds_of_their_own():
    ours = task(F.nll_loss, accuracy=metrics.accuracy, squares=metrics.mean_squared_error, own=lambda output, target: output.mean())
    assert [bounds_of(ours, name) for name in ("accuracy", "squares", "own")] == [(0.0, 1.0), (0.0, math.inf), (-math.inf, math.inf)]
