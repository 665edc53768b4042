import doctest
from types import SimpleNamespace as N

import numpy as np
import pytest
import torch

from ravine.rules import clip_history, get

RULE = get("sgd+clip_history").rule()
C = N(clip_history_bound=2.0, clip_history_keep=0.9, clip_history_take=0.1, clip_history_warmup=4.0)


def test_examples():
    result = doctest.testmod(clip_history)
    assert result.attempted > 0
    assert result.failed == 0


def after(*norms):
    """The lane's state after steps with these norms, and the last factor."""
    state = {slot.symbol: torch.tensor(0.0, dtype=torch.float64) for slot in RULE.lane_slots}
    for norm in norms:
        state, extra = RULE.conclude(N(clip_history_total=torch.tensor(norm, dtype=torch.float64) ** 2), N(**state), C)
    return {name.removeprefix("clip_history_"): value.item() for name, value in state.items()}, extra


def test_the_first_norms_give_mean_and_variance_and_are_not_clipped():
    norms = [1.0, 3.0, 200.0, 5.0]
    state, extra = after(*norms)
    assert (state["mean"], state["variance"]) == (pytest.approx(np.mean(norms)), pytest.approx(np.var(norms)))
    assert (state["count"], extra["clip_history_factor"]) == (4.0, 1.0)


def test_an_outlier_is_cut_the_more_the_further_out_it_is():
    quiet = (1.0, 3.0, 1.0, 3.0)
    kept = [norm * after(*quiet, norm)[1]["clip_history_factor"].item() for norm in (3.9, 5.0, 50.0)]
    assert kept == pytest.approx([3.9, 2 + 4 / 3, 2 + 4 / 48], rel=1e-5)


def test_a_norm_that_is_not_finite_leaves_the_history_alone():
    before, _ = after(1.0, 3.0, 1.0, 3.0, 2.0)
    state, extra = after(1.0, 3.0, 1.0, 3.0, 2.0, float("nan"))
    assert state == before | {"skipped": 1.0}
    assert extra["clip_history_taken"] == 0.0
