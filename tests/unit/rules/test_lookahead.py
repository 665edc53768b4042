import doctest
from types import SimpleNamespace as N

import numpy as np
import torch

from ravine.rules import get, lookahead


def test_examples():
    result = doctest.testmod(lookahead)
    assert result.attempted > 0
    assert result.failed == 0


def test_every_kth_step_synchronises_whatever_the_lane():
    rule = get("sgd+lookahead").rule()
    h = N(lr=0.1, momentum=0.0, dampening=0.0, l2=0.0, lookahead_k=np.array([2.0, 3.0]), lookahead_alpha=np.array([0.5, 0.25]))
    c = rule.scalars(h, np.arange(1, 7)[:, None])
    assert c["lookahead_take"].T.tolist() == [[0, 1, 0, 1, 0, 1], [0, 0, 1, 0, 0, 1]]
    assert c["lookahead_back"][5].tolist() == [0.5, 0.75]


def test_slow_weights_move_at_a_synchronisation_only_and_then_equal_the_fast_ones():
    rule, p, w = get("sgd+lookahead").rule(), torch.tensor([2.0]), torch.tensor([4.0])
    c = {"lr": 1.0, "lookahead_take": 0.0, "lookahead_hold": 1.0, "lookahead_back": 0.0}
    d, state = rule.update(p, torch.ones(1), N(lookahead_w=w), N(**c))
    assert (d.item(), state["lookahead_w"].item()) == (-1.0, 4.0)
    now = c | {"lookahead_take": 1.0, "lookahead_hold": 0.0, "lookahead_back": 0.5}
    d, state = rule.update(p, torch.ones(1), N(lookahead_w=w), N(**now))
    assert (p + d).item() == state["lookahead_w"].item() == 2.5
