"""Outputs in the memory of inputs: only where every element is read before it is written, and then with the right numbers."""

import pytest
import torch

from native_graphs import traced
from native_operations import normal
from ravine.fleet.native import toolchain
from ravine.fleet.native.functions import Function
from ravine.fleet.native.program import generate

needs_compiler = pytest.mark.skipif(toolchain.compiler() is None, reason="no C++ compiler")


def by_elements(x, y):
    return x * y + x, y + x


def old_after_new(x, y):
    return y * 2.0, y + x


def old_in_a_later_loop(x, y):
    new = y * 2.0
    return new, x + new.sum()


def by_neighbours(x, y):
    return x + x.flip(0), y + x


def by_the_sum(x, y):
    return x / x.sum(), y + x


def sum_of_the_new(x, y):
    return x * y, y / (x * y).sum()


def after_all(x, y):
    total = (x * y).sum()
    return x + total, y - total


def by_rows(x, y):
    return x + y.mean(-1, keepdim=True), y * 2.0


def given_back(x, y):
    return x, y + x.sum()


@needs_compiler
@pytest.mark.parametrize(
    ("function", "shape", "shared"),
    [
        (by_elements, (37,), {0, 1}),
        (by_neighbours, (37,), {1}),
        (by_the_sum, (37,), {0, 1}),
        (sum_of_the_new, (37,), {0, 1}),
        (after_all, (37,), {0, 1}),
        (by_rows, (5, 7), {0, 1}),
        (given_back, (37,), {0, 1}),
    ],
    ids=lambda part: getattr(part, "__name__", None),
)
def test_what_may_share_memory_gives_the_numbers_of_what_does_not(function, shape, shared):
    inputs = [normal(*shape), normal(*shape)]
    wanted = [value.clone() for value in function(*inputs)]
    program = generate(traced(function, [t.clone() for t in inputs]), "f", torch.float32, in_place=[(0, 0), (1, 1)])
    assert program.shared <= shared
    assert program.shared or function is by_neighbours
    apart = [torch.empty(shape), torch.empty(shape)]
    given = [t.clone() for t in inputs]
    outputs = [given[number] if number in program.shared else apart[number] for number in (0, 1)]
    Function(program, torch.float32).call(0, given, outputs)
    for mine, other in zip(outputs, wanted, strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("function", [by_neighbours, old_after_new, old_in_a_later_loop], ids=lambda function: function.__name__)
def test_what_is_read_again_after_it_was_written_may_not(function):
    program = generate(traced(function, [normal(37), normal(37)]), "f", torch.float32, in_place=[(0, 0), (1, 1)])
    assert 0 not in program.shared


def test_without_sharing_the_promise_stays():
    graph = traced(by_elements, [normal(37), normal(37)])
    assert "__restrict" in generate(graph, "f", torch.float32).source
    assert "__restrict" not in generate(graph, "f", torch.float32, in_place=[(0, 0), (1, 1)]).source


def test_another_size_or_type_is_never_shared():
    program = generate(traced(lambda x, y: (x.sum(), y.double()), [normal(37), normal(37)]), "f", torch.float32, in_place=[(0, 0), (1, 1)])
    assert not program.shared
