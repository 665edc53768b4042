"""Races that never ran: exponential curves with a known difference between entrants, ranked as real ones are."""

import math

import numpy as np

from ravine.records import FinalLane, RankingSettings, rank

STEPS = (0, 1, 2, 4, 8, 16, *range(25, 1001, 25))


def lane(name, seed, rng, *, time=150.0, floor=0.2, noise=0.25):
    """An exponential curve whose time constant and floor vary with the seed; evaluations are noisy too."""
    end = floor * math.exp(noise * rng.normal())
    values = end + (2.3 - end) * np.exp(-np.array(STEPS) / (time * math.exp(noise * rng.normal())))
    values *= np.exp(0.02 * rng.normal(size=len(STEPS)))
    return FinalLane(name, 0.1, seed, False, values, float(values[-1]))


def race(rng, names, seeds, *, factor=1.0, noise=0.25):
    """A ranked race of `names`; the one called "slow" takes `factor` times as many steps."""
    lanes = [
        lane(name, seed, rng, time=150.0 * (factor if name == "slow" else 1.0), noise=noise)
        for name in names
        for seed in range(1, seeds + 1)
    ]
    return rank([], lanes, RankingSettings(eval_steps=STEPS))


def share_told_apart(seeds, factor, *, races, noise=0.25):
    """How often the faster of two is ranked first and not tied, over `races` races with seeds of their own."""
    rng = np.random.default_rng([seeds, round(100 * factor), round(100 * noise)])
    found = [race(rng, ("fast", "slow"), seeds, factor=factor, noise=noise) for _ in range(races)]
    return float(np.mean([one.entrants[0].optimizer == "fast" and not one.pairs[0].is_tie for one in found]))
