"""When a final that draws its seeds in waves may end."""

import dataclasses
import json
import math

import numpy as np
import pytest

from ravine.records import ALPHA, FinalLane, RankingSettings, rank
from ravine.records.sequential import UNLIKELY, Look, chance_to_tell_apart, judge, plan_looks
from simulated_races import STEPS, lane, looked_race

TO_20 = plan_looks(3, 20)


@pytest.mark.parametrize(
    ("least", "most", "expected"),
    [(3, 20, [3, 5, 8, 12, 20]), (2, 3, [2, 3]), (5, 6, [5, 6]), (2, 100, [2, 3, 5, 8, 12, 18, 27, 41, 62, 100]), (4, 4, [4])],
)
def test_looks_grow_by_half_and_end_at_the_most(least, most, expected):
    assert [look.seeds for look in plan_looks(least, most)] == expected


@pytest.mark.parametrize(("least", "most"), [(2, 3), (3, 20), (5, 12), (2, 100)])
def test_what_all_looks_may_spend_is_what_the_race_may(least, most):
    looks = plan_looks(least, most)
    assert math.fsum(look.alpha for look in looks) == pytest.approx(ALPHA)
    assert all(look.alpha > 0 for look in looks)
    assert looks[0].alpha == ALPHA * least / most


def ranked(names, seeds, *, factor=1.0, noise=0.25, alpha=ALPHA, seed=0):
    rng = np.random.default_rng(seed)
    lanes = [
        lane(name, number, rng, time=150.0 * (factor if name == "slow" else 1.0), noise=noise)
        for number in range(1, seeds + 1)
        for name in names
    ]
    return rank([], lanes, RankingSettings(eval_steps=STEPS, alpha=alpha))


def test_a_race_whose_recommended_entrant_is_told_apart_from_all_ends():
    verdict = judge(ranked(("fast", "slow"), 8, factor=4.0, noise=0.1, alpha=TO_20[2].alpha), TO_20, 2)
    assert (verdict.ends, verdict.told_apart, dict(verdict.chances)) == (True, ("slow",), {})
    assert verdict.sentence == "The final ended after 8 of at most 20 seeds: fast is told apart from every other entrant."


def test_a_difference_that_begins_to_show_asks_for_more_seeds():
    verdict = judge(ranked(("fast", "slow"), 5, factor=1.8, alpha=TO_20[1].alpha), TO_20, 1)
    assert not verdict.ends
    assert verdict.chances["slow"] > 0.5
    assert verdict.sentence.startswith("After 5 of at most 20 seeds it is open whether fast can be told apart from slow (chance up to ")
    assert verdict.sentence.endswith("so the final goes on to 8 seeds.")


def test_a_hopeless_tie_ends():
    """Equal on average to the last digit: the seeds left would all have to lean one way."""
    rng = np.random.default_rng(3)
    lanes = []
    for number in range(1, 13):
        one = lane("a", number, rng)
        factor = 1.1 if number % 2 else 1 / 1.1
        lanes += [one, FinalLane("b", 0.1, number, False, one.values * factor, one.validation_final * factor)]
    verdict = judge(rank([], lanes, RankingSettings(eval_steps=STEPS, alpha=TO_20[3].alpha)), TO_20, 3)
    assert verdict.ends
    assert sum(verdict.chances.values()) < UNLIKELY
    assert "The final ended after 12 of at most 20 seeds: " in verdict.sentence
    assert "and the chance that more seeds would do so is less than 1 %." in verdict.sentence


def test_the_last_look_ends_whatever_is_open():
    verdict = judge(ranked(("fast", "slow"), 3, factor=1.5), plan_looks(2, 3), 1)
    assert verdict.ends
    assert verdict.sentence == "The final used all 3 seeds: fast cannot be told apart from slow."


def test_one_entrant_leaves_nothing_to_decide():
    verdict = judge(ranked(("a",), 3), TO_20, 0)
    assert verdict.ends
    assert verdict.sentence == "The final ended after 3 of at most 20 seeds: with one entrant, more cannot change what is recommended."


def test_seeds_that_all_gave_one_run_will_go_on_doing_so():
    rng = np.random.default_rng(0)
    runs = {name: lane(name, 1, rng) for name in ("a", "b")}
    lanes = [dataclasses.replace(run, seed=seed) for run in runs.values() for seed in (1, 2, 3)]
    verdict = judge(rank([], lanes, RankingSettings(eval_steps=STEPS)), TO_20, 0)
    assert (verdict.ends, list(verdict.chances.values())) == (True, [0.0])


def test_where_nothing_is_recommended_the_seeds_are_run():
    worsening = np.linspace(2.0, 2.1, len(STEPS))
    lanes = [FinalLane(name, 0.1, seed, False, worsening + 0.01 * seed, 2.0) for name in "ab" for seed in (1, 2, 3)]
    ranking = rank([], lanes, RankingSettings(eval_steps=STEPS))
    first, last = judge(ranking, TO_20, 0), judge(ranking, plan_looks(2, 3), 1)
    assert (first.recommended, first.ends, last.ends) == (None, False, True)
    assert last.sentence == "The final used all 3 seeds, and nothing is recommended."
    assert first.sentence == "After 3 of at most 20 seeds nothing can be recommended, so the final goes on."


def test_an_entrant_that_lost_all_its_seeds_is_no_open_question():
    rng = np.random.default_rng(0)
    lanes = [lane("a", seed, rng) for seed in (1, 2, 3)]
    lanes += [FinalLane("b", 0.1, seed, True, np.full(len(STEPS), np.nan), math.nan) for seed in (1, 2, 3)]
    lanes = [dataclasses.replace(one, values=np.concatenate([[2.3], one.values[1:]])) if one.optimizer == "b" else one for one in lanes]
    verdict = judge(rank([], lanes, RankingSettings(eval_steps=STEPS)), TO_20, 0)
    assert (verdict.ends, verdict.told_apart) == (True, ("b",))


def test_verdicts_are_strict_json():
    json.dumps(judge(ranked(("fast", "slow", "other"), 3), TO_20, 0).as_json(), allow_nan=False)


def test_a_prediction_is_the_share_of_futures_that_come_true():
    """Samples and the seeds after them from one and the same truth, drawn from a wide prior: what is predicted happens."""
    rng = np.random.default_rng(0)
    looks = (Look(20, 0.025),)
    predicted, happened = [], []
    for _ in range(400):
        whole = rng.normal(rng.normal(0.0, 1.5), 1.0, size=20)
        predicted.append(chance_to_tell_apart(whole[:8], looks))
        error = whole.std(ddof=1) / math.sqrt(20)
        happened.append(abs(whole.mean()) / error > 2.4334)  # t quantile, 19 degrees of freedom, at 0.025 on both sides together
    likely = np.array(predicted) > 0.5
    assert np.mean(predicted) == pytest.approx(np.mean(happened), abs=0.03)
    assert np.mean(np.array(happened)[likely]) > 0.6 > 0.25 > np.mean(np.array(happened)[~likely])


def test_chances_fall_with_what_is_asked_for():
    sample = np.array([0.3, 0.1, 0.5, -0.1, 0.2])
    plain = chance_to_tell_apart(sample, TO_20[2:])
    assert 0 < chance_to_tell_apart(sample, TO_20[2:], hypotheses=20) < plain < 1
    assert chance_to_tell_apart(sample, TO_20[2:], least=1.0) < plain
    assert chance_to_tell_apart(sample, TO_20[2:], resolution=3.0) < plain
    assert chance_to_tell_apart(sample, TO_20[4:]) <= plain
    assert chance_to_tell_apart(sample, ()) == 0.0
    assert chance_to_tell_apart(np.zeros(5), TO_20[2:]) == 0.0


def test_a_race_in_waves_is_told_the_same_every_time():
    first, second = (looked_race(np.random.default_rng(5), ("a", "b", "slow"), 2, 8, factor=1.4) for _ in range(2))
    assert first[1] == second[1]
