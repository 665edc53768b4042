from dataclasses import replace

import pytest

from ravine.records import Final, Lane, RankedEntrant, Steps
from ravine.report import Facts, sentence
from ravine.report.wording import digits, listed, partial, subtitle

SCOPE = "among those raced, on this model, data, batch size and horizon"


def entrant(rank=1, optimizer="adam", tied_with=(), *, seeds=5, reached=5, mean=0.2, **changes):
    fields = {"lr": 1e-3, "lr_window_decades": 1.0, "at_grid_edge": False, "diverges_at_lr": None}
    cost = {"bytes_per_parameter": 16.0, "gradients_per_step": 1.0, "seconds_per_step": None}
    return RankedEntrant(
        rank=rank,
        optimizer=optimizer,
        tied_with=tied_with,
        steps_to_target=Steps(100.0, 90.0, 110.0, reached, seeds),
        final=Final("loss", mean, None, None),
        **(fields | cost | changes),
    )


def facts(*ranking, lanes=(), recommended="adam", **meta):
    recommendation = {"optimizer": recommended, "lr": 1e-3, "schedule": "cosine"} if recommended else None
    return Facts({"recommendation": recommendation, "protocol": {"target": 0.4}, "status": "done", **meta}, tuple(lanes), ranking)


TWO = (entrant(), entrant(2, "sgd"))


def test_a_clear_winner_is_the_best_among_those_raced_and_no_more():
    assert sentence(facts(*TWO)) == f"Use adam with lr=0.001 and the cosine schedule: the best estimate {SCOPE}."


def test_a_batch_size_that_was_tuned_is_part_of_the_answer_and_not_its_scope():
    tuned = facts(entrant(hypers={"batch_size": 32}), entrant(2, "sgd", hypers={"batch_size": 64}))
    assert sentence(tuned).endswith("the best estimate among those raced, on this model, data and horizon.")


def test_the_only_optimiser_is_said_to_have_the_settings_that_were_tuned():
    recommendation = {"optimizer": "adam", "lr": 1e-3, "schedule": "cosine", "hypers": {"beta1": 0.8}}
    text = sentence(facts(entrant(hypers={"beta1": 0.8}), recommendation=recommendation))
    assert "beta1=0.8 and the cosine schedule: the best settings found for the only optimiser raced, on this model, data, batch" in text


def test_ties_are_named():
    text = sentence(facts(entrant(tied_with=("adamw", "lion")), entrant(2, "adamw"), entrant(3, "lion")))
    assert text.endswith("It cannot be told apart from adamw and lion with 5 seeds.")


def test_one_run_under_many_seeds_is_said():
    one = entrant(tied_with=("sgd",))
    copied = replace(one, steps_to_target=Steps(100.0, None, None, 5, 5))
    assert sentence(facts(copied, entrant(2, "sgd"))).endswith("It cannot be told apart from sgd: all 5 seeds gave one and the same run.")


def test_a_recommendation_below_the_first_rank_says_why():
    text = sentence(facts(entrant(tied_with=("sgd",)), entrant(2, "sgd", ("adam",)), recommended="sgd"))
    head = "Use sgd with lr=0.001 and the cosine schedule: as far as can be told as good as adam, the best estimate"
    assert text.startswith(f"{head} {SCOPE}, and simpler, with fewer hypers.")


@pytest.mark.parametrize(
    ("best", "chosen", "words"),
    [
        ({"gradients_per_step": 2.0}, {}, "and cheaper, with fewer gradients a step."),
        ({"gradients_per_step": None}, {"lr_window_decades": 2.0}, "and cheaper, with fewer gradients a step."),
        ({}, {"lr_window_decades": 1.5}, "and with a wider window of good rates (1.50 decades against 1.00)."),
        ({}, {}, "and simpler, with fewer hypers."),
    ],
)
def test_the_criterion_that_decided_is_named(best, chosen, words):
    pair = entrant(tied_with=("sgd",), **best), entrant(2, "sgd", ("adam",), **chosen)
    assert words in sentence(facts(*pair, recommended="sgd"))


def test_a_lone_entrant_is_not_called_best():
    text = sentence(facts(entrant()))
    assert "the best rate found for the only optimiser raced" in text
    assert "among those" not in text


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"at_grid_edge": True}, "It is not tuned: lr=0.001 sits at the end of its grid"),
        ({"diverges_at_lr": 2e-3}, "It is fragile: lr=0.002, 2 times higher, already diverges, so warm up or clip."),
        ({"seeds": 1, "tied_with": ("sgd",)}, "With one seed no difference can be told from chance"),
        ({"reached": 0}, "It never reached the target"),
    ],
)
def test_what_qualifies_the_winner_is_said(changes, words):
    assert words in sentence(facts(entrant(**changes), entrant(2, "sgd")))
    assert words not in sentence(facts(*TWO))


def test_a_rate_that_breaks_three_times_higher_is_not_called_fragile():
    assert "fragile" not in sentence(facts(entrant(diverges_at_lr=3.2e-3)))


def test_seeds_that_diverged_are_counted():
    lanes = [
        Lane(lane=n, stage="final", optimizer="adam", lr=1e-3, schedule="cosine", seed=n, status="diverged" if n == 2 else "done")
        for n in range(1, 6)
    ]
    assert "It diverged in 1 of 5 seeds." in sentence(facts(*TWO, lanes=lanes))


def test_a_shared_rate_is_no_fair_comparison_and_recommends_nothing():
    text = sentence(facts(*TWO, protocol={"shared_lr": 0.01}))
    assert text == "Shared rate, not a fair comparison: every optimiser ran at lr=0.01, untuned, so nothing is recommended."


def test_when_everything_diverged_nothing_is_recommended():
    failed = entrant(mean=None, reached=0), entrant(2, "sgd", mean=None, reached=0)
    lane = Lane(lane=1, stage="final", optimizer="adam", lr=1e-3, schedule="cosine", seed=1, status="diverged")
    text = sentence(facts(*failed, lanes=[lane], recommended=None))
    assert text.startswith("Every lane of the final diverged, so nothing is recommended: give lower rates with --lrs, or look at the data")
    assert "doctor" not in text


def test_a_metric_that_was_never_finite_is_named_and_nothing_called_diverged():
    lanes = [Lane(lane=1, stage="final", optimizer="adam", lr=1e-3, schedule="cosine", seed=1, status="done")]
    text = sentence(facts(entrant(mean=None, reached=0), lanes=lanes, recommended=None))
    assert text.startswith("The metric 'loss' was not finite in any lane of the final, so nothing is recommended")
    assert "diverged" not in text


def test_where_nothing_got_better_the_sentence_says_so():
    text = sentence(facts(entrant(reached=0), entrant(2, "sgd", reached=0), recommended=None))
    assert text.startswith("No optimiser got better than its initial value, so nothing is recommended")


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ("interrupted", "the record holds what was done; the same command with --resume goes on"),
        ("failed", "The race ended with an error before it was done"),
        ("running", "The race is still running, or was killed"),
    ],
)
def test_an_unfinished_race_is_partial(status, words):
    for one in (facts(*TWO, status=status), facts(recommended=None, status=status)):
        assert words in sentence(one)
        assert "partial" in sentence(one)


def test_without_a_ranking_there_is_no_recommendation_yet():
    assert sentence(facts(recommended=None)) == "There is no recommendation yet: the final has not been ranked."


def test_a_recommendation_without_a_schedule_names_none():
    one = facts(*TWO)
    bare = replace(one, meta=one.meta | {"recommendation": {"optimizer": "adam", "lr": 1e-3}})
    assert sentence(bare).startswith("Use adam with lr=0.001: ")


def test_lists_read_as_english():
    assert [listed(["a"]), listed(["a", "b"]), listed(["a", "b", "c"])] == ["a", "a and b", "a, b and c"]


@pytest.mark.parametrize(
    ("value", "like", "text"),
    [(0.2001, 0.197, "0.200"), (12.3456, 11.0, "12.3"), (1234.5, 1000.0, "1234"), (3e-6, 2e-6, "3e-06"), (0.1, 0.0, "0.1")],
)
def test_an_interval_has_the_decimals_of_its_middle(value, like, text):
    assert digits(value, like) == text


def apart(first, second, gap, by=("final",)):
    return {"first": first, "second": second, "final": {"mean": gap}, "told_apart_by": list(by)}


@pytest.mark.parametrize(
    ("pair", "is_rising", "means", "words"),
    [
        (apart("adam", "sgd", -0.091), False, (0.22, 0.129), "sgd ends lower: 0.129 against 0.220."),
        (apart("sgd", "adam", 0.091), False, (0.22, 0.129), "sgd ends lower: 0.129 against 0.220."),
        (apart("adam", "sgd", 0.05, ("time", "final")), True, (0.9, 0.95), "sgd ends higher: 0.950 against 0.900."),
        (apart("sgd", "adam", -0.05), True, (0.9, 0.95), "sgd ends higher: 0.950 against 0.900."),
        (apart("adam", "sgd", -0.0005), False, (2.2510, 2.2505), "sgd ends lower: 2.25050 against 2.25100."),
        (apart("adam", "sgd", -0.1), False, (0.1, 0.2), "sgd ends lower, seed by seed."),
        (apart("adam", "sgd", -0.091, ("time",)), False, (0.22, 0.129), None),
        (apart("adam", "sgd", 0.091), False, (0.129, 0.22), None),
        (apart("sgd", "adam", 0.05), True, (0.95, 0.9), None),
        (apart("lion", "sgd", -0.091), False, (0.22, 0.129), None),
        (apart("adam", "sgd", None), False, (0.22, 0.129), None),
    ],
)
def test_who_ends_better_than_the_recommended_one_is_named(pair, is_rising, means, words):
    task = {"higher_is_better": is_rising}
    text = sentence(facts(entrant(mean=means[0]), entrant(2, "sgd", mean=means[1]), pairs=[pair], task=task, protocol={}))
    assert (words in text) if words else ("ends" not in text)


@pytest.mark.parametrize(
    ("changes", "is_rising", "is_said"),
    [({"mean": 0.5}, False, True), ({"mean": 0.3}, False, False), ({"mean": 0.3}, True, True), ({"mean": 0.5, "reached": 0}, False, False)],
)
def test_an_end_worse_than_the_target_that_was_reached_is_said(changes, is_rising, is_said):
    text = sentence(facts(entrant(**changes), entrant(2, "sgd"), task={"higher_is_better": is_rising}))
    assert (f"It reached the target, 0.400, but its mean final value is worse: {changes['mean']:.3f}." in text) is is_said


def test_an_unfinished_race_is_called_partial_with_what_had_ended():
    lanes = [
        Lane(lane=0, stage="tune", optimizer="adam", lr=0.1, schedule="constant", seed=0, status=status)
        for status in ("done", "running", "diverged")
    ]
    assert partial(facts(*TWO)) == ""
    assert partial(facts(lanes=lanes, status="interrupted")) == (
        "Partial: this race was interrupted. 2 of the 3 lanes planned so far had ended."
    )


def test_the_subtitle_counts_lanes_and_dates_the_race():
    lanes = [
        Lane(lane=0, stage="tune", optimizer="adam", lr=0.1, schedule="constant", seed=0, status=status)
        for status in ("done", "culled", "diverged")
    ]
    assert subtitle(facts(lanes=lanes)) == "A race of optimisers · 3 lanes, 1 diverged, 1 ended early"
    assert subtitle(facts(created="2025-01-01T00:00:00Z")).endswith("· begun 2025-01-01 00:00:00 UTC")
