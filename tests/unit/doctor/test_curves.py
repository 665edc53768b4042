"""Signals of a curve: each on one that has it, and on one that has not."""

import numpy as np
import pytest

from ravine.doctor import curves


def noise(count, seed=0):
    return np.random.default_rng(seed).normal(size=count)


def test_the_smoothed_curve_has_no_bias_towards_zero():
    assert curves.smoothed(np.full((40, 2), 3.0)) == pytest.approx(3.0)
    assert np.isnan(curves.smoothed(np.array([1.0, np.nan, 1.0]))[1:]).all()


def test_a_ramp_that_falls_and_diverges():
    losses = np.concatenate([np.full(40, 2.0), np.linspace(2.0, 0.1, 60), np.linspace(0.1, 30.0, 20)]) + 0.01 * noise(120)
    found = curves.ramp(losses, quiet=20)
    assert 40 <= found.descent <= 60
    assert 100 <= found.divergence <= 112
    assert found.start == pytest.approx(2.0, abs=0.02)


def test_a_flat_ramp_has_no_bounds():
    found = curves.ramp(2.0 + 0.1 * noise(200), quiet=20)
    assert (found.descent, found.divergence) == (None, None)


def test_a_ramp_that_ends_has_diverged_there():
    losses = np.concatenate([np.full(40, 2.0), np.linspace(2.0, 1.0, 40), np.full(20, np.nan)])
    assert curves.ramp(losses, quiet=20).divergence == 80
    assert curves.ramp(np.full(50, np.nan), quiet=20).divergence == 0


def test_a_spike_is_found_at_its_step_and_noise_is_none():
    calm = 1.0 + 0.05 * noise(200)
    assert len(curves.spikes(calm)) == 0
    calm[150] = 3.0
    assert curves.spikes(calm).tolist() == [150]


@pytest.mark.parametrize("count", [0, 1, 20, 21, 128, 129, 200])
def test_spikes_of_the_first_steps_are_those_of_one_step_after_the_other(count):
    losses = 1.0 + 0.05 * noise(count, seed=1)
    losses[[place for place in (19, 20, 30, 110, 127, 128, 140) if place < count]] *= 2.5
    expected = []
    for step in range(20, count):
        far, near = losses[max(0, step - 128) : step], losses[max(0, step - 100) : step]
        if losses[step] >= 2.0 * near.mean() or losses[step] > far.mean() + max(6.0 * far.std(), 0.01 * far.mean()):
            expected.append(step)
    assert curves.spikes(losses).tolist() == expected
    assert len(expected) >= sum(place < count for place in (20, 30, 110, 128))


def test_how_far_a_curve_falls():
    assert curves.fall(np.linspace(2.0, 1.0, 100)) == pytest.approx(0.46, abs=0.02)
    assert curves.fall(np.full(10, 2.0)) == 0.0
    assert curves.fall(np.linspace(1.0, 2.0, 100)) < 0


def test_swings_of_evaluations():
    assert curves.swings(np.array([1.0, 3.0, 1.0, 3.0, 1.0, 3.0])) == pytest.approx(0.5)
    assert curves.swings(np.linspace(3.0, 1.0, 10)) == 0.0
    assert curves.swings(np.array([1.0, 2.0])) == 0.0


def test_where_the_best_value_stands_and_how_far_the_last_is_above_it():
    assert curves.best_place(np.linspace(2.0, 1.0, 11)) == 1.0
    assert curves.best_place(np.array([2.0, 1.0, 2.0])) == 0.5
    assert curves.turn_up(np.array([2.0, 1.0, 1.5, 1.7, 1.6])) == pytest.approx(0.5)
    assert curves.turn_up(np.array([2.0, 1.2, 1.0, 1.1, 1.6])) == 0.0
    assert curves.turn_up(np.array([1.0, -1.0, 1.0])) == 0.0
