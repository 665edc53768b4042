"""Whole functions: memory is planned without overlaps, kernels are given to every graph that calls one."""

import pytest
import torch

from native_graphs import Library, compare, traced
from native_operations import normal
from ravine.fleet.native import Unsupported
from ravine.fleet.native.lowering import Lowering
from ravine.fleet.native.program import ALIGNMENT, _give, _plan, _take, _unread, generate


def long_lived(x):
    first, chain = x.exp(), x
    for _ in range(6):
        chain = (chain @ first).tanh()
    return chain + first


def test_buffers_in_use_at_the_same_time_do_not_overlap():
    low = Lowering(traced(long_lived, [normal(5, 5)]))
    unread = _unread(low)
    end = _plan(low.statements, unread)
    uses = {}
    for number, statement in enumerate(low.statements):
        for buffer in statement.reads | statement.writes:
            if buffer.place == "scratch" and buffer not in unread:
                uses.setdefault(buffer, []).append(number)
    assert len(uses) > 4
    assert end < sum(buffer.nbytes for buffer in uses), "memory is used again"
    for one, first in uses.items():
        assert one.position % ALIGNMENT == 0
        assert one.position + one.nbytes <= end
        for other, second in uses.items():
            if one is not other and min(first) <= max(second) and min(second) <= max(first):
                assert one.position + one.nbytes <= other.position or other.position + other.nbytes <= one.position


def test_free_memory_grows_together_and_is_taken_where_it_fits_best():
    assert _give(_give([(256, 64)], (64, 128)), (0, 64)) == [(0, 192), (256, 64)]
    free = [(0, 192), (256, 64)]
    assert _take(free, 64, 320) == (256, 320)
    assert free == [(0, 192)]
    assert _take(free, 64, 320) == (0, 320)
    assert free == [(64, 128)]
    assert _take(free, 192, 320) == (320, 512)


def test_a_graph_that_calls_a_kernel_without_scratch_memory_is_given_the_kernels():
    x = normal(1, 2, 4, 4)
    library = Library()
    library.add("it", traced(lambda t: torch.nn.functional.max_pool2d(t, 2), [x]))
    compare(library.run("it", [x]), [torch.nn.functional.max_pool2d(x, 2)], 0.0)
    assert generate(traced(lambda t: torch.nn.functional.max_pool2d(t, 2), [x]), "f", torch.float32).calls
    assert not generate(traced(torch.exp, [x]), "f", torch.float32).calls


def test_a_row_of_any_length_is_not_stored():
    def stores(x):
        return x.exp().flip(0).exp() + x.exp()

    with pytest.raises(Unsupported, match="do not fit registers"):
        generate(traced(stores, [normal(1009)]), "f", torch.float32, symbolic=1009)
