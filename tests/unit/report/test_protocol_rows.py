import pytest

from ravine.report.facts import Facts
from ravine.report.protocol_rows import (
    engine_rows,
    environment_rows,
    hypers_text,
    plain,
    protocol_rows,
    protocol_sentences,
    search_rows,
    spelt,
    task_rows,
)

PROTOCOL = {
    "seeds": 5,
    "steps": 1000,
    "lr_grids": {"sgd": [0.1 * 2**k for k in range(12)], "adam": [0.01]},
    "search": {
        "exhaustive": False,
        "rungs": [{"share": 0.03, "step": 25, "keeps_one_in": 1}, {"share": 0.1, "step": 100, "keeps_one_in": 3}],
        "without_rungs_at": [0.33],
        "refined": {"sgd": [0.3, 0.5]},
    },
    "budget_gradients": 97784,
    "gradients_by_optimizer": {"sgd": 90000, "adam": 7784},
    "target": {"tight": 0.1, "medium": 0.3238, "loose": 0.7, "used": 0.3238, "name": "medium", "reference": "adam", "initial": 2.3},
    "split": {"train": 1079, "validation": 359, "test": 359, "tuned_on": "validation", "ranked_on": "test"},
    "versions": {"torch": "2.13"},
    "batch_size": 64,
    "shared_lr": None,
    "evaluation_steps": [0, 1, 2, 4, 8, 16, 32, 64, 128, 1000],
    "something_new": {"of_later": [1, 2.5], "held": True},
    "engine": {"tune": {"mode": "native", "tile": 16, "workers": 2, "forecast_s": 1.23456, "took_s": None, "reason": "31 times as fast"}},
}


def facts(**protocol):
    meta = {"protocol": PROTOCOL | protocol, "task": {"name": "digits", "train": 1079, "rank_by": "loss", "metrics": ["accuracy"]}}
    return Facts(meta | {"environment": {"device": "cpu"}, "created": "2025-01-01", "wall_s": 12.34}, (), ())


def test_known_entries_have_labels_and_texts_without_keys_or_braces():
    rows = dict(protocol_rows(facts()))
    assert rows["Steps of every lane"] == "1,000"
    assert rows["Splits"] == "1,079 rows train, 359 rows validation, 359 rows test; tuned on validation; ranked on test"
    assert rows["Targets"].startswith("tight 0.1, medium 0.3238 (used), loose 0.7\n")
    assert "median final value of adam" in rows["Targets"]
    assert rows["Search for the rate"].splitlines() == [
        "at step 25 (3 % of the horizon) only broken rates ended",
        "at step 100 (10 % of the horizon) the best of every 3 and the next lower rate of each went on",
        "no rung at 33 %: too few steps or rates",
        "refined by 0.2 decades around the best",
    ]
    assert rows["Evaluated after"] == "10 steps: 0, 1, 2, 4, 8, 16, ... 1,000"
    assert "Shared rate" not in rows
    for label, text in rows.items():
        assert not set("_{}") & set(label + text), (label, text)


def test_entries_of_later_versions_are_readable_too():
    assert dict(protocol_rows(facts()))["Something new"] == "Of later: 1, 2.5\nHeld: yes"


def test_an_own_target_and_a_plain_split_are_said():
    rows = dict(protocol_rows(facts(target={"used": 0.5, "name": "own"}, split="test")))
    assert rows["Targets"] == "own 0.5 (used)"
    assert rows["Splits"] == "test"
    assert dict(protocol_rows(facts(target=0.25)))["Targets"] == "0.25"


def test_every_entrant_has_its_search():
    assert search_rows(facts()) == [["sgd", "12 from 0.1 to 205", "0.3, 0.5", "90,000"], ["adam", "0.01", "", "7,784"]]
    assert search_rows(facts(lr_grids=None)) == []


def test_sentences_speak_of_this_race_alone():
    said = " ".join(protocol_sentences(facts()))
    assert "the same 1,000 steps of 64 rows" in said
    assert "searched rates" in said
    shared = " ".join(protocol_sentences(facts(shared_lr=0.1)))
    assert "not a fair comparison" in shared
    assert "searched rates" not in shared


def test_task_environment_and_engine():
    task = dict(task_rows(facts()))
    assert task["Training rows"] == "1,079"
    assert task["Ranked by"] == "loss (lower is better)"
    environment = dict(environment_rows(facts()))
    assert (environment["Device"], environment["Version of torch"], environment["Took"]) == ("cpu", "2.13", "12.3 s")
    assert engine_rows(facts()) == [["tune", "native", "16", "2", "1.23", "", "31 times as fast"]]


def test_a_record_that_says_nothing_has_no_rows():
    empty = Facts({}, (), ())
    assert protocol_rows(empty) == task_rows(empty) == search_rows(empty) == engine_rows(empty) == []
    assert protocol_sentences(empty)


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, ""), (True, "yes"), (12345, "12,345"), (0.123456, "0.1235"), ([1, 2], "1, 2"), (list(range(20)), "20 values, 0 to 19")],
)
def test_values_read_as_a_person_would_write_them(value, text):
    assert plain(value) == text


def test_hypers_that_are_off_are_left_out():
    assert hypers_text({"beta1": 0.9, "l2": 0.0}) == "beta1=0.9"
    assert spelt("adamw+clip") == "adamw+clip"
