import pytest
import torch

from ravine.rules._tensorlist import TensorList

SHAPES = ((3,), (), (2, 2), (0, 3))


@pytest.fixture
def pair():
    generator = torch.Generator().manual_seed(0)
    return [[torch.randn(shape, generator=generator) for shape in SHAPES] for _ in range(2)]


@pytest.mark.parametrize(
    "function",
    [
        lambda a, b: a + b,
        lambda a, b: a - b,
        lambda a, b: a * b,
        lambda a, b: a / b,
        lambda a, b: a + 0.3,
        lambda a, b: a - 0.3,
        lambda a, b: a * 0.3,
        lambda a, b: a / 0.3,
        lambda a, b: 0.3 + a,
        lambda a, b: 0.3 - a,
        lambda a, b: 0.3 * a,
        lambda a, b: 0.3 / a,
        lambda a, b: -a,
        lambda a, b: a.abs().sqrt(),
        lambda a, b: a.sign(),
        lambda a, b: a.maximum(b),
        lambda a, b: a.clamp_min(0.1),
        lambda a, b: a.clamp_max(0.1),
        lambda a, b: 0.9 * a + 0.1 * (b * b),
    ],
)
def test_every_operation_gives_the_bits_of_plain_tensors(pair, function):
    listed = function(TensorList(pair[0]), TensorList(pair[1]))
    plain = [function(a, b) for a, b in zip(*pair, strict=True)]
    assert len(listed) == len(plain)
    assert all(torch.equal(a, b) for a, b in zip(listed, plain, strict=True))


def test_nothing_changes_in_place(pair):
    before = [tensor.clone() for tensor in pair[0]]
    a, b = TensorList(pair[0]), TensorList(pair[1])
    result = a
    result += b
    result *= 2.0
    assert result is not a
    assert all(torch.equal(x, y) for x, y in zip(pair[0], before, strict=True))


def test_the_list_is_its_own(pair):
    values = TensorList(pair[0])
    pair[0].append(torch.zeros(1))
    assert len(values) == len(SHAPES)


def test_where_keeps_the_list_or_takes_the_other():
    ours, others = TensorList([torch.ones(2), torch.ones(())]), TensorList([torch.zeros(2), torch.full((), 5.0)])
    assert [t.tolist() for t in ours.where(torch.tensor(True), others)] == [[1.0, 1.0], 1.0]
    assert [t.tolist() for t in ours.where(torch.tensor(False), others)] == [[0.0, 0.0], 5.0]
    assert [t.tolist() for t in ours.where(torch.tensor(False), 7.0)] == [[7.0, 7.0], 7.0]
