from ravine.lab import pace as pacing
from ravine.lab.pace import AHEAD, MOST_AT_ONCE, Pace


class Clock:
    now = 100.0

    def perf_counter(self):
        return self.now


def paced(monkeypatch, **given):
    clock = Clock()
    monkeypatch.setattr(pacing, "time", clock)
    return Pace(**given), clock


def test_nothing_is_asked_for_before_play(monkeypatch):
    pace, _ = paced(monkeypatch)
    assert pace.next() == 0


def test_at_full_speed_the_training_never_waits_and_a_pause_is_felt_at_once(monkeypatch):
    pace, clock = paced(monkeypatch, step_s=0.001)
    pace.play()
    asked = [pace.next() for _ in range(AHEAD + 1)]
    assert asked == [20] * AHEAD + [0]
    clock.now += 0.02
    pace.taken(20)
    assert pace.next() > 0
    pace.stop()
    pace.taken(20)
    assert pace.next() == 0


def test_stretches_follow_the_speed_of_the_machine(monkeypatch):
    pace, clock = paced(monkeypatch, step_s=1.0)
    pace.play()
    for _ in range(60):
        count = pace.next()
        clock.now += count * 1e-5
        pace.taken(count)
    assert pace.next() == MOST_AT_ONCE


def test_a_slow_step_is_one_at_a_time(monkeypatch):
    pace, _ = paced(monkeypatch, step_s=3.0)
    pace.play()
    assert pace.next() == 1


def test_a_speed_is_held(monkeypatch):
    pace, clock = paced(monkeypatch, speed=50.0, step_s=1e-4)
    pace.play()
    taken = 0
    for _ in range(1000):
        clock.now += 0.01
        count = pace.next()
        if count:
            taken += count
            pace.taken(count)
    assert 495 <= taken <= 505


def test_a_machine_that_cannot_hold_a_speed_does_not_run_after_it(monkeypatch):
    pace, clock = paced(monkeypatch, speed=1000.0, step_s=1e-4)
    pace.play()
    clock.now += 60.0
    assert pace.next() == 200
    pace.taken(200)
    assert pace.next() <= 50


def test_single_steps_are_taken_and_no_more(monkeypatch):
    pace, _ = paced(monkeypatch, step_s=0.01)
    pace.due = 3
    assert [pace.next(), pace.next(), pace.next()] == [2, 1, 0]
    pace.forget()
    assert (pace.asked, pace.due) == (0, 0)
