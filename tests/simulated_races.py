"""Races that never ran: exponential curves with a known difference between entrants, ranked as real ones are."""

import math

import numpy as np

from ravine.records import FinalLane, RankingSettings, rank
from ravine.records.sequential import judge, plan_looks

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


def looked_race(rng, names, least, most, *, factor=1.0, noise=0.25):
    """A race whose seeds are drawn in waves until its recommendation stands: its ranking and its verdict."""
    looks, lanes, seed = plan_looks(least, most), [], 0
    for number, look in enumerate(looks):
        while seed < look.seeds:
            seed += 1
            lanes += [lane(name, seed, rng, time=150.0 * (factor if name == "slow" else 1.0), noise=noise) for name in names]
        ranking = rank([], lanes, RankingSettings(eval_steps=STEPS, alpha=look.alpha))
        verdict = judge(ranking, looks, number)
        if verdict.ends:
            break
    return ranking, verdict


def share_and_seeds(least, most, factor, *, races):
    """How often the faster of two is told apart in races that end by themselves, and after how many seeds on average they do."""
    rng = np.random.default_rng([least, most, round(100 * factor)])
    found = [looked_race(rng, ("fast", "slow"), least, most, factor=factor) for _ in range(races)]
    told = [ranking.entrants[0].optimizer == "fast" and not ranking.pairs[0].is_tie for ranking, _ in found]
    return float(np.mean(told)), float(np.mean([verdict.seeds for _, verdict in found]))


def looks_that_find(rng, names, least, most):
    """How many looks of a race that never ends early tell any two entrants apart."""
    lanes, seed, found = [], 0, 0
    for look in plan_looks(least, most):
        while seed < look.seeds:
            seed += 1
            lanes += [lane(name, seed, rng) for name in names]
        ranking = rank([], lanes, RankingSettings(eval_steps=STEPS, alpha=look.alpha))
        found += any(not pair.is_tie for pair in ranking.pairs)
    return found
