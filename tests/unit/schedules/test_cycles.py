"""Warm restarts, cyclical and one-cycle: known answers, where cycles begin and end, and settings."""

import numpy as np
import pytest

from ravine.base.errors import InputError, UnknownNameError
from ravine.schedules import CosineRestarts, Cyclical, OneCycle


def restarts(schedule, steps):
    """Steps at which the rate jumps up."""
    return (np.flatnonzero(np.diff(schedule(np.arange(steps))) > 0.5) + 1).tolist()


def test_cycles_end_where_the_rate_jumps_up():
    for schedule, steps in (
        (CosineRestarts(t_0=10, t_mult=2), 200),
        (CosineRestarts(t_0=10, t_mult=1).warmup(5), 45),
        (CosineRestarts(cycles=4, t_mult=1), 50),
        (CosineRestarts().warmup(0.1), 70),
    ):
        rates = schedule(np.arange(steps), steps)
        jumps = (np.flatnonzero(np.diff(rates) > 0.3) + 1).tolist()
        last = [steps] if steps != 200 else []
        assert list(schedule.ends(steps)) == jumps + last
    assert CosineRestarts(t_0=10, t_mult=1).ends(20) == (10, 20)
    assert CosineRestarts(t_0=10).ends(9) == ()
    assert CosineRestarts(cycles=5, t_mult=1).ends(3) == (1, 2, 3)
    assert CosineRestarts(t_0=5, horizon=5).ends(99) == (5,)
    with pytest.raises(InputError, match="has no horizon: it must know the number of steps"):
        CosineRestarts(t_0=5).ends()


def test_restarts_after_cycles_that_grow():
    assert restarts(CosineRestarts(t_0=10, t_mult=2), 200) == [10, 30, 70, 150]
    assert restarts(CosineRestarts(t_0=10, t_mult=1), 45) == [10, 20, 30, 40]
    assert CosineRestarts(t_0=10, t_mult=2)([0, 5, 10, 20, 30]).round(12).tolist() == [1.0, 0.5, 1.0, 0.5, 1.0]


def test_cycles_fill_the_way_in_whole_steps():
    schedule = CosineRestarts(horizon=1000)
    assert restarts(schedule, 1000) == [143, 429]
    assert schedule(999) < 1e-4
    assert restarts(CosineRestarts(horizon=1000, t_mult=1, cycles=4).warmup(200), 1000) == [400, 600, 800]


@pytest.mark.parametrize("horizon", [1, 2, 3, 7])
def test_fewer_steps_than_cycles(horizon):
    curve = CosineRestarts(horizon=horizon, cycles=8)(np.arange(horizon + 2))
    assert np.isfinite(curve).all()
    assert curve[-1] == 0.0


def test_nothing_restarts_where_training_stops():
    for schedule in (CosineRestarts(t_0=10, t_mult=1, horizon=30), CosineRestarts(t_0=10, horizon=70), CosineRestarts(horizon=70)):
        assert schedule(schedule.horizon) == schedule(np.array([schedule.horizon + 5]))[0] == 0.0
    assert CosineRestarts(t_0=10, t_mult=1)(30) == 1.0, "without a horizon the next cycle begins"
    assert CosineRestarts(t_0=10, t_mult=1, horizon=35)(35) == pytest.approx(0.5)


def test_triangles():
    assert Cyclical(step_size_up=2, floor=0.0)(np.arange(6)).tolist() == [0.0, 0.5, 1.0, 0.5, 0.0, 0.5]
    assert Cyclical(step_size_up=1, step_size_down=4, floor=0.0)(np.arange(6)).tolist() == [0.0, 1.0, 0.75, 0.5, 0.25, 0.0]
    halved = Cyclical(step_size_up=2, mode="triangular2", floor=0.5)
    assert halved([2, 6, 10]).tolist() == [1.0, 0.75, 0.625]
    falling = Cyclical(step_size_up=2, mode="exp_range", gamma=0.5, floor=0.0)
    assert falling([1, 2, 3, 6]).tolist() == [0.25, 0.25, 0.0625, 0.5**6]
    assert Cyclical(horizon=80)([0, 10, 20, 30]).tolist() == [0.25, 1.0, 0.25, 1.0]


def test_one_cycle_corners():
    one = OneCycle(horizon=10, anneal_strategy="linear")
    assert one([0, 2, 9, 10, 50]) == pytest.approx([0.04, 1.0, 4e-6, 4e-6, 4e-6])
    assert one([1, 5, 6]) == pytest.approx([0.52, 1 - (1 - 4e-6) * 3 / 7, 1 - (1 - 4e-6) * 4 / 7])
    three = OneCycle(horizon=10, three_phase=True, anneal_strategy="linear")
    assert three([0, 2, 4, 9]) == pytest.approx([0.04, 1.0, 0.04, 4e-6])


@pytest.mark.parametrize("horizon", [1, 2, 3])
@pytest.mark.parametrize("pct_start", [0.0, 0.1, 0.5, 1.0])
def test_one_cycle_over_a_few_steps(horizon, pct_start):
    curve = OneCycle(horizon=horizon, pct_start=pct_start)(np.arange(horizon + 2))
    assert np.isfinite(curve).all()
    assert curve[-1] == pytest.approx(4e-6)


def test_momentum_is_low_where_the_rate_is_high():
    one = OneCycle(horizon=10)
    momentum = one.momentum(0.8, 0.9)
    assert momentum([0, 2, 9]) == pytest.approx([0.9, 0.8, 0.9])
    assert momentum(2) == pytest.approx(0.8)
    cycle = Cyclical(step_size_up=2).momentum()
    assert cycle([0, 1, 2, 4]) == pytest.approx([0.9, 0.85, 0.8, 0.9])


def test_which_need_a_horizon():
    assert CosineRestarts().needs_horizon
    assert not CosineRestarts(t_0=3).needs_horizon
    assert Cyclical(step_size_up=3, step_size_down=0.5).needs_horizon
    assert not Cyclical(step_size_up=3).needs_horizon
    assert OneCycle().needs_horizon


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: CosineRestarts(t_0=0), "t_0=0"),
        (lambda: CosineRestarts(t_0=0.5), "t_0=0.5: must be a whole number"),
        (lambda: CosineRestarts(t_mult=0), "t_mult=0"),
        (lambda: CosineRestarts(t_mult=1.5), "t_mult=1.5"),
        (lambda: CosineRestarts(t_0=5, cycles=3), "t_0=5 and cycles=3: two answers to one question"),
        (lambda: CosineRestarts(cycles=31), "cycles=31: must be a whole number, at least 1 and at most 30"),
        (lambda: CosineRestarts(floor=2), "floor=2"),
        (lambda: Cyclical(step_size_up=0), "step_size_up=0"),
        (lambda: Cyclical(step_size_down=1.5), "step_size_down=1.5"),
        (lambda: Cyclical(floor=-0.1), "floor=-0.1"),
        (lambda: Cyclical(gamma=0.5), "gamma=0.5 for 'cyclical' in the mode 'triangular': must be given for the mode 'exp_range'"),
        (lambda: Cyclical(mode="exp_range"), "gamma=None for 'cyclical' in the mode 'exp_range'"),
        (lambda: Cyclical(mode="exp_range", gamma=1.5), "gamma=1.5"),
        (lambda: OneCycle(pct_start=1.5), "pct_start=1.5"),
        (lambda: OneCycle(pct_start=0.6, three_phase=True), "pct_start=0.6 for 'one_cycle': must be at least 0 and at most 0.5"),
        (lambda: OneCycle(div_factor=0.5), "div_factor=0.5"),
        (lambda: OneCycle(final_div_factor=0.5), "final_div_factor=0.5"),
    ],
)
def test_unusable_settings(make, message):
    with pytest.raises(InputError, match=message):
        make()


def test_unknown_words():
    with pytest.raises(UnknownNameError, match="no mode of 'cyclical' is called 'triangle'; did you mean 'triangular'"):
        Cyclical(mode="triangle")
    with pytest.raises(UnknownNameError, match="no anneal_strategy of 'one_cycle' is called 'cosine'; did you mean 'cos'"):
        OneCycle(anneal_strategy="cosine")
