"""Counting events."""

from types import SimpleNamespace

import numpy as np
import pytest

from ravine.cli._tally import Tally, beginning, duration, size
from ravine.fleet import Choice, Culled, Diverged, Evaluated, Finished, LossBlock

CHOICE = Choice("stacked", 2, "it is the fastest", {}, 12.0)


def entries(*optimizers):
    return [SimpleNamespace(row=SimpleNamespace(lane=lane, optimizer=optimizer)) for lane, optimizer in enumerate(optimizers)]


def block(lanes, first, steps):
    return LossBlock(lanes, first, np.zeros((steps, len(lanes)), dtype=np.float32))


def evaluated(lanes, step, losses):
    return Evaluated(lanes, step, "test", {"loss": np.array(losses)})


def test_tally_counts_steps_lanes_and_best_losses():
    tally = Tally("tune", entries("sgd", "sgd", "adam"), 10)
    for event in (block((0, 1), 0, 4), evaluated((0, 1), 4, [0.5, 0.25]), evaluated((0, 1), 8, [np.nan, 0.75]), Diverged(0, 7, "x")):
        tally.take(event)
    assert (tally.done, tally.total, tally.diverged) == (8, 30, 1)
    assert tally.alive == {"sgd": 1, "adam": 1}
    assert tally.best == {"sgd": (0.25, 4)}
    tally.take(Diverged(0, 7, "silently, a second time"))
    assert tally.alive["sgd"] == 1


def test_a_finished_tile_is_complete_even_where_every_lane_diverged():
    tally = Tally("tune", entries("sgd", "adam"), 10)
    tally.take(block((0,), 0, 3))
    tally.take(Finished((0,), 0.1))
    assert (tally.done, tally.is_over) == (10, False)
    tally.take(Finished((1,), 0.1))
    assert tally.is_over


def test_beginning_says_how_why_and_at_what_cost():
    assert beginning("tune", 72, 1000, CHOICE, 45_000_000) == (
        "tune: 72 lanes of 1,000 steps, stacked, up to 2 at a time; about 12 s, 45 MB (it is the fastest)"
    )
    assert "1 lane of 5 steps, one at a time" in beginning("final", 1, 5, Choice("loop", 1, "", {}, 0.2), 100)


@pytest.mark.parametrize(("seconds", "words"), [(0.12, "0.1 s"), (0.97, "1 s"), (12.4, "12 s"), (150, "2 min"), (7200, "2.0 h")])
def test_durations(seconds, words):
    assert duration(seconds) == words


@pytest.mark.parametrize(("number", "words"), [(12, "12 B"), (5280, "5.28 kB"), (4.5e7, "45 MB"), (3e9, "3 GB")])
def test_sizes(number, words):
    assert size(number) == words


def test_culled_lanes_are_no_longer_alive_and_leave_nothing_to_do():
    tally = Tally("tune", entries("sgd", "sgd", "adam"), 10)
    tally.take(block((0, 1, 2), 0, 4))
    for _ in range(2):
        tally.take(Culled((0, 2), 4, ("so", "so")))
    assert (tally.done, tally.diverged) == (10 + 4 + 10, 0)
    assert tally.alive == {"sgd": 1, "adam": 0}
    assert tally.ending().endswith("; 2 were culled")
