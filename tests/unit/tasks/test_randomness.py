import random

import numpy as np
import pytest
import torch

from ravine.tasks._randomness import isolated


def draw():
    return torch.rand(2).tolist(), np.random.rand(2).tolist(), random.random()  # noqa: NPY002 - users do


def test_the_callers_streams_go_on_as_if_nothing_had_been():
    with isolated(1):  # the test's own streams start from known states and are given back
        alone = [draw(), draw()]
    with isolated(1):
        first = draw()
        with isolated(2):
            draw()
        second = draw()
    assert [first, second] == alone


def test_a_seed_fixes_every_stream_and_seeds_differ():
    def drawn(seed):
        with isolated(seed):
            return draw()

    assert drawn(3) == drawn(3)
    assert all(ours != theirs for ours, theirs in zip(drawn(3), drawn(4), strict=True))
    assert drawn(2**63 - 1)


def test_streams_are_given_back_after_an_error():
    with isolated(1):
        expected = draw()
    with isolated(1):
        with pytest.raises(KeyError), isolated(5):
            raise KeyError
        assert draw() == expected
