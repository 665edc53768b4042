"""The cheapest way by faked timings."""

import math
import time

import pytest

from ravine.base.errors import TaskError
from ravine.fleet import calibration
from ravine.fleet.calibration import CACHE_BYTES, MOST_LANES, Candidates, Trial, calibrate, tile_size, time_steps

TILES = {"loop": 1, "fused": 1, "stacked": 8, "compiled": 8, "native": 8}


class Faked:
    """A tile whose steps take as long as they say, on a clock of its own."""

    def __init__(self, clock, seconds, lanes=1, mode=""):
        self.clock, self.seconds, self.lanes, self.mode = clock, seconds, (None,) * lanes, mode

    def run(self, num_steps):
        self.clock.now += num_steps * self.seconds * len(self.lanes)
        return ()


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


class Scene:
    """Candidates whose every cost is given; seconds are per lane-step.

    Attributes:
        made: modes in the order in which tiles were made.
        stretch: wall seconds for each second of the clock.
        set_up: seconds for each further tile.
    """

    stretch, set_up = 1.0, 0.0

    def __init__(self, clock, *, steps=100, lanes=10, speeds=None, builds=None, evaluation=None, out=None, groups=(1,), trace_s=0.5):
        self.clock, self.made = clock, []
        self.speeds = {"loop": 1e-3, "fused": 1e-3, "stacked": 1e-3, "compiled": 1e-3, "native": 1e-3} | (speeds or {})
        self.builds = {"compiled": 10.0, "native": 2.0, "fused": 0.5} | (builds or {})
        self.evaluation, self.groups = evaluation or {}, groups
        self.candidates = Candidates(
            lanes=lanes,
            steps=steps,
            block=50,
            tiles=TILES,
            why_not=out or {},
            make=self.make,
            evaluate=lambda tile: self.evaluation.get(tile.mode, 0.0) * len(tile.lanes),
            prepare=self.prepare,
            trace_s=trace_s,
            groups=groups,
            clock=lambda: clock.now / self.stretch,
            start_s=lambda: 1.5,
        )

    def prepare(self, mode):
        if isinstance(self.builds[mode], Exception):
            raise self.builds[mode]
        return self.builds[mode]

    def make(self, mode):
        self.made.append(mode)
        spent = self.builds.get(mode, 0.0)
        if isinstance(spent, Exception):
            raise spent
        self.clock.now += spent
        return Faked(self.clock, self.speeds[mode], TILES[mode], mode), spent, self.set_up

    def choose(self):
        choice = calibrate(self.candidates)
        self.trials = {trial.mode: trial for trial in choice.trials}
        return choice


ONLY_TORCH = {"native": "it is odd", "fused": "it is odd"}


def test_the_clock_is_read_per_lane_and_step(clock):
    assert time_steps(Faked(clock, 5e-4, lanes=8), seconds=0.2) == pytest.approx(5e-4)


def test_one_slow_moment_does_not_decide(clock):
    tile, calls = Faked(clock, 1e-3), []

    def stumble(num_steps):
        calls.append(num_steps)
        clock.now += num_steps * 1e-3 + (0.5 if len(calls) == 8 else 0.0)
        return ()

    tile.run = stumble
    assert time_steps(tile, seconds=1.0) == pytest.approx(1e-3)
    assert max(calls) <= 64


def test_what_is_done_with_a_blocks_outcome_is_timed_with_it(clock):
    def observe():
        clock.now += 0.01

    assert time_steps(Faked(clock, 1e-3), seconds=0.5, block=10, observe=observe) == pytest.approx(2e-3)


def test_native_code_that_pays_is_chosen_and_nothing_slower_is_tried(clock):
    scene = Scene(clock, steps=10_000, speeds={"native": 1e-4}, builds={"native": 0.4})
    choice = scene.choose()
    assert (choice.mode, choice.tile, choice.start_s) == ("native", 8, 1.5)
    assert scene.made == ["loop", "native"]
    assert choice.measured == pytest.approx({"loop": 1e-3, "native": 1e-4})
    assert choice.seconds == pytest.approx(10 * 10_000 * 1e-4), "what is built is built, and no part of what is to come"
    assert all(
        "times as fast as the loop, which no other way reaches" in scene.trials[mode].why_not for mode in ("stacked", "fused", "compiled")
    )


def test_a_short_run_is_neither_traced_nor_built(clock):
    scene = Scene(clock, steps=10, builds={"native": AssertionError("asked")}, speeds={"native": 1e-6})
    assert scene.choose().mode in ("loop", "stacked")
    assert "too short" in scene.trials["native"].why_not


def test_a_short_run_uses_code_that_is_there(clock):
    scene = Scene(clock, steps=10, builds={"native": 0.0}, speeds={"native": 1e-6}, trace_s=0.0)
    assert scene.choose().mode == "native"


def test_a_build_is_weighed_against_what_there_is_without_it(clock):
    """Ten seconds of building would pay against the loop, but not against the stack."""
    scene = Scene(clock, lanes=100, steps=1000, speeds={"stacked": 5e-5, "native": 2e-5}, builds={"native": 10.0})
    assert scene.choose().mode == "stacked"
    assert scene.made == ["loop", "stacked"]
    assert "about 10.0 s and save at most" in scene.trials["native"].why_not


def test_what_has_no_native_code_says_why(clock):
    scene = Scene(clock, builds={"native": TaskError("it sorts")}, speeds={"stacked": 5e-4})
    choice = scene.choose()
    assert choice.mode == "stacked"
    assert choice.reason == "2.0 times as fast as loop; not native: it sorts"


def test_a_way_with_slower_steps_says_why_it_is_taken(clock):
    scene = Scene(clock, steps=1000, speeds={"native": 5e-4}, out={"fused": "it is odd", "stacked": "it is odd", "compiled": "it is odd"})
    scene.evaluation = {"native": 1.0}
    choice = scene.choose()
    assert choice.mode == "loop"
    assert choice.reason.startswith(
        "a step takes 2.0 times as long as native's, but all of it takes 10 s and not 15 s, of which 2 s to build native;"
    )
    scene = Scene(clock, steps=1000, speeds={"native": 5e-4}, out={"fused": "it is odd", "stacked": "it is odd", "compiled": "it is odd"})
    scene.evaluation, scene.builds = {"native": 1.0}, {"native": 1e-3}
    assert "s, of which" not in scene.choose().reason


def test_native_code_that_is_slower_is_not_used(clock):
    scene = Scene(clock, steps=10_000, speeds={"native": 2e-3, "fused": 8e-4}, groups=(30,))
    assert scene.choose().mode == "fused"
    assert scene.made == ["loop", "stacked", "native", "fused"]
    assert "compiling would take about 102 s" in scene.trials["compiled"].why_not


@pytest.mark.parametrize(("stacked", "mode", "tile"), [(5e-4, "stacked", 8), (2e-3, "loop", 1)])
def test_the_faster_of_loop_and_stacked_is_chosen(clock, stacked, mode, tile):
    choice = Scene(clock, speeds={"stacked": stacked}, out=ONLY_TORCH).choose()
    assert (choice.mode, choice.tile) == (mode, tile)
    assert choice.seconds == pytest.approx(1000 * min(1e-3, stacked))


def test_evaluations_and_set_up_are_part_of_the_total(clock):
    scene = Scene(clock, steps=1, speeds={"stacked": 5e-4}, evaluation={"stacked": 1.0, "loop": 0.1}, out=ONLY_TORCH)
    scene.set_up = 0.02
    choice = scene.choose()
    assert choice.mode == "loop", "a slower step may make the faster run"
    assert choice.seconds == pytest.approx(10 * (1e-3 + 0.1 + 0.02))


def test_processor_time_is_compared_and_the_wall_is_forecast(clock):
    scene = Scene(clock, out=ONLY_TORCH, speeds={"stacked": 2e-3})
    scene.stretch = 4.0
    choice = scene.choose()
    assert choice.measured["loop"] == pytest.approx(1e-3 / 4)
    assert choice.stretch == pytest.approx(4.0)
    assert choice.seconds == pytest.approx(1000 * 1e-3)


def test_a_long_run_is_compiled_where_there_is_no_native_code(clock):
    scene = Scene(clock, steps=100_000, speeds={"stacked": 5e-4, "compiled": 1e-4}, out=ONLY_TORCH)
    choice = scene.choose()
    assert (choice.mode, choice.tile) == ("compiled", 8)
    assert "5.0 times as fast as stacked, built in 10.0 s" in choice.reason


def test_every_further_shape_pays_for_its_own_compilation(clock):
    speeds = {"stacked": 5e-4, "compiled": 2.5e-4}
    modes = [
        Scene(clock, steps=100_000, speeds=speeds, builds={"compiled": 200.0}, out=ONLY_TORCH, groups=groups).choose().mode
        for groups in ((1,), (1, 1, 1))
    ]
    assert modes == ["compiled", "stacked"]


def test_a_compiler_that_fails_does_not_end_the_race(clock):
    scene = Scene(clock, steps=100_000, speeds={"stacked": 5e-4}, builds={"compiled": RuntimeError("no such header\nmore")}, out=ONLY_TORCH)
    assert scene.choose().mode == "stacked"
    assert scene.trials["compiled"].why_not == "it failed (RuntimeError: no such header)"


def test_memory_that_runs_out_is_not_taken_for_a_failing_compiler(clock):
    with pytest.raises(MemoryError):
        Scene(clock, steps=100_000, builds={"compiled": MemoryError()}, out=ONLY_TORCH).choose()


def test_close_totals_are_measured_again_in_turn(clock):
    """The loop was unlucky once: the second look finds it faster than the stack."""
    scene = Scene(clock, steps=10_000, speeds={"stacked": 9e-4}, out=ONLY_TORCH | {"compiled": "odd"})
    kept, made = {}, scene.make

    def make(mode):
        kept[mode], *rest = made(mode)
        if mode == "stacked":
            kept["loop"].seconds = 5e-4
        return kept[mode], *rest

    object.__setattr__(scene.candidates, "make", make)
    choice = scene.choose()
    assert choice.mode == "loop"
    assert choice.measured["loop"] == pytest.approx(5e-4)
    assert choice.seconds == pytest.approx(100_000 * 5e-4)


def test_trials_go_into_the_record_without_infinities():
    facts = Trial("native", why_not="odd").as_json()
    assert facts["step_s"] is None
    assert facts["total_s"] is None
    assert facts["why_not"] == "odd"
    assert Trial("loop", 1, 0.5, 0.0, 5.0).total_s < math.inf


def test_tiles_fit_the_cache_and_hold_at_least_one_lane():
    assert tile_size(1) == MOST_LANES
    assert tile_size(CACHE_BYTES // 5) == 5
    assert tile_size(10 * CACHE_BYTES) == 1
    assert tile_size(0) == MOST_LANES


def test_the_module_reads_the_real_clock():
    assert calibration.time is time
