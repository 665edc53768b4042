"""The values that a model can give: bounded by its last activation, or not."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from doctor_tasks import blobs, healthy
from ravine.doctor.reach import UNREACHED, unreached
from ravine.doctor.subject import Settings, Subject


def found(*end, loss=functional.mse_loss, target=lambda column: column):
    x, _ = blobs()
    data = (x, target(x[:, :1]))
    finding = unreached(
        Subject(
            healthy(lambda: nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 1), *end), loss, data, data, metrics={}), Settings()
        )
    )
    return None if finding is None else (finding.severity, finding.title, finding.measured.partition(";")[0].rpartition(" are ")[2])


@pytest.mark.parametrize(
    ("end", "bounds"),
    [(nn.ReLU(), "0 or above"), (nn.Softplus(), "0 or above"), (nn.Sigmoid(), "within [0, 1]"), (nn.Tanh(), "within [-1, 1]")],
    ids=["relu", "softplus", "sigmoid", "tanh"],
)
def test_targets_that_no_output_reaches(end, bounds):
    assert found(end, target=lambda column: 4 * column) == ("error", UNREACHED, bounds)


def test_targets_that_are_reached():
    assert found() is None
    assert found(nn.Identity(), target=lambda column: 100 * column) is None
    assert found(nn.ReLU(), target=torch.abs) is None
    assert found(nn.Sigmoid(), target=torch.sigmoid) is None


def test_a_loss_that_is_not_known_to_compare_them_is_left_alone():
    assert found(nn.ReLU(), loss=lambda output, target: (output - target.relu()).square().mean()) is None
    assert found(nn.ReLU(), loss=functional.binary_cross_entropy_with_logits, target=lambda column: (column > 0).float()) is None


def test_a_head_that_starts_at_zero_has_no_bounds():
    head = nn.Linear(1, 1)
    nn.init.zeros_(head.weight), nn.init.zeros_(head.bias)
    assert found(head) is None
