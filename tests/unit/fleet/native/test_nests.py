"""The text of loop nests: in which order dimensions are run, and where sums are kept."""

import pytest
import torch

from native_graphs import Library, compare, traced
from native_operations import normal
from ravine.fleet.native.program import generate


def text(function, *inputs):
    return generate(traced(function, inputs), "f", torch.float32).source


def test_neighbouring_dimensions_run_as_one():
    assert text(torch.exp, normal(3, 4, 5)).count("for (") == 1
    assert text(lambda x: x.permute(2, 0, 1).exp(), normal(3, 4, 5)).count("for (") == 2


def test_sums_of_many_terms_are_kept_in_double():
    assert "double" not in text(lambda x: x.sum(), normal(4096))
    assert "double a0" in text(lambda x: x.sum(), normal(4097))
    assert "double a0[3]" in text(lambda x: x.sum(0), normal(4097, 3))


@pytest.mark.parametrize("dims", [[0], [1], [2], [3], [0, 2], [1, 3], [0, 3], [0, 1, 3]])
def test_every_order_of_kept_and_reduced_dimensions(dims):
    x = normal(3, 4, 5, 6, dtype=torch.float64)
    library = Library(torch.float64)
    call = lambda t: (t.sum(dims), t.amax(dims), t.exp().mean(dims), t * 2)  # noqa: E731 - called twice
    library.add("it", traced(call, [x]))
    compare(library.run("it", [x]), call(x), 1e-12)


@pytest.mark.parametrize("dtype", [torch.int64, torch.int32, torch.uint8])
def test_extremes_of_integers_begin_at_the_types_own_limits(dtype):
    limits = torch.iinfo(dtype)
    low, high = torch.full((2, 3), limits.min, dtype=dtype), torch.full((2, 3), limits.max, dtype=dtype)
    library = Library()
    call = lambda x, y: (x.amax(1), y.amin(1))  # noqa: E731 - called twice
    library.add("it", traced(call, [low, high]))
    compare(library.run("it", [low, high]), call(low, high), 0)
