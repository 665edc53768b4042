import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ravine.base.errors import InputError
from ravine.records._blocks import LossBlocks
from ravine.records.schema import BLOCK_STEPS


def gathered(blocks, into):
    for lane, first, data in blocks:
        into[lane, first] = np.frombuffer(data, "<f4")


@given(data=st.data())
def test_whatever_the_pieces_every_loss_comes_out_once_and_in_order(data):
    """Lanes start at different times, in groups that change from call to call, with chunks shorter and longer than a block."""
    blocks, found, given_losses, positions = LossBlocks(), {}, {}, {}
    for _ in range(data.draw(st.integers(1, 6))):
        step = data.draw(st.sampled_from(sorted({0, *positions.values()})))
        lanes = [lane for lane in range(5) if positions.get(lane, 0) == step and data.draw(st.booleans())]
        length = data.draw(st.sampled_from([1, 7, 999, 1000, 1001, 2300]))
        if not lanes:
            continue
        block = np.random.default_rng(len(given_losses)).random((length, len(lanes)), dtype=np.float32)
        gathered(blocks.add(lanes, step, block), found)
        if data.draw(st.booleans()):
            gathered(blocks.unfinished(), found)
        for column, lane in enumerate(lanes):
            given_losses.setdefault(lane, []).append(block[:, column])
            positions[lane] = step + length
    gathered(blocks.unfinished(), found)
    for lane, pieces in given_losses.items():
        firsts = sorted(first for owner, first in found if owner == lane)
        assert firsts == list(range(0, positions[lane], BLOCK_STEPS))
        np.testing.assert_array_equal(np.concatenate([found[lane, first] for first in firsts]), np.concatenate(pieces))


def test_unfinished_yields_nothing_twice():
    blocks = LossBlocks()
    assert list(blocks.add([3], 0, np.ones((5, 1), np.float32))) == []
    assert [lane for lane, _, _ in blocks.unfinished()] == [3]
    assert list(blocks.unfinished()) == []


def test_a_forgotten_lane_frees_its_row_and_may_begin_anew():
    blocks = LossBlocks()
    list(blocks.add([1, 2], 0, np.zeros((5, 2), np.float32)))
    blocks.forget([1])
    list(blocks.add([9], 0, np.full((4, 1), 9, np.float32)))
    assert len(blocks._data) == 2
    found = {}
    gathered(blocks.unfinished(), found)
    assert found[9, 0].tolist() == [9] * 4
    assert found[2, 0].tolist() == [0] * 5


def test_a_gap_is_refused_with_the_step_that_was_due():
    blocks = LossBlocks()
    list(blocks.add([4], 0, np.zeros((5, 1), np.float32)))
    with pytest.raises(InputError, match="lane 4 from step 7: must go on at step 5"):
        list(blocks.add([4], 7, np.zeros((1, 1), np.float32)))


def test_a_block_of_another_shape_is_refused():
    with pytest.raises(InputError, match=r"\(3, 1\) for 2 lanes"):
        list(LossBlocks().add([1, 2], 0, np.zeros((3, 1), np.float32)))
