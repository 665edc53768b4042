"""Indices, memory at strides, literals."""

import math

import pytest
import torch

from ravine.fleet.native.values import (
    Buffer,
    Constant,
    Index,
    Memory,
    Pointwise,
    Ramp,
    Reindexed,
    Unsupported,
    broadcast,
    c_type,
    literal,
    row_major,
    variable,
    walk,
)


def test_indices_add_and_multiply_as_polynomials():
    i, j = variable(0), variable(1)
    total = (i * 3 + j + Index(2)) * 2 + j * -2
    assert (total.constant, total.coefficient(0), total.coefficient(1)) == (4, 6, 0)
    assert total == Index(4, ((0, 6),)), "what vanishes leaves no trace, so equal addresses are equal"
    assert (i * 0) == Index()


def test_an_address_is_an_offset_and_strides():
    memory = Memory(Buffer(torch.float32, 24), (2, 3), (12, 2), 5)
    assert memory.address((variable(0), variable(1))) == Index(5, ((0, 12), (1, 2)))
    assert not memory.is_whole
    assert Memory(Buffer(torch.float32, 6), (2, 1, 3)).is_whole


def test_a_view_of_memory_is_torchs_view():
    memory = Memory(Buffer(torch.float32, 24), (2, 3, 4))
    seen = memory.through(lambda t: t.permute(2, 0, 1)[1:, :, ::2])
    wanted = torch.arange(24).view(2, 3, 4).permute(2, 0, 1)[1:, :, ::2]
    assert (seen.shape, seen.strides, seen.offset) == (tuple(wanted.shape), wanted.stride(), wanted.storage_offset())
    assert seen.through(lambda t: t.view(-1)) is None, "a view that needs a copy is none"


def test_strides_of_contiguous_tensors():
    assert row_major((2, 3, 4)) == torch.empty(2, 3, 4).stride()
    assert row_major(()) == ()


@pytest.mark.parametrize("number", [0.1, -0.0, 1e-45, 3.4e38, 1e300, 1 / 3, 123456789.0])
def test_a_literal_is_exact(number):
    text = literal(number, torch.float64).removeprefix("((double)").removesuffix(")")
    assert math.copysign(1, float(text)) == math.copysign(1, number)
    assert float(text) == number


def test_literals_that_are_no_numbers():
    assert literal(math.nan, torch.float32) == "(float)NAN"
    assert literal(-math.inf, torch.float64) == "(double)-INFINITY"
    assert literal(True, torch.bool) == "((uint8_t)1LL)"
    assert literal(2, torch.float32) == "((float)2.0)"


def test_a_dtype_without_a_c_type_is_unsupported():
    with pytest.raises(Unsupported, match="it computes in float16"):
        c_type(torch.float16)


def test_broadcasting_repeats_lengths_of_one_and_adds_dimensions_in_front():
    ramp = Ramp(0, 1, 3, torch.int64)
    wide = broadcast(ramp, (4, 3))
    assert isinstance(wide, Reindexed)
    assert wide.mapping((variable(0), variable(1))) == (variable(1),)
    assert broadcast(Constant(2, (), torch.float32), (4, 3)).shape == (4, 3)
    assert broadcast(Memory(Buffer(torch.float32, 3), (3, 1)), (2, 3, 5)).strides == (0, 1, 0)


def test_a_walk_meets_everything_that_is_read():
    leaf = Memory(Buffer(torch.float32, 3), (3,))
    inner = Pointwise((3,), torch.float32, lambda a: f"-{a}", [leaf])
    outer = Pointwise((2, 3), torch.float32, lambda a: f"-{a}", [broadcast(inner, (2, 3))])
    assert {leaf, inner, outer} <= set(walk(outer))
