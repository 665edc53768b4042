"""The cheapest way by faked timings."""

import time

import pytest

from ravine.fleet import calibration
from ravine.fleet.calibration import CACHE_BYTES, MOST_LANES, Candidates, calibrate, tile_size, time_steps


class Faked:
    """A tile whose steps take as long as they say, on a clock of its own."""

    def __init__(self, clock, seconds, lanes=1):
        self.clock, self.seconds, self.lanes = clock, seconds, (None,) * lanes

    def run(self, num_steps):
        self.clock.now += num_steps * self.seconds


class Clock:
    """A clock that only faked work moves."""

    now = 0.0

    def perf_counter(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    found = Clock()
    monkeypatch.setattr(calibration, "time", found)
    return found


def candidates(clock, *, work=1000.0, tile=8, loop=1e-3, stacked=1e-3, compiled=1e-3, compiling=10.0, groups=(1,), can_compile=True):
    """Seconds are per step of a tile."""

    def make(mode):
        if mode == "compiled":
            if isinstance(compiling, Exception):
                raise compiling
            clock.now += compiling
        return Faked(clock, {"loop": loop, "stacked": stacked, "compiled": compiled}[mode], 1 if mode == "loop" else tile)

    return Candidates(work, tile, groups, can_compile, make)


def test_the_clock_is_read_per_lane_and_step(clock):
    assert time_steps(Faked(clock, 4e-3, lanes=8), seconds=0.2) == pytest.approx(5e-4)


def test_what_cannot_be_stacked_runs_in_the_loop(clock):
    choice = calibrate(candidates(clock, tile=0))
    assert (choice.mode, choice.tile, choice.reason) == ("loop", 1, "the model cannot be stacked")
    assert choice.seconds == pytest.approx(1000 * 1e-3)


@pytest.mark.parametrize(("stacked", "mode", "tile"), [(4e-3, "stacked", 8), (16e-3, "loop", 1)])
def test_the_faster_of_loop_and_stacked_is_chosen(clock, stacked, mode, tile):
    choice = calibrate(candidates(clock, stacked=stacked))
    assert (choice.mode, choice.tile) == (mode, tile)
    assert choice.measured == pytest.approx({"loop": 1e-3, "stacked": stacked / 8})
    assert choice.seconds == pytest.approx(1000 * min(1e-3, stacked / 8))
    assert "compiling would cost" in choice.reason


def test_a_long_run_is_compiled(clock):
    choice = calibrate(candidates(clock, work=1e6, stacked=4e-3, compiled=8e-4))
    assert (choice.mode, choice.tile) == ("compiled", 8)
    assert choice.measured["compiled"] == pytest.approx(1e-4)
    assert "5.0 times as fast as stacked" in choice.reason
    assert choice.seconds == pytest.approx(1e6 * 1e-4)


def test_compiling_that_gains_nothing_is_not_used(clock):
    choice = calibrate(candidates(clock, work=1e6, stacked=4e-3, compiled=5e-3))
    assert choice.mode == "stacked"
    assert "too little to pay" in choice.reason


def test_every_further_shape_pays_for_its_own_compilation(clock):
    once, thrice = (
        calibrate(candidates(clock, work=1e6, stacked=4e-3, compiled=2e-3, compiling=200.0, groups=groups)) for groups in ((1,), (1, 1, 1))
    )
    assert (once.mode, thrice.mode) == ("compiled", "stacked")


def test_a_compiler_that_fails_does_not_end_the_race(clock):
    choice = calibrate(candidates(clock, work=1e6, stacked=4e-3, compiling=RuntimeError("no such header\nmore")))
    assert choice.mode == "stacked"
    assert "compiling failed (RuntimeError: no such header)" in choice.reason


def test_without_a_compiler_nothing_is_compiled(clock):
    choice = calibrate(candidates(clock, work=1e9, can_compile=False))
    assert "no C++ compiler" in choice.reason
    assert "compiled" not in choice.measured


def test_tiles_fit_the_cache_and_hold_at_least_one_lane():
    assert tile_size(1) == MOST_LANES
    assert tile_size(CACHE_BYTES // 5) == 5
    assert tile_size(10 * CACHE_BYTES) == 1
    assert tile_size(0) == MOST_LANES


def test_the_module_reads_the_real_clock():
    assert calibration.time is time
