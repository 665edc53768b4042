import numpy as np
import pytest
import torch

from ravine.optim import quantised
from ravine.rules._keeping import is_blockwise
from references import dynamic_map


@pytest.mark.parametrize("unsigned", [True, False])
def test_every_code_stands_for_itself(unsigned):
    every = torch.arange(256, dtype=torch.int64) if unsigned else torch.arange(-127, 129).clamp_max(127)
    codes, scale = every.to(torch.uint8 if unsigned else torch.int8), torch.tensor([3.0])
    again, new = quantised.encode(quantised.decode(codes, scale), unsigned=unsigned)
    assert torch.equal(again, codes)
    torch.testing.assert_close(new, scale)


def test_the_largest_of_a_block_is_exact_and_blocks_do_not_mix():
    values = torch.randn(2, 256) * torch.tensor([[1e-9], [1e9]])
    codes, scale = quantised.encode(values, unsigned=False)
    assert scale.tolist() == values.abs().amax(1).tolist()
    back = quantised.decode(codes, scale)
    torch.testing.assert_close(back.abs().amax(1), scale)
    # Half a spacing of k |k| / 127^2 is 1 / 127 of the block's largest at most.
    assert ((back - values).abs().amax(1) <= scale / 127).all()


def test_a_second_moment_above_zero_never_becomes_zero():
    values = torch.zeros(256)
    values[0], values[1] = 1.0, 1e-30
    codes, scale = quantised.encode(values, unsigned=True)
    assert codes[:3].tolist() == [255, 1, 0]
    assert quantised.decode(codes, scale)[1] > 0


@pytest.mark.parametrize("unsigned", [True, False])
def test_zeros_and_the_smallest_numbers_stay_finite(unsigned):
    for fill in (0.0, 1e-38, 1e-45):
        codes, scale = quantised.encode(torch.full((256,), fill), unsigned=unsigned)
        assert quantised.decode(codes, scale).abs().max() <= 1e-37


def test_a_nan_stays_in_its_block():
    values = torch.ones(512)
    values[3] = torch.nan
    back = quantised.decode(*quantised.encode(values, unsigned=False))
    assert back[:256].isnan().any()
    assert torch.equal(back[256:], values[256:])


@pytest.mark.parametrize(("start", "stop"), [(0, 1024), (128, 640), (256, 512), (300, 310), (1000, 1024), (1024, 1024)])
@pytest.mark.parametrize("unsigned", [True, False])
def test_a_part_that_begins_anywhere_has_the_values_of_the_whole(start, stop, unsigned):
    values = torch.randn(1024) * torch.arange(1, 5).repeat_interleave(256)
    codes, scale = quantised.encode(values.abs() if unsigned else values, unsigned=unsigned)
    part = quantised.decode_part(codes[start:stop], scale, start)
    assert torch.equal(part, quantised.decode(codes, scale)[start:stop])


def test_small_and_odd_tensors_are_left_alone():
    assert [is_blockwise(size) for size in (4096, 4095, 2048, 4096 + 128, 0)] == [True, False, False, False, False]


@pytest.mark.parametrize("rows", [False, True], ids=["like rows", "rows of all sizes"])
@pytest.mark.parametrize("steps", [20, 100])
def test_no_further_from_float32_than_the_dynamic_map(rows, steps):
    """AdamW's moments through both codes at every step, on one stream of gradients."""
    ours, theirs, exact = (moved(way, steps, rows) for way in (arithmetic, table, lambda m, v: (m, v)))
    errors, others = np.abs(ours - exact), np.abs(theirs - exact)
    assert errors.max() <= others.max()
    assert errors.mean() <= others.mean()
    assert others.max() > 0


def arithmetic(m, v):
    pairs = [quantised.encode(torch.tensor(x, dtype=torch.float32), unsigned=unsigned) for x, unsigned in ((m, False), (v, True))]
    return [quantised.decode(*pair).double().numpy() for pair in pairs]


def table(m, v):
    return dynamic_map.kept(m, True), dynamic_map.kept(v, False)


def moved(through, steps, rows):
    generator = np.random.default_rng(0)
    start = generator.standard_normal((64, 128))
    sizes = np.exp(2 * generator.standard_normal((64, 1))) if rows else 1.0
    p, m, v = start.copy(), np.zeros_like(start), np.zeros_like(start)
    for t in range(1, steps + 1):
        g = (generator.standard_normal(start.shape) + 0.5 * start) * sizes
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
        p -= 0.01 * m / (1 - 0.9**t) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
        m, v = through(m, v)
    return p
