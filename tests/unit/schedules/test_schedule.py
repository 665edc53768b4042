"""The base of schedules: warm-up, horizon, steps, and that numbers and arrays agree to the bit."""

import math
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ravine.base.errors import InputError
from ravine.schedules import REGISTRY, Constant, Cosine, Linear, create
from ravine.schedules._schedule import each

KINDS = sorted(REGISTRY)


@st.composite
def schedules(draw):
    horizon = draw(st.integers(2, 10_000))
    extra = {} if (name := draw(st.sampled_from(KINDS))) == "constant" else {"floor": draw(st.floats(0, 1))}
    warmup = draw(st.one_of(st.integers(0, horizon - 1), st.floats(0, 0.49)))
    return create(name, horizon=horizon, warmup=warmup, **extra)


@given(schedules(), st.lists(st.integers(0, 12_000), min_size=1, max_size=20))
@settings(deadline=None)
def test_one_step_and_an_array_of_steps_give_the_same_bits(schedule, steps):
    together = schedule(np.array(steps))
    alone = [schedule(step) for step in steps]
    assert together.dtype == np.float64
    assert all(type(value) is float for value in alone)
    assert together.tobytes() == np.array(alone).tobytes()


@given(schedules())
@settings(deadline=None)
def test_multipliers_rise_to_one_then_never_rise_nor_leave_zero_to_one(schedule):
    curve = schedule(np.arange(schedule.horizon))
    top = int(curve.argmax())
    assert curve.min() >= 0
    assert curve.max() == 1.0
    assert curve[0] > 0
    assert (np.diff(curve[: top + 1]) > 0).all()
    assert (np.diff(curve[top:]) <= 0).all()


def test_warmup_is_a_line_whose_first_step_is_not_zero():
    assert Linear(horizon=8).warmup(4)(np.arange(8)).tolist() == [0.25, 0.5, 0.75, 1.0, 1.0, 0.75, 0.5, 0.25]


def test_a_fraction_is_a_share_of_the_horizon():
    assert (
        create("cosine", warmup=0.25)(np.arange(40), horizon=40).tobytes()
        == create("cosine", warmup=10, horizon=40)(np.arange(40)).tobytes()
    )


def test_after_the_horizon_the_end_value_stays():
    assert Cosine(floor=0.25, horizon=10)(np.array([10, 11, 1000])).tolist() == [0.25] * 3


def test_steps_keep_their_shape_and_may_be_whole_floats():
    assert Linear(horizon=4)(np.array([[0.0, 1.0], [2.0, 3.0]])).tolist() == [[1.0, 0.75], [0.5, 0.25]]
    assert Linear(horizon=4)(np.uint8(3)) == 0.25
    assert Linear(horizon=4).warmup(2)(np.array([0, 3], dtype=np.uint8)).tolist() == [0.5, 0.5]


def test_the_own_horizon_wins():
    assert Linear(horizon=4)(1, horizon=100) == 0.75


@pytest.mark.parametrize("step", [-1, 1.5, float("nan"), np.array([0, -3]), "3", True])
def test_unusable_steps(step):
    with pytest.raises(InputError, match="must be whole numbers of at least 0"):
        Linear(horizon=4)(step)


def test_only_constant_goes_without_a_horizon():
    assert Constant()(10**9) == 1.0
    assert Constant().warmup(4)(1) == 0.5
    for schedule in (Linear(), Cosine(), Constant().warmup(0.1)):
        with pytest.raises(InputError, match="has no horizon"):
            schedule(0)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"horizon": 0}, "horizon=0: must be a whole number, at least 1"),
        ({"horizon": 2.5}, "horizon=2.5"),
        ({"horizon": 10, "warmup": 10}, "warmup=10 is 10 steps of a horizon of 10: must be shorter"),
        ({"horizon": 10, "warmup": 0.99}, "is 10 steps of a horizon of 10"),
        ({"warmup": -1}, "warmup=-1"),
        ({"warmup": 1.0}, "warmup=1.0: must be at least 0 and below 1"),
        ({"warmup": "soon"}, "warmup='soon': must be a number"),
    ],
)
def test_unusable_settings(given, message):
    with pytest.raises(InputError, match=message):
        create("linear", **given)


def test_a_warmup_as_long_as_the_horizon_of_the_call():
    with pytest.raises(InputError, match="must be shorter"):
        create("cosine", warmup=500)(0, horizon=100)


@given(schedules())
@settings(deadline=None)
def test_settings_and_pickle_make_the_same_schedule_again(schedule):
    assert create(schedule.name, **schedule.settings) == schedule
    assert pickle.loads(pickle.dumps(schedule)) == schedule
    assert hash(create(schedule.name, **schedule.settings)) == hash(schedule)


def test_a_schedule_cannot_be_changed():
    with pytest.raises(AttributeError):
        Linear().horizon = 3


def test_each_asks_c_for_every_element():
    values = np.array([[0.5, 3.0], [4.0, 5.5]])
    assert each(math.gamma, values).tolist() == [[math.gamma(value) for value in row] for row in values.tolist()]
    assert each(math.gamma, 4.0) == 6.0
