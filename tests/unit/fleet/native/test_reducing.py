"""Reductions over every set of dimensions, softmax, normalisation."""

import pytest

from native_graphs import Table, targets
from native_operations import of

CASES = of("reducing")
TABLE = Table(CASES)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_it_equals_torch(case):
    assert case.target in targets(TABLE.graphs[case.id]), "the case reaches the operation that it is for"
    TABLE.check(case)
