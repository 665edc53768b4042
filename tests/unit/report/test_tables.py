import csv
import io
from dataclasses import replace

import pytest

import records_fixture
from ravine.records import Final, Lane, RankedEntrant, Steps, create, open_record, resume
from ravine.report import Facts, lanes_csv, lanes_text, ranked_table, ranking_csv, table
from ravine.report.facts import read_facts
from ravine.report.tables import _ranks, explanations, row, status


@pytest.fixture(scope="module")
def record(tmp_path_factory):
    path = tmp_path_factory.mktemp("record") / "race.ravine"
    records_fixture.write(path)
    with open_record(path) as opened:
        yield opened


def line_of(text, optimizer):
    return next(line for line in text.splitlines() if f" {optimizer} " in line)


def test_the_table_fits_100_columns_and_ranks_everyone(record):
    text = table(record)
    assert max(map(len, text.splitlines())) <= 100
    order = [entrant.optimizer for entrant in record.ranking()]
    places = [text.index(line_of(text, name)) for name in order]
    assert places == sorted(places)
    assert ranked_table(record).row_count == 4


def test_ties_rates_and_costs_stand_in_their_row(record):
    first = record.ranking()[0]
    line = line_of(table(record), first.optimizer)
    steps = first.steps_to_target
    for cell in (f"{first.lr:.3g}", "#2", f"{steps.median:.0f} [{steps.low:.0f}, {steps.high:.0f}]", f"{first.final.mean:.3f} [", "16"):
        assert cell in line


def test_what_was_never_reached_is_never_shown_as_a_number(record):
    text = table(record)
    assert "not reached (0 of 5)" in line_of(text, "wild")
    assert "diverged" in line_of(text, "wild")
    partly = next(entrant for entrant in record.ranking() if 0 < entrant.steps_to_target.reached < 5)
    assert "never]" in line_of(text, partly.optimizer)
    assert f"{partly.steps_to_target.reached} of 5 reached" in text


def test_target_protocol_notes_and_sentence_stand_below(record):
    text = table(record).replace("\n", " ")
    for words in (
        "Target: test loss <= ",
        "within 5 % of the way from the best back to the start",
        "tuned on the validation split with one seed, the best two raced",
        "3,600 gradient evaluations",
        "wild diverged in 5 of 5 seeds",
    ):
        assert words in text
    assert text.rstrip().endswith("with 5 seeds.")


def test_some_diverged_seeds_are_shown_beside_the_mean_of_the_others(tmp_path):
    path = tmp_path / "a.ravine"
    ranking = records_fixture.write(path, optimizers=("adam",), seeds=3)
    with open_record(path) as opened:
        lane = next(lane for lane in opened.lanes(stage="final") if lane.lr == ranking.entrants[0].lr)
    with resume(path) as writer:
        writer.mark_diverged(lane.lane, 300, "the loss blew up")
    with open_record(path) as opened:
        assert "1 of 3 diverged" in table(opened)


def test_a_shared_rate_says_so_below_the_table(tmp_path):
    records_fixture.write(tmp_path / "a.ravine", optimizers=("sgd", "adam"), seeds=1, shared_lr=0.01)
    with open_record(tmp_path / "a.ravine") as opened:
        text = table(opened)
    assert "shared rate, not a fair comparison" in text
    assert "tuned on" not in text
    assert "[" not in line_of(text, "adam")  # one seed has no interval


def test_an_empty_record_has_an_empty_table(tmp_path):
    create(tmp_path / "a.ravine").close()
    with open_record(tmp_path / "a.ravine") as opened:
        assert "no recommendation yet" in table(opened)
        assert ranking_csv(opened).strip() == ""
        assert lanes_csv(opened).strip() == ""


def test_lanes_show_where_and_why_they_diverged(record):
    text = lanes_text(record, width=140)
    lane = next(lane for lane in record.lanes() if lane.optimizer == "wild")
    line = next(line for line in text.splitlines() if line.split()[:1] == [str(lane.lane)])
    assert "diverged at step 5" in line
    assert "the loss is not finite <nan & more>" in line
    assert max(map(len, lanes_text(record).splitlines())) <= 100


def test_ranking_csv_has_one_row_an_entrant_and_empty_cells_for_no_number(record):
    rows = list(csv.DictReader(io.StringIO(ranking_csv(record))))
    entrants = record.ranking()
    assert [row["optimizer"] for row in rows] == [entrant.optimizer for entrant in entrants]
    assert [float(row["lr"]) for row in rows] == [entrant.lr for entrant in entrants]
    assert rows[-1]["steps_to_target_median"] == rows[-1]["final_mean"] == ""
    assert rows[-1]["steps_to_target_reached"] == "0"


def test_lanes_csv_has_one_row_a_lane_and_a_column_a_hyper(record):
    rows = list(csv.DictReader(io.StringIO(lanes_csv(record))))
    assert len(rows) == len(record.lanes())
    assert rows[0]["hypers_weight_decay"] == "0.01"
    assert [int(row["lane"]) for row in rows] == [lane.lane for lane in record.lanes()]


def test_runs_of_ranks_are_drawn_together():
    assert _ranks([2, 4, 3, 6]) == "#2–#4, #6"
    assert _ranks([]) == ""


def test_one_sample_has_no_interval_and_a_metric_that_is_not_finite_is_not_called_diverged():
    steps = Steps(240.0, None, None, 5, 5)
    cells = {"lr": 1e-3, "lr_window_decades": 1.0, "at_grid_edge": False, "diverges_at_lr": None, "bytes_per_parameter": None}
    one = RankedEntrant(
        rank=1,
        optimizer="adam",
        tied_with=(),
        steps_to_target=steps,
        final=Final("f1", None, None, None),
        **cells,
        gradients_per_step=None,
        seconds_per_step=None,
    )
    lane = Lane(lane=1, stage="final", optimizer="adam", lr=1e-3, schedule="constant", seed=1, status="done")
    assert row(one, Facts({}, (lane,), (one,)))[5:7] == ["240", "not finite"]
    assert row(one, Facts({}, (replace(lane, status="diverged"),), (one,)))[6] == "diverged"
    partly = replace(one, steps_to_target=Steps(240.0, 200.0, None, 4, 5))
    assert row(partly, Facts({}, (lane,), (partly,)))[5] == "240 [200, never]\n4 of 5 reached"


@pytest.mark.parametrize(
    ("rates", "words"), [((1, 1), "the best one raced"), ((1, 2), "the best one or two raced"), ((2, 2), "the best two raced")]
)
def test_as_many_rates_are_said_to_have_raced_as_did(record, rates, words):
    entrants = tuple(record.ranking()[:2])
    keep = [lane for lane in record.lanes() if lane.stage == "tune"]
    for entrant, count in zip(entrants, rates, strict=True):
        found = sorted({lane.lr for lane in record.lanes(stage="final", optimizer=entrant.optimizer)})[:count]
        keep += [lane for lane in record.lanes(stage="final", optimizer=entrant.optimizer) if lane.lr in found]
    assert words in explanations(Facts(record.meta, tuple(keep), entrants))[-1]


def searched(facts, **search):
    """The sentence about rates, of a race that searched in some way."""
    whole = {"exhaustive": False, "rungs": [], "without_rungs_at": [], "refined": {}} | search
    meta = facts.meta | {"protocol": facts.protocol | {"search": whole}}
    return next(line for line in explanations(replace(facts, meta=meta)) if line.startswith("Rates:"))


RUNGS = [
    {"share": 0.03, "step": 25, "keeps_one_in": 1},
    {"share": 0.1, "step": 100, "keeps_one_in": 3},
    {"share": 0.33, "step": 325, "keeps_one_in": 9},
]


def test_it_says_how_rates_were_searched(record):
    facts = read_facts(record)
    assert "with one seed, the best" in next(line for line in explanations(facts) if line.startswith("Rates:")), "a record from before"
    culled = replace(facts, lanes=tuple(replace(lane, status="culled") if lane.lane < 5 else lane for lane in facts.lanes))
    total = sum(lane.stage == "tune" for lane in facts.lanes)
    said = searched(culled, rungs=RUNGS, refined={"adam": [0.1, 0.2]})
    assert (
        f"(the best third and the next lower rate of each went on at 10 % and 33 % of the horizon: 5 of {total} lanes ended there)" in said
    )
    assert "and refined by 0.2 decades around the best, the best two raced" in said
    assert "at 33 % of the horizon; too short for one at 3 % and 10 %: 5 of" in searched(
        culled, rungs=RUNGS[2:], without_rungs_at=[0.03, 0.1]
    )
    assert "(every rate to its end: too few rates, or steps, to end any early)" in searched(facts, without_rungs_at=[0.03, 0.1, 0.33])
    assert "with one seed (every rate to its end), the best" in searched(facts, exhaustive=True)
    assert any("of those that ran to the end. Tied" in line for line in explanations(culled))
    assert not any("of those that ran to the end" in line for line in explanations(facts))


def test_a_culled_lane_is_shown_as_such_and_not_as_diverged():
    lane = Lane(lane=1, stage="tune", optimizer="adam", lr=1e-3, schedule="constant", seed=0, status="culled", steps_done=100)
    assert status(lane) == "culled at step 100"
    facts = Facts({}, (lane,), ())
    assert (facts.culled, facts.diverged) == ([lane], [])
