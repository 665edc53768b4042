"""Graphs as statements: every operation is reached by some test, random programs equal torch, what cannot be expressed is refused."""

import pytest
import torch
from torch._decomp import core_aten_decompositions

from native_dags import Dag
from native_graphs import Library, Table, compare, traced
from native_operations import ELEMENTWISE, normal, of
from ravine.fleet.native import Unsupported
from ravine.fleet.native.lowering import HANDLERS, Lowering
from ravine.fleet.native.program import generate

MODULES = ("activations", "calling", "indexing", "reducing", "resampling", "scanning", "shaping")


def test_every_operation_has_a_case():
    covered = {case.target for case in (*of(*MODULES), *ELEMENTWISE)}
    assert sorted(str(target) for target in HANDLERS.keys() - covered) == []


def test_every_case_belongs_to_an_operation_that_has_native_code():
    assert {handler.__module__.rpartition(".")[2] for handler in HANDLERS.values()} == set(MODULES)


DAGS = [Dag(seed, seed % 3 == 1) for seed in range(300, 340)]
DAG_TABLE = Table(DAGS, core_aten_decompositions())


@pytest.mark.parametrize("dag", DAGS, ids=lambda dag: dag.id)
def test_a_random_program_equals_torch(dag):
    DAG_TABLE.check(dag)


@pytest.mark.slow
@pytest.mark.parametrize("first", range(1000, 1600, 60))
def test_many_random_programs_equal_torch(first):
    dags = [Dag(seed, seed % 3 == 1) for seed in range(first, first + 60)]
    table = Table(dags, core_aten_decompositions())
    for dag in dags:
        table.check(dag)


def run(function, *inputs):
    library = Library(inputs[0].dtype)
    library.add("it", traced(function, inputs))
    found = library.run("it", inputs)
    compare(found, torch.utils._pytree.tree_leaves(function(*inputs)), 1e-6)


def test_a_single_element_is_written_after_what_surrounds_it():
    run(lambda x: torch.nn.functional.pad(x, (1, 2), value=0.5), normal(1))
    run(lambda x: torch.nn.functional.pad(x, (1, 2), value=0.5).select(0, 1).sigmoid(), normal(1))


def test_an_input_may_be_an_output_and_an_output_may_come_twice():
    run(lambda x: (x, x.t(), x + 1, x.exp(), x.exp()), normal(3, 4))


def test_results_that_are_one_buffer_in_two_shapes_are_both_written():
    run(lambda x: ((y := x.exp()), y.reshape(-1), y.t()), normal(3, 4))


def test_a_tensor_that_is_read_before_and_after_others_are_written_stays():
    def long_lived(x):
        first = x.exp()
        chain = first
        for _ in range(12):
            chain = (chain @ first).tanh() + first.sum(0)
        return chain + first, first.amax(1)

    run(long_lived, normal(4, 4, dtype=torch.float64) * 0.1)


@pytest.mark.parametrize(
    ("function", "inputs", "reason"),
    [
        (lambda x: x.sort()[0], (normal(4),), "no native code is known for aten.sort"),
        (lambda x: x.topk(2)[0], (normal(4),), "no native code is known for aten.topk"),
        (lambda x: torch.fft.rfft(x).abs(), (normal(4),), "no native code is known for aten._fft_r2c"),
        (lambda x: x.bfloat16() + 1, (normal(4),), "it computes in bfloat16"),
        (lambda x: x * torch.tensor([1.0, 2.0]), (normal(2),), "neither parameter nor buffer"),
        (lambda x: x[:0].exp(), (normal(2),), "is empty"),
        (lambda x: x + 1, (torch.zeros(2, dtype=torch.complex64),), "it computes in complex64"),
    ],
)
def test_what_it_cannot_express_is_unsupported(function, inputs, reason):
    with pytest.raises(Unsupported, match=reason):
        generate(traced(function, inputs), "f", torch.float32)


def test_a_store_joins_the_loop_over_the_same_elements():
    low = Lowering(traced(lambda x, y: (x - y, x * y, x + 2 * y), [normal(3, 4), normal(3, 4)]))
    assert len(low.statements) == 1


def test_a_store_that_reads_what_another_place_of_the_loop_writes_does_not_join_it():
    low = Lowering(traced(lambda x: (y := x.exp(), y + y.flip(0)), [normal(3, 4)]))
    assert len(low.statements) == 2


def test_a_number_computed_from_inputs_does_not_keep_stores_apart():
    """As in a rule that stores a slot before it uses a scalar that it negates."""
    low = Lowering(traced(lambda p, g, c: ((s := p + g), p + (-c) * s * s), [normal(5), normal(5), normal()]))
    assert [len(statement.stores) for statement in low.statements] == [1, 2]
