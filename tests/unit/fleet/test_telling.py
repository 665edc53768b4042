"""What a tile that runs a second time tells anew."""

import numpy as np
import pytest

from ravine.fleet import Diverged, Evaluated, Finished, LossBlock, Remark, Saved, Started
from ravine.fleet.telling import Told


def losses(first, values, lanes=(1, 2)):
    return LossBlock(lanes, first, np.array([[value] * len(lanes) for value in values], dtype=np.float32))


@pytest.fixture
def told():
    result = Told()
    for event in (Started((1, 2), "loop"), losses(0, [0, 1, 2]), Evaluated((1, 2), 3, "test", {}), Diverged(2, 3, "so")):
        assert result.news(event) is event
    return result


def test_what_was_told_is_dropped(told):
    for event in (Started((1, 2), "loop"), losses(1, [1, 2]), losses(0, [0]), Evaluated((1, 2), 3, "test", {}), Diverged(2, 3, "so")):
        assert told.news(event) is None


def test_losses_are_cut_where_the_new_ones_begin(told):
    news = told.news(losses(1, [1, 2, 3, 4]))
    assert (news.first_step, news.losses[:, 0].tolist()) == (3, [3.0, 4.0])
    assert told.news(losses(5, [5])).first_step == 5


def test_other_steps_splits_and_lanes_are_news(told):
    for event in (
        Evaluated((1, 2), 4, "test", {}),
        Evaluated((1, 2), 3, "validation", {}),
        Diverged(1, 3, "so"),
        Started((5,), "loop"),
        losses(0, [1], (5,)),
    ):
        assert told.news(event) is event


def test_a_part_of_a_tile_repeats_what_the_whole_has_told(told):
    assert told.news(Started((2,), "loop")) is None
    assert told.news(losses(0, [0, 1, 2], (2,))) is None
    assert told.news(Evaluated((2,), 3, "test", {})) is None
    assert told.news(losses(2, [2, 3], (2,))).first_step == 3
    assert told.news(losses(2, [2, 3, 4], (1,))).losses.shape == (2, 1)


@pytest.mark.parametrize("event", [Finished((1, 2), 1.0), Saved((1, 2), 3, "x"), Remark("so")])
def test_the_rest_is_always_told(told, event):
    assert told.news(event) is event
