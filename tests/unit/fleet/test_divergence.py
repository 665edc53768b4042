"""Each way of diverging, and a healthy twin beside it."""

import numpy as np
import pytest

from ravine.fleet.divergence import BLOW_UP, FIRST_STEPS, DivergenceWatch


def watch(curve, *, start=None, block=7, finite=None):
    """Ends of one lane whose losses are `curve`, read in blocks."""
    losses = np.asarray(curve, dtype=np.float32)[:, None]
    finite = np.isfinite(losses) if finite is None else np.asarray(finite)[:, None]
    result = DivergenceWatch(1)
    if start is not None:
        result.start_from(np.array([start]))
    ends = []
    for first in range(0, len(losses), block):
        ends += result.observe(losses[first : first + block], finite[first : first + block])
    return ends


FALLING = 2.0 * 0.9 ** np.arange(200) + 0.1


def test_a_lane_that_learns_is_healthy():
    assert watch(FALLING) == []


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_loss_that_is_no_number_ends_a_lane_at_its_step(value):
    curve = FALLING.copy()
    curve[30:] = value
    (end,) = watch(curve)
    assert (end.position, end.step) == (0, 31)
    assert end.reason == f"its loss was {value:g}"


def test_parameters_that_are_no_numbers_end_a_lane_and_say_so():
    finite = np.ones(50, dtype=bool)
    finite[9:] = False
    (end,) = watch(FALLING[:50], finite=finite)
    assert end.step == 10
    assert "update made parameters non-finite" in end.reason


def test_a_loss_that_blows_up_ends_a_lane_once():
    curve = np.concatenate([FALLING[:60], np.full(140, 50.0)])
    (end,) = watch(curve)
    assert 60 < end.step < 80
    assert "times its best" in end.reason


def test_a_lane_that_jumps_up_within_the_first_steps_and_stays_finite_has_diverged():
    (end,) = watch([2.0] + [1e6] * 99)
    assert end.step == FIRST_STEPS + 1


def test_a_lane_that_learns_to_1e_8_and_jitters_is_healthy():
    jitter = 10.0 ** np.random.default_rng(0).uniform(-9, -5, 400)
    assert watch(np.concatenate([10.0 ** np.linspace(0, -8, 100), jitter])) == []
    # The same jitter that climbs beyond where the lane started is not.
    assert watch(np.concatenate([10.0 ** np.linspace(0, -8, 100), jitter * 1e8])) != []


def test_a_plateau_far_above_the_best_but_below_the_start_is_healthy():
    assert watch(np.concatenate([FALLING, np.full(200, 1.9)])) == []


def test_an_easy_first_batch_sets_no_standard():
    """Batches of one row: the first loss is small by luck, the others are as they always were."""
    noise = np.random.default_rng(1).exponential(1.0, 300)
    noise[0] = 1e-4
    assert watch(noise, start=1.0) == []
    # A lane that truly grows from the same start is found.
    assert watch(noise * np.linspace(1, 60, 300), start=1.0) != []


def test_the_threshold_is_four_times_the_best():
    base = np.full(600, 1.0)
    for factor, found in ((BLOW_UP * 0.98, False), (BLOW_UP * 1.02, True)):
        curve = base.copy()
        curve[100:] = factor
        assert bool(watch(curve)) is found


def test_losses_below_zero_never_blow_up():
    assert watch(-FALLING) == []
    assert watch(np.linspace(-5, -0.1, 200)) == []


def test_blocks_do_not_matter_and_lanes_do_not_mix():
    losses = np.stack([FALLING, np.concatenate([FALLING[:60], np.full(140, 50.0)]), FALLING * 3], axis=1).astype(np.float32)
    losses[120:, 2] = np.nan
    ends = []
    for block in (1, 13, 200):
        observer, found = DivergenceWatch(3), []
        for first in range(0, 200, block):
            part = losses[first : first + block]
            found += observer.observe(part, np.isfinite(part))
        ends.append(found)
    assert ends[0] == ends[1] == ends[2]
    assert [(end.position, end.step) for end in ends[0]] == [(1, watch(losses[:, 1])[0].step), (2, 121)]


def test_a_watch_goes_on_as_if_it_had_not_been_stopped():
    losses = np.exp(np.random.default_rng(0).normal(0, 2, (200, 4))).astype(np.float32).cumsum(0)
    losses[150, 2] = np.nan
    finite = np.isfinite(losses)
    for cut in (1, 20, 21, 160):
        through, before, after = DivergenceWatch(4), DivergenceWatch(4), DivergenceWatch(4)
        for watch in (through, before):
            watch.start_from(np.array([1.0, 2.0, 0.5, np.nan]))
        expected = through.observe(losses, finite)
        found = before.observe(losses[:cut], finite[:cut])
        after.restore(before.save())
        assert found + after.observe(losses[cut:], finite[cut:]) == expected
        assert len(expected) > 1


def test_a_lane_that_is_no_longer_watched_does_not_diverge():
    watch = DivergenceWatch(2)
    watch.drop([1])
    losses, finite = np.array([[1.0, np.nan]] * 3), np.array([[True, False]] * 3)
    assert watch.observe(losses, finite) == []
    watch.drop([])
    assert [end.position for end in watch.observe(np.array([[np.nan, np.nan]]), np.array([[False, False]]))] == [0]
