import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ravine.base.errors import InputError
from ravine.tasks import metrics

LOGITS = torch.tensor([[3.0, 1.0, 0.0], [0.0, 2.0, 1.0], [0.0, 1.0, 2.0], [5.0, 0.0, 0.0]])
TARGET = torch.tensor([0, 1, 1, 2])


def test_accuracy_of_class_numbers():
    assert metrics.accuracy(LOGITS, TARGET) == 0.5


def test_accuracy_with_classes_last_and_with_torchs_layout():
    sequence = LOGITS.reshape(2, 2, 3)
    assert metrics.accuracy(sequence, TARGET.reshape(2, 2)) == 0.5
    wide = torch.cat([sequence, sequence], 1)
    target = torch.cat([TARGET.reshape(2, 2)] * 2, 1)
    assert metrics.accuracy(wide.movedim(-1, 1), target) == 0.5


def test_where_both_layouts_fit_classes_stand_last():
    output = torch.tensor([[[9.0, 0.0], [9.0, 0.0]]])
    assert metrics.accuracy(output, torch.tensor([[0, 0]])) == 1.0


def test_accuracy_of_binary_logits_and_of_class_shares():
    logits, ones = torch.tensor([2.0, -1.0, 3.0, -4.0]), torch.tensor([1.0, 0.0, 0.0, 0.0])
    for output, target in ((logits, ones), (logits[:, None], ones[:, None]), (logits[:, None], ones), (logits, ones.long())):
        assert metrics.accuracy(output, target) == 0.75
    assert metrics.accuracy(LOGITS, torch.nn.functional.one_hot(TARGET, 3).float()) == 0.5


def test_top():
    two = metrics.top(2)
    assert two.__name__ == "top_2"
    assert two(LOGITS, TARGET) == 0.75
    assert metrics.top(3)(LOGITS, TARGET) == 1.0
    with pytest.raises(InputError, match="k=0"):
        metrics.top(0)


def test_errors_of_regression():
    output, target = torch.tensor([[1.0], [2.0]]), torch.tensor([[0.0], [4.0]])
    assert metrics.mean_squared_error(output, target) == 2.5
    assert metrics.mean_absolute_error(output, target) == 1.5
    assert metrics.mean_squared_error.lower_is_better
    assert not hasattr(metrics.accuracy, "lower_is_better")


def test_bits_of_the_target_s_probability():
    # Probabilities 1/2, 1/4 and 1/4: one bit, two bits.
    output = torch.tensor([[2.0, 1.0, 1.0], [2.0, 1.0, 1.0]]).mul(math.log(2))
    assert metrics.bits_per_symbol(output, torch.tensor([0, 2])).item() == pytest.approx(1.5)
    assert metrics.bits_per_symbol(output[None], torch.tensor([[0, 2]])).item() == pytest.approx(1.5)
    assert metrics.bits_per_symbol.lower_is_better


@pytest.mark.parametrize("metric", [metrics.mean_squared_error, metrics.mean_absolute_error])
def test_broadcasting_is_refused(metric):
    with pytest.raises(ValueError, match="shapes must agree"):
        metric(torch.zeros(3, 1), torch.zeros(3))


def test_shapes_that_fit_no_reading():
    with pytest.raises(ValueError, match=r"output \(4, 3\) and target \(3,\)"):
        metrics.accuracy(LOGITS, TARGET[:3])


@given(st.integers(1, 4), st.integers(1, 6), st.integers(2, 5), st.integers(0, 1000))
def test_under_vmap_every_lane_equals_its_own_run(lanes, size, classes, seed):
    generator = torch.Generator().manual_seed(seed)
    output = torch.randn(lanes, size, classes, generator=generator)
    target = torch.randint(classes, (size,), generator=generator)
    values = torch.func.vmap(metrics.accuracy, in_dims=(0, None))(output, target)
    assert values.tolist() == [metrics.accuracy(lane, target).item() for lane in output]
    bits = torch.func.vmap(metrics.bits_per_symbol, in_dims=(0, None))(output, target)
    torch.testing.assert_close(bits, torch.stack([metrics.bits_per_symbol(lane, target) for lane in output]))
    shares = torch.rand(size, classes, generator=generator)
    for metric in (metrics.mean_squared_error, metrics.mean_absolute_error, metrics.accuracy):
        together = torch.func.vmap(metric, in_dims=(0, None))(output, shares)
        torch.testing.assert_close(together, torch.stack([metric(lane, shares) for lane in output]))
