"""Loop nests: sums of many terms, stores and reductions in one nest, results that nobody reads."""

import pytest
import torch

from native_graphs import Library, compare, traced
from native_operations import normal
from ravine.fleet.native.loops import compact, loop_indices
from ravine.fleet.native.lowering import Lowering
from ravine.fleet.native.values import ZERO, variable


def run(function, *inputs, tolerance=1e-6):
    library = Library(inputs[0].dtype)
    library.add("it", traced(function, inputs))
    found = library.run("it", inputs)
    compare(found, torch.utils._pytree.tree_leaves(function(*inputs)), tolerance)
    return found


@pytest.mark.parametrize("value", ["random", "constant"])
@pytest.mark.parametrize(
    ("shape", "dims"), [((1_000_000,), [0]), ((1000, 1000), [0, 1]), ((250_000, 4), [0]), ((4, 250_000), [1]), ((500, 4, 500), [0, 2])]
)
def test_a_sum_of_a_million_float32_terms_is_good_to_five_digits(shape, dims, value):
    x = normal(*shape).abs() if value == "random" else torch.full(shape, 0.1)
    library = Library()
    library.add("it", traced(lambda t: t.sum(dims), [x]))
    (found,) = library.run("it", [x])
    wanted = x.double().sum(dims)
    assert float(((found.double() - wanted) / wanted).abs().max()) < 1e-5


def test_several_results_over_one_space():
    run(lambda x, y: (x * y, (x + y).exp(), (x - y).sum(0), (x * x).sum(0), (x * y).amax(0)), normal(5, 6), normal(5, 6))


def test_reductions_over_different_dimensions_of_one_space():
    run(lambda x: ((e := x.exp()).sum(0), e.sum(1), e.sum(), e.amax(1)), normal(5, 6), tolerance=1e-5)


def test_a_result_that_is_reduced_and_kept():
    run(lambda x: ((e := x.exp()), e.sum(1), e * 2), normal(5, 6), tolerance=1e-5)


def test_a_result_that_only_its_own_nest_reads_is_not_stored():
    low = Lowering(traced(lambda x: ((e := x.exp()) + 1).sum() + (e * 2).sum(), [normal(5, 6)]))
    assert sum(buffer.size == 30 for statement in low.statements for buffer in statement.reads | statement.writes) <= 3
    run(lambda x: ((e := x.exp()) + 1).sum() + (e * 2).sum(), normal(5, 6), tolerance=1e-5)


def test_a_wide_row_is_summed_over_its_first_dimension():
    run(lambda x: x.sum(0), normal(3, 40_000))


def test_dimensions_of_length_one_need_no_loop():
    assert compact((1, 3, 1, 2)) == (3, 2)
    assert loop_indices((1, 3, 1, 2)) == (ZERO, variable(0), ZERO, variable(1))
