"""The base of schedules: warm-up, horizon, steps, and that numbers and arrays agree to the bit."""

import math
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ravine.base.errors import InputError
from ravine.schedules import KINDS, REGISTRY, WARMUPS, Constant, Cosine, Exponential, Linear, Step, create, multipliers
from ravine.schedules._schedule import check_length, each, steps_of

RISING_AGAIN = ("cosine_restarts", "cyclical", "one_cycle")
share = st.floats(0, 1)
length = st.one_of(st.integers(1, 500), st.floats(0.01, 0.99))
falls = {"floor": share}
SETTINGS = {
    "constant": {},
    "linear": falls,
    "cosine": falls,
    "wsd": {"floor": share, "decay": st.floats(0.01, 1), "fall": st.sampled_from(["linear", "cosine", "1-sqrt"])},
    "polynomial": {"floor": share, "power": st.floats(0.1, 5)},
    "rex": falls,
    "exponential": {"gamma": st.floats(1e-3, 1), "per": st.one_of(st.none(), st.integers(100, 500), st.floats(0.1, 0.9))},
    "inverse_time": {"decay_rate": st.floats(0.01, 100), "per": st.one_of(st.none(), length)},
    "inverse_sqrt": {"timescale": st.one_of(st.none(), length)},
    "step": {"gamma": st.floats(0.1, 1), "step_size": length},
    "multistep": {"gamma": st.floats(0.1, 1), "milestones": st.sampled_from([(0.5,), (0.1, 0.1, 0.9), (3, 70, 400)])},
    "piecewise": {"interpolate": st.booleans(), "milestones": st.sampled_from([(0.1, 0.5, 0.6), (2, 2, 400)])},
    "cosine_restarts": {"floor": share, "t_mult": st.integers(1, 3), "t_0": st.one_of(st.none(), st.integers(1, 500))},
    "cyclical": {"floor": share, "step_size_up": length, "step_size_down": st.one_of(st.none(), length)},
    "one_cycle": {"pct_start": st.floats(0, 0.5), "three_phase": st.booleans(), "anneal_strategy": st.sampled_from(["cos", "linear"])},
}
"""Name -> what may be set, and to what."""


@st.composite
def schedules(draw, names=tuple(SETTINGS)):
    horizon = draw(st.integers(2, 10_000))
    name = draw(st.sampled_from(names))
    kind = next(kind for kind in KINDS if kind.name == name)
    settings = {key: draw(values) for key, values in SETTINGS[name].items()}
    warmup = draw(st.one_of(st.integers(0, horizon - 1), st.floats(0, 0.49)))
    schedule = kind(horizon=horizon, **settings)
    return schedule.warmup(warmup, draw(st.sampled_from(sorted(WARMUPS)))) if warmup else schedule


def test_every_kind_is_drawn():
    assert [kind.name for kind in KINDS] == list(SETTINGS)


@given(schedules(), st.lists(st.integers(0, 12_000), min_size=1, max_size=20))
@settings(deadline=None)
def test_one_step_and_an_array_of_steps_give_the_same_bits(schedule, steps):
    together = schedule(np.array(steps))
    alone = [schedule(step) for step in steps]
    assert together.dtype == np.float64
    assert all(type(value) is float for value in alone)
    assert together.tobytes() == np.array(alone).tobytes()


@given(schedules(names=[name for name in SETTINGS if name not in RISING_AGAIN]))
@settings(deadline=None)
def test_multipliers_rise_to_one_then_never_rise_nor_leave_zero_to_one(schedule):
    curve = schedule(np.arange(schedule.horizon + 1))
    top = int(curve.argmax())
    assert curve.min() >= 0
    assert curve.max() == 1.0
    assert curve[0] > 0
    assert (np.diff(curve[: top + 1]) >= 0).all()
    assert (np.diff(curve[top:]) <= 1e-15).all()


@given(schedules())
@settings(deadline=None)
def test_multipliers_stay_between_zero_and_one(schedule):
    curve = schedule(np.arange(schedule.horizon + 3))
    assert np.isfinite(curve).all()
    assert curve.min() >= 0
    assert curve.max() <= 1.0 + 1e-15


@given(schedules(), st.integers(1, 100))
@settings(deadline=None)
def test_past_the_horizon_the_end_value_stays(schedule, more):
    assert schedule(schedule.horizon + more) == schedule(schedule.horizon)


def test_warmup_is_a_line_whose_first_step_is_not_zero():
    assert Linear(horizon=8).warmup(4)(np.arange(8)).tolist() == [0.25, 0.5, 0.75, 1.0, 1.0, 0.75, 0.5, 0.25]


def test_kinds_of_warmup():
    steps = [0, 1, 2, 4, 5]
    assert Constant().warmup(4, start=0.5)(steps).tolist() == [0.5, 0.625, 0.75, 1.0, 1.0]
    assert Constant().warmup(4, "exponential", start=1 / 16)(steps).tolist() == [1 / 16, 1 / 8, 1 / 4, 1.0, 1.0]
    assert Constant().warmup(4, "exponential")(0) == 0.01
    assert Constant().warmup(4, "constant")(steps).tolist() == [0.1, 0.1, 0.1, 1.0, 1.0]
    assert create("constant", warmup=4, warmup_kind="constant", warmup_start=0.25)(3) == 0.25


def test_a_warmup_leads_to_where_the_schedule_begins():
    cyclical = next(kind for kind in KINDS if kind.name == "cyclical")
    assert cyclical(step_size_up=2, floor=0.5).warmup(2)([0, 1, 2, 3, 4]).tolist() == [0.25, 0.5, 0.5, 0.75, 1.0]


def test_a_warmup_given_anew_replaces_all_of_the_old():
    assert Constant().warmup(4, "constant", start=0.5).warmup(2) == Constant(warmup_length=2)


def test_one_column_a_lane_and_equal_ones_computed_once():
    seen = []

    class Watched(Linear):
        def shape(self, x):
            seen.append(self.floor)
            return super().shape(x)

    lanes = [Watched(), Watched(floor=0.5), Watched()]
    table = multipliers(lanes, np.arange(4), 4)
    assert table.tolist() == [[1.0, 1.0, 1.0], [0.75, 0.875, 0.75], [0.5, 0.75, 0.5], [0.25, 0.625, 0.25]]
    assert seen == [0.0, 0.5]
    assert table.dtype == np.float64


def test_lengths_are_steps_or_shares():
    way = Linear(horizon=100).warmup(20)._way(100)
    assert way == (20, 80)
    assert [steps_of(one, way) for one in (7, 0.5, 0.001)] == [7, 40, 1]
    for wrong in (0, -1, 1.0, 0.0, True, float("nan"), "long"):
        with pytest.raises(InputError, match="step_size="):
            check_length("step_size", wrong, "'step'")


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


def test_only_what_is_told_in_steps_goes_without_a_horizon():
    assert Constant()(10**9) == 1.0
    assert Constant().warmup(4)(1) == 0.5
    assert Step(step_size=10, gamma=0.5).warmup(4)(25) == 0.25
    assert Exponential(gamma=0.5, per=2)(np.array([4])).tolist() == [0.25]
    for schedule in (Linear(), Cosine(), Constant().warmup(0.1), Step(), Step(step_size=10).warmup(0.1)):
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
        ({"warmup": 5, "warmup_kind": "lineal"}, "no warm-up is called 'lineal'; did you mean 'linear'"),
        ({"warmup": 5, "warmup_start": 1.5}, "warmup_start=1.5: must be at least 0 and at most 1"),
        ({"warmup": 5, "warmup_kind": "exponential", "warmup_start": 0.0}, "warmup_start=0.0: must be .*above 0"),
        ({"warmup_kind": "constant"}, "have no effect without a warm-up"),
    ],
)
def test_unusable_settings(given, message):
    with pytest.raises(InputError, match=message):
        create("linear", **given)


def test_a_warmup_as_long_as_the_horizon_of_the_call():
    with pytest.raises(InputError, match="must be shorter"):
        create("cosine", warmup=500)(0, horizon=100)


@given(schedules(names=sorted(REGISTRY)))
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
