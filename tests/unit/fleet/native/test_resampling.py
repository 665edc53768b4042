"""Resizing: weights along each axis, and operations made of them."""

import pytest

from native_graphs import Table, targets
from native_operations import of
from ravine.fleet.native.resampling import linear, nearest, windows

CASES = of("resampling")
TABLE = Table(CASES)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_it_equals_torch(case):
    assert case.target in targets(TABLE.graphs[case.id]), "the case reaches the operation that it is for"
    TABLE.check(case)


@pytest.mark.parametrize("given", [1, 2, 7])
@pytest.mark.parametrize("wanted", [1, 3, 14])
def test_weights_add_up_to_one_and_point_inside(given, wanted):
    for rows in (linear(given, wanted, aligned=True, scale=None), linear(given, wanted, aligned=False, scale=None), windows(given, wanted)):
        assert len(rows) == wanted
        assert all(sum(weight for _, weight in row) == pytest.approx(1) for row in rows)
        assert all(0 <= place < given for row in rows for place, _ in row)
    assert all(0 <= row[0][0] < given for row in nearest(given, wanted, scale=None))
