import math

import numpy as np
import pytest

from ravine.base.errors import InputError, UnknownNameError
from ravine.records import Cost, FinalLane, RankingSettings, TunedLane, is_fragile, rank

STEPS = tuple(range(0, 1001, 20))


def lanes(name, time, floor=0.2, *, seeds=5, lr=0.1, diverged=(), noise=0.05, start=2.2):
    """Exponential curves from `start` to `floor`; `noise` moves time and floor from seed to seed."""
    found = []
    for seed in range(1, seeds + 1):
        rng = np.random.default_rng([seed, sum(map(ord, name))])
        end = floor * math.exp(noise * rng.normal())
        values = end + (start - end) * np.exp(-np.array(STEPS) / (time * math.exp(noise * rng.normal())))
        found.append(FinalLane(name, lr, seed, seed in diverged, values, float(values[-1])))
    return found


def ranking(*groups, tuned=(), **settings):
    return rank(list(tuned), [lane for group in groups for lane in group], RankingSettings(eval_steps=STEPS, **settings))


def names(found):
    return [entrant.optimizer for entrant in found.entrants]


def test_the_faster_entrant_comes_first_and_the_slower_is_told_apart():
    found = ranking(lanes("slow", 200), lanes("quick", 50))
    assert names(found) == ["quick", "slow"]
    assert [entrant.rank for entrant in found.entrants] == [1, 2]
    assert [entrant.tied_with for entrant in found.entrants] == [(), ()]
    assert found.pairs[0].told_apart_by[0] == "time"
    assert found.recommended.optimizer == "quick"


def test_a_tie_is_listed_on_both_sides_in_the_order_of_the_ranking():
    found = ranking(lanes("c", 60), lanes("b", 60), lanes("a", 60))
    ties = {entrant.optimizer: entrant.tied_with for entrant in found.entrants}
    order = names(found)
    assert all(ties[name] == tuple(other for other in order if other != name) for name in order)


def test_identical_entrants_are_ordered_by_name():
    twin = [FinalLane("b", lane.lr, lane.seed, lane.diverged, lane.values, lane.validation_final) for lane in lanes("a", 60)]
    assert names(ranking(twin, lanes("a", 60))) == ["a", "b"]


def test_targets_follow_adamw_where_it_raced_else_the_first_or_the_named():
    sgd, adamw = lanes("sgd", 60, 0.4), lanes("adamw", 60, 0.1)
    assert ranking(sgd, adamw).targets.reference == "adamw"
    assert ranking(sgd, lanes("lion", 60)).targets.reference == "sgd"
    found = ranking(sgd, adamw, reference="sgd")
    assert found.targets.tight == pytest.approx(np.median([lane.values[-1] for lane in sgd]))
    assert found.targets.medium == pytest.approx(found.targets.tight + 0.1 * (2.2 - found.targets.tight))


def test_steps_are_counted_to_the_used_target():
    found = ranking(lanes("sgd", 100, noise=0.0))
    # exp(-t / 100) <= 0.1 first holds at 100 ln 10 = 230.3, so at the evaluation of step 240
    assert found.entrants[0].steps_to_target.median == 240
    own = ranking(lanes("sgd", 100, noise=0.0), target=1.2)
    # exp(-t / 100) <= 0.5 first holds at 69.3
    assert (own.entrants[0].steps_to_target.median, own.targets.name) == (80, "own")


def test_an_interval_ends_where_the_metric_does():
    values = np.full(len(STEPS), 2.2)
    pair = [FinalLane("sgd", 0.1, seed, False, np.append(values[:-1], last), last) for seed, last in ((1, 0.01), (2, 0.06))]
    free = ranking(pair).entrants[0].final
    assert free.low < 0 < free.high, "two seeds, very wide"
    cut = ranking(pair, bounds=(0.0, 0.2)).entrants[0].final
    assert (cut.mean, cut.low, cut.high) == (free.mean, 0.0, 0.2)
    turned = ranking(pair, bounds=(0.0, 1.0), higher_is_better=True).entrants[0].final
    assert (turned.low, turned.high) == (0.0, pytest.approx(free.high))


def test_never_reached_is_none_with_reached_below_seeds():
    found = ranking(lanes("adamw", 50), lanes("sgd", 50, 1.5))
    steps = found.entrants[1].steps_to_target
    assert (steps.median, steps.low, steps.high, steps.reached, steps.seeds) == (None, None, None, 0, 5)
    assert found.entrants[1].final.mean == pytest.approx(1.5, rel=0.1)
    assert found.entrants[0].tied_with == ()


def test_among_those_that_never_reach_the_better_final_value_comes_first():
    assert names(ranking(lanes("adamw", 50), lanes("b", 50, 1.8), lanes("c", 50, 1.5))) == ["adamw", "c", "b"]


def test_a_diverged_seed_never_reached_and_is_said_beside_the_ranking():
    found = ranking(lanes("adamw", 50), lanes("sgd", 50, diverged=(2, 4)))
    entrant = found.entrants[1]
    assert (entrant.steps_to_target.reached, entrant.steps_to_target.high) == (3, None)
    assert entrant.final.mean == pytest.approx(0.2, rel=0.1)
    assert "sgd diverged in 2 of 5 seeds; its final value is that of the others." in found.notes


def test_all_diverged_ranks_last_without_a_final_value_and_ties_only_with_its_like():
    found = ranking(lanes("a", 50, diverged=range(9)), lanes("sgd", 500, 2.19), lanes("b", 50, diverged=range(9)))
    assert names(found) == ["sgd", "a", "b"]
    assert [entrant.tied_with for entrant in found.entrants] == [(), ("b",), ("a",)]
    final = found.entrants[1].final
    assert (final.metric, final.mean, final.low, final.high) == ("loss", None, None, None)


def test_an_entrant_that_got_worse_still_comes_before_one_that_diverged():
    found = ranking(lanes("adamw", 50), lanes("a", 50, diverged=range(9)), lanes("worse", 50, 4.0))
    assert names(found) == ["adamw", "worse", "a"]


def test_when_every_lane_diverged_nothing_is_recommended():
    found = ranking(lanes("a", 50, diverged=range(9)))
    assert found.recommended is None
    assert "no entrant got better than its initial value." in found.notes


def test_one_seed_ties_everything_that_finished_and_says_so():
    found = ranking(lanes("a", 50, seeds=1), lanes("b", 500, 1.0, seeds=1))
    assert [entrant.tied_with for entrant in found.entrants] == [("b",), ("a",)]
    assert "one seed: not testable, so nothing that finished can be told apart." in found.notes
    assert found.entrants[0].final.low is None
    assert found.recommended.optimizer == "a"


def test_two_seeds_say_that_they_are_few():
    assert any(note.startswith("two seeds") for note in ranking(lanes("a", 50, seeds=2), lanes("b", 50, seeds=2)).notes)


def test_a_metric_that_should_rise_ranks_the_other_way_round():
    def risen(group):
        return [FinalLane(x.optimizer, x.lr, x.seed, x.diverged, 1 - x.values / 3, 1 - x.validation_final / 3) for x in group]

    down = ranking(lanes("quick", 50), lanes("slow", 200, 0.6), target=1.0)
    up = ranking(risen(lanes("quick", 50)), risen(lanes("slow", 200, 0.6)), target=1 - 1 / 3, metric="accuracy", higher_is_better=True)
    assert names(up) == names(down) == ["quick", "slow"]
    for a, b in zip(down.entrants, up.entrants, strict=True):
        assert a.steps_to_target == b.steps_to_target
        assert b.final.mean == pytest.approx(1 - a.final.mean / 3)
        assert b.final.low < b.final.mean < b.final.high
    assert up.targets.used == pytest.approx(1 - 1 / 3)
    assert up.targets.tight > up.targets.medium > up.targets.initial
    assert up.pairs[0].final.mean == pytest.approx(-down.pairs[0].final.mean / 3)


def test_tuning_gives_window_divergence_and_edge():
    tuned = [TunedLane("a", 10.0**-e, v, math.isnan(v), False) for e, v in [(3, 0.21), (2, 0.2), (1, 0.22), (0.7, math.nan), (0, math.nan)]]
    entrant = ranking(lanes("a", 50, lr=0.1), tuned=tuned).entrants[0]
    assert entrant.lr_window_decades == pytest.approx(2.0)
    assert entrant.diverges_at_lr == pytest.approx(10**-0.7)
    assert is_fragile(entrant)
    assert not entrant.at_grid_edge


@pytest.mark.parametrize(("lr", "at_edge"), [(0.001, True), (0.01, False), (0.1, True)])
def test_the_edge_is_that_of_the_ranked_rate(lr, at_edge):
    tuned = [TunedLane("a", 10.0**-e, 0.2, False, False) for e in (3, 2, 1)]
    entrant = ranking(lanes("a", 50, lr=lr), tuned=[*tuned, TunedLane("b", 1.0, 0.2, False, False)]).entrants[0]
    assert entrant.at_grid_edge == at_edge


def test_fragile_and_untuned_entrants_are_noted():
    tuned = [TunedLane("a", 0.1, 0.2, False, False), TunedLane("a", 0.25, math.nan, True, False)]
    notes = ranking(lanes("a", 50), tuned=tuned).notes
    assert any("fragile" in note and "warm up or clip" in note for note in notes)
    assert any("not tuned" in note for note in notes)


def test_a_breaking_rate_three_times_higher_is_not_fragile():
    tuned = [TunedLane("a", 0.1, 0.2, False, False), TunedLane("a", 0.31, math.nan, True, False)]
    assert not is_fragile(ranking(lanes("a", 50), tuned=tuned).entrants[0])


def test_a_reference_that_failed_is_noted():
    found = ranking(lanes("adamw", 50, diverged=range(9)), lanes("sgd", 50))
    assert "the targets are taken from sgd, because adamw diverged or did not improve." in found.notes


@pytest.mark.parametrize(
    ("cost", "expected"),
    [
        ({"a": Cost(gradients_per_step=2.0), "b": Cost(gradients_per_step=1.0)}, "b"),
        ({"a": Cost(num_hypers=5), "b": Cost(num_hypers=1)}, "b"),
        ({"a": Cost(), "b": Cost()}, "a"),
    ],
)
def test_among_equals_the_cheaper_then_the_simpler_is_recommended(cost, expected):
    twin = [FinalLane("b", lane.lr, lane.seed, lane.diverged, lane.values, lane.validation_final) for lane in lanes("a", 60)]
    assert ranking(lanes("a", 60), twin, cost=cost).recommended.optimizer == expected


def test_among_equals_the_wider_window_is_recommended():
    twin = [FinalLane("b", lane.lr, lane.seed, lane.diverged, lane.values, lane.validation_final) for lane in lanes("a", 60)]
    tuned = [TunedLane("a", 0.1, 0.2, False, False), TunedLane("b", 0.1, 0.2, False, False), TunedLane("b", 1.0, 0.2, False, False)]
    assert ranking(lanes("a", 60), twin, tuned=tuned, cost={"b": Cost(num_hypers=9)}).recommended.optimizer == "b"


def test_a_tie_for_want_of_seeds_is_not_recommended_for_being_cheap():
    cost = {"a": Cost(gradients_per_step=2.0), "b": Cost(gradients_per_step=1.0)}
    found = ranking(lanes("a", 50, seeds=2), lanes("b", 120, 0.3, seeds=2, noise=0.3), cost=cost)
    assert found.entrants[0].tied_with == ("b",)
    assert found.recommended.optimizer == "a"


def test_cost_is_carried_into_the_rows():
    entrant = ranking(lanes("a", 50), cost={"a": Cost(16.0, 2.0, 1e-3, 4)}).entrants[0]
    assert (entrant.bytes_per_parameter, entrant.gradients_per_step, entrant.seconds_per_step) == (16.0, 2.0, 1e-3)


def test_bad_input_is_refused_in_a_sentence():
    with pytest.raises(InputError, match="no lanes of the final stage"):
        rank([], [], RankingSettings(eval_steps=STEPS))
    with pytest.raises(InputError, match=r"values of shape \(51,\) for a at lr=0.1, seed 1: must be one for each of 3 evaluations"):
        rank([], lanes("a", 50), RankingSettings(eval_steps=(0, 1, 2)))
    with pytest.raises(UnknownNameError, match="no entrant of this race is called 'adan'"):
        ranking(lanes("adam", 50), reference="adan")


def test_a_single_evaluation_still_ranks():
    only = [FinalLane("a", 0.1, 1, False, np.array([2.0]), 2.0)]
    assert rank([], only, RankingSettings(eval_steps=(0,))).entrants[0].steps_to_target.reached == 0


IDENTICAL = "the fresh seeds gave identical runs (fixed start and full batch): one sample, not testable."


def copies(group, *, seeds=5):
    """The first seed's run under every seed."""
    first = group[0]
    return [FinalLane(first.optimizer, first.lr, s, first.diverged, first.values, first.validation_final) for s in range(1, seeds + 1)]


@pytest.mark.parametrize("seeds", [2, 5, 9])
def test_seeds_that_gave_one_run_are_one_sample(seeds):
    found = ranking(copies(lanes("a", 50), seeds=seeds), copies(lanes("b", 400, 0.9), seeds=seeds))
    assert [entrant.tied_with for entrant in found.entrants] == [("b",), ("a",)]
    assert found.pairs[0].adjusted_p == (1.0, 1.0)
    assert found.notes == [IDENTICAL]
    entrant = found.entrants[0]
    assert (entrant.final.low, entrant.final.high) == (None, None)
    assert entrant.final.mean is not None
    assert (entrant.steps_to_target.low, entrant.steps_to_target.high) == (None, None)
    assert (entrant.steps_to_target.reached, entrant.steps_to_target.seeds) == (seeds, seeds)
    assert found.recommended.optimizer == "a"


def test_an_entrant_that_failed_does_not_hide_that_the_others_are_one_sample():
    assert IDENTICAL in ranking(copies(lanes("a", 50)), lanes("b", 50, diverged=range(9))).notes


def test_seeds_that_differ_in_one_entrant_are_samples():
    found = ranking(lanes("a", 50), copies(lanes("b", 400, 0.9)))
    assert not found.pairs[0].is_tie
    assert IDENTICAL not in found.notes


def test_a_metric_that_is_not_a_number_is_not_called_a_divergence():
    broken = [FinalLane("a", 0.1, seed, False, np.where(np.array(STEPS) > 0, np.nan, 2.0), math.nan) for seed in (1, 2)]
    found = ranking(broken, lanes("b", 50, seeds=2), metric="f1")
    assert "metric 'f1' of a was not finite in 2 of 2 seeds." in found.notes
    assert not any("diverged in" in note for note in found.notes)
    assert found.entrants[1].final.mean is None
    alone = ranking(broken, metric="f1")
    assert alone.recommended is None
    assert IDENTICAL not in alone.notes


def test_diverged_seeds_and_values_that_are_not_finite_are_counted_apart():
    mixed = [*lanes("a", 50, diverged=(1,))[:4], FinalLane("a", 0.1, 5, False, np.full(len(STEPS), np.nan), math.nan)]
    notes = ranking(mixed).notes
    assert "a diverged in 1 of 5 seeds; its final value is that of the others." in notes
    assert "metric 'loss' of a was not finite in 1 of 5 seeds; its final value is that of the others." in notes


def test_where_nothing_got_better_nothing_is_recommended():
    found = ranking(lanes("a", 50, 2.2, noise=0.0), lanes("b", 50, 2.2, noise=0.0))
    assert "no entrant got better than its initial value." in found.notes
    assert found.entrants[0].final.mean == pytest.approx(2.2)
    assert found.recommended is None


def test_what_was_won_in_half_of_the_seeds_is_recommended_with_a_note():
    found = ranking(lanes("a", 50, seeds=2, diverged=(1,)))
    assert "no entrant got better than its initial value in more than half of its seeds." in found.notes
    assert found.recommended.optimizer == "a"


def test_a_metric_without_a_value_at_the_start_gives_no_target_but_a_recommendation():
    gone = np.where(np.array(STEPS) > 0, 0.0, math.nan)
    late = [FinalLane("a", 0.1, x.seed, False, x.values + gone, x.validation_final) for x in lanes("a", 50)]
    found = ranking(late, metric="f1")
    assert "metric 'f1' was not finite before the first step, so there is no target to count steps to." in found.notes
    assert (found.targets.used, found.recommended.optimizer) == (None, "a")
