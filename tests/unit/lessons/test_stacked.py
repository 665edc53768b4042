import pytest
import torch
from torch.nn import functional as F

import ravine
from ravine.lessons._stacked import Stacked, accuracy_S, batches, cross_entropy_S

X, LABELS = torch.randn(16, 5, generator=torch.Generator().manual_seed(0)), torch.arange(16) % 3


def trained(seeds):
    """Weights after some steps of Adam."""
    model, rows = Stacked((5, 4, 3), seeds), batches(16, 8, seeds)
    optimizer = ravine.optim.Adam(model.parameters(), lr=0.1)
    for _ in range(5):
        chosen = next(rows)
        optimizer.zero_grad()
        cross_entropy_S(model(X[chosen]), LABELS[chosen]).sum().backward()
        optimizer.step()
    return [weight.detach() for weight in model.parameters()]


def test_a_seed_is_trained_as_it_would_be_alone():
    together, alone = trained([1, 3, 2]), trained([3])
    for many, one in zip(together, alone, strict=True):
        torch.testing.assert_close(many[1], one[0])
    assert not torch.equal(together[0][0], together[0][1])


def test_weights_begin_as_those_of_a_linear_layer():
    model = Stacked((100, 50, 2), [0, 1])
    assert [tuple(weight.shape) for weight in model.weights] == [(2, 100, 50), (2, 50, 2)]
    assert 0.09 < model.weights[0].abs().max() <= 0.1
    assert 0.05 < model.biases[0].abs().max() <= 0.1
    assert model.weights[0].std().item() == pytest.approx(0.1 / 3**0.5, rel=0.05)


def test_layers_are_dense_with_relu_between_them():
    model = Stacked((5, 4, 3), [7])
    first, second = model.weights
    by_hand = F.relu(X @ first[0] + model.biases[0][0]) @ second[0] + model.biases[1][0]
    torch.testing.assert_close(model(X)[0], by_hand)


def test_features_are_dropped_in_training_only_and_by_their_own_seeds():
    model = Stacked((5, 400, 3), [0, 0], dropout=0.25, draws=[1, 2])
    hidden = torch.ones(2, 10, 400)
    dropped = model._dropped(hidden)
    assert (dropped == 0).float().mean().item() == pytest.approx(0.25, abs=0.03)
    torch.testing.assert_close(dropped.max(), torch.tensor(4 / 3))
    assert not torch.equal(dropped[0], dropped[1])
    assert torch.equal(model.eval()._dropped(hidden), hidden)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_the_loss_of_each_seed_is_torchs(smoothing):
    output = Stacked((5, 3), [0, 1])(X)
    labels = torch.stack([LABELS, LABELS.flip(0)])
    found = cross_entropy_S(output, labels, smoothing=smoothing)
    torch.testing.assert_close(found[0], F.cross_entropy(output[0], LABELS, label_smoothing=smoothing))
    torch.testing.assert_close(found[1], F.cross_entropy(output[1], LABELS.flip(0), label_smoothing=smoothing))


def test_accuracy_is_the_share_of_rows_of_each_seed():
    output = torch.tensor([[[1.0, 0.0], [1.0, 0.0]], [[0.0, 1.0], [1.0, 0.0]]])
    assert accuracy_S(output, torch.tensor([0, 1])).tolist() == [0.5, 0.0]


def test_every_epoch_has_each_row_once_in_an_order_of_its_own():
    drawn = batches(10, 5, [0, 1])
    first, second = (torch.cat([next(drawn), next(drawn)], dim=1) for _ in range(2))
    for epoch in (first, second):
        assert [sorted(row) for row in epoch.tolist()] == [list(range(10))] * 2
    assert len({tuple(row) for row in (*first.tolist(), *second.tolist())}) == 4


def test_an_incomplete_batch_is_left_out():
    drawn = batches(5, 2, [0])
    assert [tuple(next(drawn).shape) for _ in range(3)] == [(1, 2)] * 3
