import pytest
import torch

from ravine.optim import rounding

KEY = torch.tensor(rounding.signed(rounding.key_of(0, 1, 0)), dtype=torch.int32)
NARROW = pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
EDGES = torch.tensor([0.0, -0.0, 1.0, 1e-3, 6e-8, 2.9e-8, 6.1e-5, 65504.0, 1e-30, 3e38, -1.00390625, 1.01171875, torch.inf, -torch.inf])


@NARROW
def test_to_the_nearest_is_torchs_conversion(dtype):
    values = torch.cat([torch.randn(2000), torch.randn(2000) * 1e-5, torch.randn(2000) * 1e-7, EDGES])
    ours, theirs = rounding.nearest(values, dtype), values.to(dtype).float()
    # torch turns what float16 cannot hold into infinity only when it is kept.
    assert torch.equal(ours.to(dtype).float(), theirs)
    held = theirs.isfinite()
    assert torch.equal(ours[held], theirs[held])
    assert rounding.nearest(torch.tensor([torch.nan]), dtype).isnan().all()


@NARROW
@pytest.mark.parametrize("value", [1.0009765, -1.0009765, 3.14159, 1e-3, 1e-6, -3e-8])
def test_by_chance_is_right_on_average_and_one_of_the_two_neighbours(dtype, value):
    count = 1 << 16
    wide = torch.full((count,), value)
    rounded = rounding.by_chance(wide, dtype, KEY, 1)
    assert torch.equal(rounded, rounded.to(dtype).float())
    found = rounded.unique()
    assert len(found) <= 2
    assert found[0] <= wide[0] <= found[-1]
    spacing = (found[-1] - found[0]).double()
    # Five standard deviations of the mean of so many draws.
    assert (rounded.double().mean() - wide[0].double()).abs() <= 5 * 0.5 * spacing / count**0.5


@NARROW
def test_what_fits_is_never_moved(dtype):
    values = torch.cat([torch.randn(1000).to(dtype).float(), EDGES[12:], torch.zeros(3)])
    assert torch.equal(rounding.by_chance(values, dtype, KEY, 1), values)
    assert rounding.by_chance(torch.full((100,), torch.nan), dtype, KEY, 1).isnan().all()


def test_draws_are_even_and_differ_by_step_position_stream_and_seed():
    like = torch.empty(1 << 16)
    first = rounding.draws(like, KEY, 1)
    assert (first & 0xFFFF).double().mean().item() == pytest.approx(0x7FFF, rel=0.01)
    ones = torch.stack([(first >> bit) & 1 for bit in range(32)]).double().mean(1)
    assert (ones - 0.5).abs().max() < 0.01
    assert first.unique().numel() > 0.99 * first.numel()
    others = [rounding.key_of(1, 1, 0), rounding.key_of(0, 2, 0), rounding.key_of(0, 1, 1)]
    keys = [torch.tensor(rounding.signed(key), dtype=torch.int32) for key in others]
    for other in (rounding.draws(like, KEY, 2), *(rounding.draws(like, key, 1) for key in keys)):
        pair = torch.stack([first & 0xFFFF, other & 0xFFFF]).double()
        assert pair.corrcoef()[0, 1].abs() < 0.02
        assert torch.equal(rounding.draws(like, KEY, 1), first)


def test_a_part_draws_what_the_whole_draws_there():
    whole = rounding.draws(torch.empty(10, 4), KEY, 3)
    key = torch.tensor(rounding.signed(int(KEY) + 6 * 4), dtype=torch.int32)
    assert torch.equal(rounding.draws(torch.empty(4, 4), key, 3), whole[6:])


@pytest.mark.parametrize(("value", "read"), [(0, 0), (2**31, -(2**31)), (2**32 - 1, -1), (-1, -1), (5 + 2**40, 5)])
def test_the_low_bits_are_read_with_their_sign(value, read):
    assert rounding.signed(value) == read
