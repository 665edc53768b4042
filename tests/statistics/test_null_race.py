"""A race names no winner where there is none, and finds the one that there is."""

import math

import numpy as np
import pytest

from ravine.records import FinalLane, RankingSettings, rank
from simulated_races import STEPS, lane, race

RACES = 200


@pytest.mark.parametrize("seeds", [2, 3, 5, 8])
@pytest.mark.parametrize("names", [("adam", "adam#2"), ("a", "b", "c", "d", "e")], ids=len)
def test_a_null_race_is_a_tie_at_least_95_percent_of_the_time(seeds, names):
    """Two standard errors of the simulation are allowed for each of the eight cases; the next test allows none."""
    rng = np.random.default_rng([seeds, len(names)])
    races = RACES if len(names) == 2 else 80
    ties = [all(pair.is_tie for pair in race(rng, names, seeds).pairs) for _ in range(races)]
    assert np.mean(ties) >= 0.95 - 2 * math.sqrt(0.95 * 0.05 / races)


def test_null_races_of_all_sizes_together_are_ties_at_least_95_percent_of_the_time():
    """1,000 of them: at most 50 may name a winner."""
    rng = np.random.default_rng(0)
    ties = [race(rng, ("adam", "adam#2"), int(seeds)).pairs[0].is_tie for seeds in rng.integers(2, 9, size=1000)]
    assert np.mean(ties) >= 0.95


@pytest.mark.parametrize("seeds", [1, 3, 5, 8])
def test_the_same_numbers_under_two_names_are_always_a_tie(seeds):
    rng = np.random.default_rng(seeds)
    for _ in range(20):
        first = [lane("adam", seed, rng) for seed in range(1, seeds + 1)]
        second = [FinalLane("adam#2", one.lr, one.seed, one.diverged, one.values, one.validation_final) for one in first]
        found = rank([], [*first, *second], RankingSettings(eval_steps=STEPS))
        assert [entrant.tied_with for entrant in found.entrants] == [("adam#2",), ("adam",)]


def test_a_null_race_on_a_coarse_grid_with_few_seeds_is_a_tie():
    """All three seeds often differ by the very same number of evaluations; that is rounding, not certainty."""
    rng = np.random.default_rng(7)
    steps = (0, 100, 200, 300, 400)
    ties = []
    for _ in range(RACES):
        lanes = []
        for name in ("adam", "adam#2"):
            for seed in (1, 2, 3):
                values = 0.2 + 2.1 * np.exp(-np.array(steps) / (60 * math.exp(0.2 * rng.normal())))
                lanes.append(FinalLane(name, 0.1, seed, False, values, float(values[-1])))
        ties.append(rank([], lanes, RankingSettings(eval_steps=steps)).pairs[0].is_tie)
    assert np.mean(ties) >= 0.95


@pytest.mark.parametrize(("seeds", "factor", "noise"), [(3, 4.0, 0.1), (5, 3.0, 0.25), (8, 2.0, 0.25)])
def test_a_clear_difference_is_found(seeds, factor, noise):
    rng = np.random.default_rng(seeds)
    found = [race(rng, ("adam", "slow"), seeds, factor=factor, noise=noise) for _ in range(60)]
    assert np.mean([one.entrants[0].optimizer == "adam" and not one.pairs[0].is_tie for one in found]) >= 0.85
