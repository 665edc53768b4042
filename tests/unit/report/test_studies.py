"""What several studies say together."""

import contextlib
import json

import numpy as np
import pytest

from ravine.base.errors import InputError
from ravine.records import FinalLane, LaneRow, RankingSettings, create, open_record, rank
from ravine.report import studies_summary, studies_text
from simulated_races import STEPS, lane

PLAN = {"task": "tiny", "optimizers": ["a", "b"], "steps": 1000, "fingerprint": "f"}


def write(path, seed, *, lrs=None, factors=None, is_done=True, plan=None, recommends=True):
    """A finished study; `factors` slow an entrant down, `lrs` are what was tuned."""
    lrs, factors = {"a": 0.1, "b": 0.1} | (lrs or {}), factors or {}
    rng = np.random.default_rng(seed)
    runs = [
        (name, number, lane(name, number, rng, time=60.0 * factors.get(name, 1.0), noise=0.1)) for name in lrs for number in range(1, 6)
    ]
    finals = [FinalLane(name, lrs[name], number, False, run.values, run.validation_final) for name, number, run in runs]
    ranking = rank([], finals, RankingSettings(eval_steps=STEPS))
    with create(path) as writer:
        writer.add_lanes(
            [LaneRow(lane=k, stage="final", optimizer=f.optimizer, lr=f.lr, schedule="constant", seed=f.seed) for k, f in enumerate(finals)]
        )
        for position, step in enumerate(STEPS):
            values = np.array([one.values[position] for one in finals])
            writer.add_evaluation(list(range(len(finals))), step, "test", {"loss": values})
        writer.finish_lanes(range(len(finals)), steps_done=STEPS[-1], seconds=1.0)
        writer.set_meta("task", {"name": "tiny", "rank_by": "loss"})
        writer.set_meta("plan", PLAN | {"race_seed": seed} | (plan or {}))
        protocol = {"race_seed": seed, "split": "test", "steps": 1000, "target": ranking.targets.as_json()}
        writer.set_meta("protocol", protocol)
        writer.set_meta("status", "done" if is_done else "interrupted")
        if is_done:
            best = ranking.recommended
            writer.set_ranking(ranking.entrants)
            facts = {"optimizer": best.optimizer, "lr": best.lr, "schedule": "constant", "tied_with": list(best.tied_with)}
            writer.set_meta("recommendation", facts if recommends else {"optimizer": None})
    return path


@pytest.fixture
def opened(tmp_path):
    with contextlib.ExitStack() as stack:

        def make(*studies):
            there = len(list(tmp_path.iterdir()))
            paths = [write(tmp_path / f"{there + k}.ravine", **{"seed": k} | options) for k, options in enumerate(studies)]
            return [stack.enter_context(open_record(path)) for path in paths]

        yield make


SLOW = {"factors": {"b": 4.0}}


def test_studies_that_agree(opened):
    found = studies_summary(opened(SLOW, SLOW, SLOW))
    first, second = found["entrants"]
    assert (first["optimizer"], first["recommended"], first["recommended_or_tied"], first["ranks"]) == ("a", 3, 3, [1, 1, 1])
    assert (second["recommended"], second["recommended_or_tied"]) == (0, 0)
    assert first["faster_than"]["b"]["estimate"] == 1.0
    assert second["faster_than"]["a"]["estimate"] == 0.0
    assert first["faster_than"]["b"]["low"] < 1.0, "fifteen runs are no certainty"
    assert found["sentence"] == "a was recommended in 3 of 3 studies: they agree."
    assert [study["race_seed"] for study in found["studies"]] == [0, 1, 2]
    assert [study["optimizer"] for study in found["studies"]] == ["a", "a", "a"]
    json.dumps(found, allow_nan=False)


def test_studies_that_do_not(opened):
    found = studies_summary(opened(SLOW, SLOW, {"factors": {"a": 4.0}}))
    assert [(row["optimizer"], row["recommended"]) for row in found["entrants"]] == [("a", 2), ("b", 1)]
    assert found["sentence"] == (
        "a was recommended in 2 of 3 studies; b in 1: the advice depends on the draw of the study, so race longer, or with more seeds or "
        "rates."
    )
    assert found["entrants"][0]["log_time"]["share"] > 0.5, "what a study made of it is more than what its seeds did"


def test_a_tie_is_no_disagreement(opened):
    records = opened({}, {}, {}, {})
    found = studies_summary(records)
    best = found["entrants"][0]
    assert best["recommended_or_tied"] == 4
    assert best["recommended"] < 4
    assert found["sentence"].endswith(f"where {best['optimizer']} could not be told apart from it: the advice stands in all of them.")


def test_tuned_rates_spread_in_decades(opened):
    found = studies_summary(opened(SLOW, SLOW | {"lrs": {"a": 1.0}}, SLOW | {"lrs": {"a": 0.01}}))
    assert found["entrants"][0]["lrs"] == [0.1, 1.0, 0.01]
    assert found["entrants"][0]["lr_spread_decades"] == pytest.approx(2.0)
    assert found["entrants"][1]["lr_spread_decades"] == 0.0


def test_the_seeds_of_a_study_and_the_studies_are_two_sources_of_spread(opened):
    found = studies_summary(opened(SLOW, SLOW, SLOW, SLOW))
    parts = found["entrants"][0]["log_time"]
    # Times scatter by 10 % from seed to seed, and studies differ by nothing else.
    assert 0.02 < parts["within"] < 0.3
    assert parts["between"] < parts["within"]


def test_the_text_shows_all_of_it(opened):
    records = opened(SLOW, SLOW | {"lrs": {"a": 1.0}}, {"is_done": False})
    text = studies_text(records)
    assert all(len(line) <= 100 for line in text.splitlines())
    assert "2 of 2" in text
    assert "0.1 to 1 (1.0)" in text
    assert "faster than a" in text
    assert "Left out, because not finished: " in text
    assert "they agree" in text


def test_what_are_no_studies_of_one_race(opened, tmp_path):
    with pytest.raises(InputError, match="1 of 2 records are finished"):
        studies_summary(opened({}, {"is_done": False}))
    with pytest.raises(InputError, match=r"it has steps=5, not 1000\. Use --compare\."):
        studies_summary([*opened({"seed": 7}), open_record(write(tmp_path / "x.ravine", 8, plan={"steps": 5}))])


def test_other_data_and_the_same_study_twice(opened):
    with pytest.raises(InputError, match="other data or another model"):
        studies_summary(opened({}, {"plan": {"fingerprint": "g"}}))
    with pytest.raises(InputError, match="have the same race seed, 3, so they are one study twice"):
        studies_summary(opened({"seed": 3}, {"seed": 3}))


def test_where_nothing_is_recommended_the_studies_say_so(opened):
    found = studies_summary(opened({"recommends": False}, {"recommends": False}))
    assert [row["recommended"] for row in found["entrants"]] == [0, 0]
    assert found["sentence"] == "None of the 2 studies recommends anything."
