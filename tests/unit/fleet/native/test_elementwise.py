"""Pointwise operations, on all pairs of the numbers that comparisons trip over too."""

import pytest
import torch

from native_graphs import Table, targets, traced
from native_operations import of
from ravine.fleet.native import Unsupported, elementwise
from ravine.fleet.native.program import generate

CASES = of("elementwise")
TABLE = Table(CASES)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_it_equals_torch(case):
    assert case.target in targets(TABLE.graphs[case.id]), "the case reaches the operation that it is for"
    TABLE.check(case)


def test_every_operation_of_the_tables_has_a_case():
    known = {*elementwise.PLAIN, *elementwise.COMPARISONS, *elementwise.LOGICAL, *elementwise.BITWISE}
    assert sorted(map(str, known - {case.target for case in CASES})) == []


@pytest.mark.parametrize("exponent", [0.5, -1, 9, 1.5])
def test_a_power_of_an_integer_that_is_not_whole_or_is_large_is_unsupported(exponent):
    with pytest.raises(Unsupported, match=f"integers to the power {exponent}"):
        elementwise.power(exponent, torch.int64)


def test_integers_to_computed_powers_are_unsupported():
    graph = traced(torch.pow, [torch.arange(3), torch.arange(3)])
    with pytest.raises(Unsupported, match="powers that it computes"):
        generate(graph, "f", torch.float32)


@pytest.mark.parametrize(("given", "wanted", "text"), [(torch.bool, torch.bool, "x"), (torch.float32, torch.bool, "((x) != 0)")])
def test_a_cast_to_bool_compares_with_zero(given, wanted, text):
    assert elementwise.cast("x", given, wanted) == text
