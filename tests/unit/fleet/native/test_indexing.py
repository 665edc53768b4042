"""Lookups and additions at computed places; what lies outside a table is never touched."""

import math

import pytest
import torch

from native_graphs import Library, Table, targets, traced
from native_operations import aten, normal, of, whole
from ravine.fleet.native import Unsupported
from ravine.fleet.native.program import generate

CASES = of("indexing")
TABLE = Table(CASES)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_it_equals_torch(case):
    assert case.target in targets(TABLE.graphs[case.id]), "the case reaches the operation that it is for"
    TABLE.check(case)


def run(function, traced_with, *inputs):
    """Trace with places inside, run with others."""
    library = Library()
    library.add("it", traced(function, [traced_with.clone() if tensor.dtype == torch.int64 else tensor for tensor in inputs]))
    return library.run("it", inputs)[0]


OUTSIDE = torch.tensor([0, 5, -6, 4, 10**12, -(10**12)])
INSIDE = torch.zeros(6, dtype=torch.int64)


def test_what_is_read_outside_a_table_is_no_number():
    table = normal(5, 3)
    found = run(lambda t, i: t[i] * 1, INSIDE, table, OUTSIDE)
    assert torch.equal(found[[0, 3]], table[[0, 4]])
    assert found[[1, 2, 4, 5]].isnan().all()


def test_a_pair_of_places_of_which_one_is_outside_is_outside():
    """Laid end to end, (0, 7) of a table five wide would be (1, 2)."""
    table = normal(4, 5)
    found = run(lambda t, i, j: t[i, j] * 1, INSIDE, table, INSIDE.clone(), torch.tensor([0, 7, -6, 4, -5, 5]))
    assert [math.isnan(value) for value in found.tolist()] == [False, True, True, False, False, True]


def test_what_is_added_outside_a_table_is_dropped():
    values = normal(6, 3)
    found = run(lambda v, i: aten.index_put(torch.zeros(5, 3), [i], v, True), INSIDE, values, OUTSIDE)
    wanted = torch.zeros(5, 3)
    wanted[0], wanted[4] = values[0], values[3]
    assert torch.equal(found, wanted)
    found = run(lambda v, i: aten.scatter_add(torch.zeros(5), 0, i, v[:, 0]), INSIDE, values, OUTSIDE.clamp(-1))
    assert torch.equal(found, wanted[:, 0])


@pytest.mark.parametrize(
    ("function", "inputs", "reason"),
    [
        (lambda x, m: torch.where(m, x, x)[m.long() > 9], (normal(3), whole(3)), "cannot be traced|mask"),
        (lambda x, i: x[i, :, i], (normal(3, 3, 3), torch.arange(3)), "not neighbours"),
        (lambda x, i: aten.index_put(x, [i], x, False), (normal(3), torch.arange(3)), "writes to computed places"),
        (lambda x, i: aten.embedding_dense_backward(x, i, 3, -1, True), (normal(3, 2), torch.arange(3)), "by frequency"),
    ],
)
def test_what_it_cannot_express_is_unsupported(function, inputs, reason):
    def attempt():
        graph = traced(function, inputs) if "frequency" not in reason else Table([_Call(function, inputs)]).graphs["it"]
        generate(graph, "f", torch.float32)

    with pytest.raises(Unsupported, match=reason):
        attempt()


class _Call:
    id, element = "it", torch.float32

    def __init__(self, call, inputs):
        self.call, self.inputs = call, inputs
