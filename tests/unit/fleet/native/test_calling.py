"""Products, convolutions and pooling, on memory that lies in every way; the kernels themselves have tests of their own."""

import pytest
import torch

from native_graphs import Table, targets, traced
from native_operations import aten, normal, of
from ravine.fleet.native import Unsupported
from ravine.fleet.native.program import generate

CASES = of("calling")
TABLE = Table(CASES)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_it_equals_torch(case):
    assert case.target in targets(TABLE.graphs[case.id]), "the case reaches the operation that it is for"
    TABLE.check(case)


@pytest.mark.parametrize(
    ("function", "inputs", "reason"),
    [
        (torch.conv3d, (normal(1, 1, 3, 3, 3), normal(1, 1, 2, 2, 2)), "convolves in 3 dimensions"),
        (lambda a, b: a @ b, (torch.ones(2, 2).long(), torch.ones(2, 2).long()), "multiplies matrices of integers"),
        (lambda a: aten.mm(a[:, :0], a[:0]), (normal(2, 2),), "is empty"),
    ],
)
def test_what_it_cannot_express_is_unsupported(function, inputs, reason):
    with pytest.raises(Unsupported, match=reason):
        generate(traced(function, inputs), "f", torch.float32)
