import math

import pytest
import torch
from torch import nn
from torch.nn import functional

from ravine.tasks.baseline import baseline_loss

CLASSES = torch.tensor([0, 0, 0, 1])
ENTROPY = -(0.75 * math.log(0.75) + 0.25 * math.log(0.25))


@pytest.mark.parametrize("loss", [functional.cross_entropy, nn.CrossEntropyLoss(), functional.nll_loss, nn.NLLLoss()])
def test_class_entropy(loss):
    assert baseline_loss(loss, CLASSES) == pytest.approx(ENTROPY, rel=1e-12)
    assert baseline_loss(loss, torch.arange(10).repeat(3)) == pytest.approx(math.log(10), rel=1e-12)
    assert baseline_loss(loss, torch.tensor([2, 2])) == 0.0
    assert baseline_loss(loss, torch.tensor([0, 1, -100])) == pytest.approx(math.log(2))
    assert baseline_loss(loss, torch.tensor([-100])) is None


@pytest.mark.parametrize("loss", [functional.mse_loss, nn.MSELoss()])
def test_target_variance_averaged_over_outputs(loss):
    assert baseline_loss(loss, torch.tensor([[1.0, 0.0], [3.0, 4.0]])) == 2.5
    assert baseline_loss(loss, torch.tensor([1.0, 3.0])) == 1.0


@pytest.mark.parametrize("loss", [functional.binary_cross_entropy_with_logits, nn.BCEWithLogitsLoss(), nn.BCELoss()])
def test_binary_entropy(loss):
    assert baseline_loss(loss, torch.tensor([1.0, 0.0, 0.0, 0.0])) == pytest.approx(ENTROPY, rel=1e-12)
    assert baseline_loss(loss, torch.tensor([[1.0, 1.0], [0.0, 1.0]])) == pytest.approx(math.log(2) / 2, rel=1e-12)


def test_no_constant_output_does_better():
    target = torch.randn(50, 3, generator=torch.Generator().manual_seed(0)).double()
    least = baseline_loss(functional.mse_loss, target)
    assert functional.mse_loss(target.mean(0).expand_as(target), target).item() == pytest.approx(least, rel=1e-12)
    shares = torch.bincount(CLASSES).double() / len(CLASSES)
    assert functional.cross_entropy(shares.log().expand(4, 2), CLASSES).item() == pytest.approx(ENTROPY, rel=1e-12)


@pytest.mark.parametrize(
    ("loss", "target"),
    [
        (functional.l1_loss, torch.zeros(3)),
        (lambda output, target: output.mean(), torch.zeros(3)),
        (functional.cross_entropy, torch.rand(4, 3)),
        (functional.mse_loss, CLASSES),
        (nn.CrossEntropyLoss(label_smoothing=0.1), CLASSES),
        (nn.CrossEntropyLoss(weight=torch.ones(2)), CLASSES),
        (nn.BCEWithLogitsLoss(pos_weight=torch.ones(1)), torch.ones(4)),
        (nn.CrossEntropyLoss(ignore_index=0), CLASSES),
        (functional.cross_entropy, {"y": CLASSES}),
    ],
)
def test_what_is_not_known_is_none(loss, target):
    assert baseline_loss(loss, target) is None
