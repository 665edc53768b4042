"""Looking several times finds no more than looking once, and ending early changes no recommendation."""

import numpy as np
import pytest

from ravine.records.sequential import UNLIKELY, plan_looks
from simulated_races import looked_race, looks_that_find


def test_looks_together_name_a_winner_among_equals_at_most_5_percent_of_the_time():
    """500 races that never end early, so that every look has its chance to be wrong: at most 25 may name a winner at any of them.

    Looks that spend too much would show: with 2.5 % for each it is 53 of 1,000 such races, with 2.5 % for all of them 20.
    """
    rng = np.random.default_rng(0)
    bounds = rng.choice([(2, 5), (2, 7), (3, 7), (3, 12)], size=500)
    wrong = [looks_that_find(rng, ("adam", "adam#2"), int(least), int(most)) > 0 for least, most in bounds]
    assert np.mean(wrong) <= 0.04


@pytest.mark.slow
@pytest.mark.parametrize(("names", "races"), [(("adam", "adam#2"), 1000), (("a", "b", "c", "d", "e"), 150)], ids=["2", "5"])
def test_races_between_equals_that_end_by_themselves_name_a_winner_at_most_5_percent_of_the_time(names, races):
    rng = np.random.default_rng(len(names))
    found = [looked_race(rng, names, 3, 20) for _ in range(races)]
    assert np.mean([any(not pair.is_tie for pair in ranking.pairs) for ranking, _ in found]) <= 0.05
    assert np.mean([verdict.seeds for _, verdict in found]) < 16, "and spare seeds"


@pytest.mark.parametrize("factor", [1.0, 1.5])
def test_what_ended_early_would_have_been_recommended_later(factor):
    """Races go on to all of their seeds: rarely is an entrant then told apart that was tied when the race would have ended."""
    looks, changed = plan_looks(3, 12), []
    for number in range(60):
        ranking, verdict = looked_race(np.random.default_rng(number), ("fast", "slow"), 3, 12, factor=factor)
        if verdict.seeds == looks[-1].seeds:
            continue
        # The same random stream: the first seeds are those of the race above.
        later, _ = looked_race(np.random.default_rng(number), ("fast", "slow"), 12, 12, factor=factor)
        changed.append(ranking.pairs[0].is_tie and not later.pairs[0].is_tie)
    assert len(changed) >= 20
    # Two standard errors of so few; a look at 12 seeds that spends everything finds a little more than the last of several.
    assert np.mean(changed) <= UNLIKELY + 2 * np.sqrt(UNLIKELY / len(changed))


def test_a_clear_difference_takes_few_seeds():
    found = [looked_race(np.random.default_rng(number), ("fast", "slow"), 3, 20, factor=3.0) for number in range(25)]
    assert np.mean([ranking.entrants[0].optimizer == "fast" and not ranking.pairs[0].is_tie for ranking, _ in found]) >= 0.9
    assert np.mean([verdict.seeds for _, verdict in found]) <= 9
