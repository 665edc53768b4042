"""The range test on a quadratic whose limits are known."""

import numpy as np
import pytest
import torch
from torch import nn

import ravine
from ravine.base.errors import InputError
from ravine.doctor import range_test

CURVATURE = 4.0


class Bowl(nn.Module):
    """Half of 4 theta^2: plain descent diverges above a rate of 2/4."""

    def __init__(self):
        super().__init__()
        self.theta = nn.Parameter(torch.ones(1))

    def forward(self, x):
        return 0.5 * CURVATURE * (self.theta + 0.0 * x).square().mean()


ROWS = (torch.zeros(8, 1),)


@pytest.fixture(scope="module")
def found():
    task = ravine.Task("bowl", Bowl, ROWS, ROWS, step=lambda model, batch: model(batch[0]), batch_size=None)
    return range_test(task, optimizer="sgd", seeds=2, steps=100, from_lr=1e-4, to_lr=1e2)


def test_the_ramp_is_exponential(found):
    assert found.rates[0] == pytest.approx(1e-4)
    assert np.diff(np.log(found.rates)) == pytest.approx(np.log(1e6) / 100)
    assert found.losses.shape == found.smoothed.shape == (100, 2)


def test_the_bounds_lie_where_theory_has_them(found):
    limit = 2 / CURVATURE
    assert found.descent < limit
    # The loss has fallen by orders of magnitude when the limit is passed, and must climb back above its start.
    assert limit < found.divergence < 30 * limit
    assert len(found.descents) == len(found.divergences) == 2


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"from_lr": 1e-3, "to_lr": 5e-3}, "must rise by a decade or more"),
        ({"steps": 10}, "steps=10: must be a whole number, at least 50"),
        ({"seeds": 0}, "seeds=0: must be a whole number, at least 1"),
        ({"from_lr": -1.0}, "from_lr=-1.0: must be above 0"),
    ],
)
def test_unusable_options_are_refused(options, text):
    task = ravine.Task("bowl", Bowl, ROWS, ROWS, step=lambda model, batch: model(batch[0]))
    with pytest.raises(InputError, match=text):
        range_test(task, **options)
