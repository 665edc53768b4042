"""One schedule after another, and schedules of values."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ravine.base.errors import InputError
from ravine.schedules import Between, Chain, Constant, Cosine, Exponential, Linear, Step


def test_every_part_counts_from_its_own_start():
    chain = Constant(horizon=2) >> Linear(horizon=4) >> Constant(horizon=2).warmup(1)
    assert chain(np.arange(10)).tolist() == [1.0, 1.0, 1.0, 0.75, 0.5, 0.25, 1.0, 1.0, 1.0, 1.0]


@pytest.mark.parametrize("place", [0, 1, 2])
def test_one_part_may_take_what_the_others_leave(place):
    parts = [Constant(horizon=3), Constant(horizon=5)]
    parts.insert(place, Linear())
    curve = Chain(tuple(parts))(np.arange(12), horizon=12)
    start = [0, 3, 8][place]
    expected = [1.0] * 12
    expected[start : start + 4] = [1.0, 0.75, 0.5, 0.25]
    assert curve.tolist() == expected


def test_the_end_value_of_the_last_part_stays():
    assert (Constant(horizon=2) >> Linear(horizon=2, floor=0.5))([3, 4, 99]).tolist() == [0.75, 0.5, 0.5]


def test_a_last_part_that_needs_no_horizon_goes_on():
    chain = Linear(horizon=2, floor=0.5) >> Exponential(gamma=0.5, per=1)
    assert not chain.needs_horizon
    assert [chain(step) for step in (0, 1, 2, 3, 12)] == [1.0, 0.75, 1.0, 0.5, 0.5**10]
    assert (Constant() >> Linear(horizon=3)).needs_horizon
    assert (Constant(horizon=3) >> Linear()).needs_horizon
    assert (Constant(horizon=3) >> Linear()).length is None
    assert (Constant(horizon=3) >> Linear(horizon=3)).warmup(0.5).length is None


@given(st.lists(st.integers(1, 20), min_size=1, max_size=5), st.integers(0, 10), st.lists(st.integers(0, 150), min_size=1))
@settings(deadline=None)
def test_steps_one_by_one_and_together_give_the_same_bits(lengths, warmup, steps):
    kinds = [Linear, Cosine, Constant, Step, Exponential]
    chain = Chain(tuple(kind(horizon=length) for kind, length in zip(kinds, lengths, strict=False))).warmup(warmup)
    assert chain(np.array(steps)).tobytes() == np.array([chain(step) for step in steps]).tobytes()
    assert chain.length == warmup + sum(lengths)


def test_a_chain_in_a_chain_is_its_parts():
    a, b, c = Constant(horizon=2), Linear(horizon=3), Cosine(horizon=4)
    assert (a >> b) >> c == a >> (b >> c) == Chain((a, b, c))


def test_a_warmed_chain_is_a_part_of_its_own_length():
    inner = (Constant(horizon=2) >> Linear(horizon=2)).warmup(2)
    chain = inner >> Constant()
    assert chain(np.arange(8)).tolist() == [0.5, 1.0, 1.0, 1.0, 1.0, 0.5, 1.0, 1.0]
    assert inner(np.arange(6)).tolist() == chain(np.arange(6)).tolist()


def test_a_warmup_of_the_whole():
    assert (Constant(horizon=2) >> Linear()).warmup(0.25)(np.arange(8), horizon=8).tolist() == [0.5, 1, 1, 1, 1, 0.75, 0.5, 0.25]


def test_settings_are_plain():
    assert (Constant(horizon=2) >> Linear()).warmup(3).settings == {
        "warmup": 3,
        "parts": [{"name": "constant", "horizon": 2}, {"name": "linear"}],
    }


def test_bad_chains():
    with pytest.raises(InputError, match="only one part may be without a horizon"):
        _ = Constant() >> Linear()
    with pytest.raises(InputError, match=r"parts=\(\): must be schedules"):
        Chain(())
    with pytest.raises(TypeError):
        _ = Constant(horizon=2) >> 3
    with pytest.raises(InputError, match=r"the parts of .* take 10 of 10 steps"):
        (Constant(horizon=10) >> Linear())(0, horizon=10)


def test_values_between():
    between = Between(Linear(horizon=4), at_zero=0.9, at_one=0.5)
    assert between([0, 2, 4]).tolist() == [0.5, 0.7, 0.9]
    assert Between(Linear(), at_zero=0.0, at_one=2.0)(1, horizon=4) == 1.5
    assert between.is_value
    assert between.name == "between"
    assert between.settings == {"schedule": {"name": "linear", "horizon": 4}, "at_zero": 0.9, "at_one": 0.5}
    for wrong in ("low", float("inf"), float("nan")):
        with pytest.raises(InputError, match="at_one="):
            Between(Linear(), at_zero=0.0, at_one=wrong)
