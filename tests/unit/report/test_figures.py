from dataclasses import replace

import numpy as np
import pytest

import records_fixture
from ravine.base.errors import InputError, UnknownNameError
from ravine.records import create, open_record, resume
from ravine.report import race_figure
from ravine.report._styles import styles, theme_named


@pytest.fixture(scope="module")
def record(tmp_path_factory):
    path = tmp_path_factory.mktemp("record") / "race.ravine"
    records_fixture.write(path)
    with open_record(path) as opened:
        yield opened


def line_in(axes, color):
    return next(line for line in axes.lines if line.get_color() == color and len(line.get_xdata()) > 2)


def test_the_curves_are_the_medians_over_the_fresh_seeds(record):
    curves, _ = race_figure(record).axes
    look = styles([entrant.optimizer for entrant in record.ranking()], theme_named("light"))
    for entrant in record.ranking()[:3]:
        lanes = [lane for lane in record.lanes(stage="final", optimizer=entrant.optimizer) if lane.lr == entrant.lr]
        steps, values = record.curves(lanes, "test", "loss")
        line = line_in(curves, look[entrant.optimizer].color)
        np.testing.assert_array_equal(line.get_xdata(), steps)
        np.testing.assert_allclose(line.get_ydata(), np.median(values, axis=0))


def test_axes_are_logarithmic_and_show_step_0(record):
    curves, rates = race_figure(record).axes
    assert (curves.get_xscale(), curves.get_yscale(), rates.get_xscale(), rates.get_yscale()) == ("symlog", "log", "log", "log")
    assert curves.get_xlim() == (0, records_fixture.STEPS[-1])


def test_every_optimiser_is_named_at_the_end_of_its_curve(record):
    curves, _ = race_figure(record).axes
    texts = [text.get_text() for text in curves.texts]
    for name in ("adam", "adamw", "sgd", "wild diverged"):
        assert name in texts


def test_labels_do_not_overlap(record):
    figure = race_figure(record)
    figure.canvas.draw()
    boxes = [text.get_window_extent() for text in figure.axes[0].texts if text.get_text() in ("adam", "adamw", "sgd")]
    assert not any(a.overlaps(b) for index, a in enumerate(boxes) for b in boxes[:index])


def test_a_diverged_lane_ends_in_a_cross_where_it_broke(record):
    curves, _ = race_figure(record).axes
    crosses = [line for line in curves.lines if line.get_marker() == "x"]
    assert len(crosses) == 5
    assert {float(line.get_xdata()[0]) for line in crosses} == {4.0}


def test_diverged_rates_are_crossed_above_all_others(record):
    _, rates = race_figure(record).axes
    crosses = [line for line in rates.lines if line.get_marker() == "x"]
    diverged = {(lane.optimizer, lane.lr) for lane in record.lanes(stage="tune") if lane.status == "diverged"}
    assert sum(len(line.get_xdata()) for line in crosses) == len(diverged)
    lowest = min(float(line.get_transform().transform((1e-3, line.get_ydata()[0]))[1]) for line in crosses)
    drawn = [line for line in rates.lines if line.get_marker() == "o"]
    highest = max(float(rates.transData.transform((1e-3, value))[1]) for line in drawn for value in line.get_ydata())
    assert highest < lowest


def test_the_ranked_rate_is_ringed(record):
    _, rates = race_figure(record).axes
    rings = {float(line.get_xdata()[0]) for line in rates.lines if line.get_markersize() == 9}
    assert rings == {entrant.lr for entrant in record.ranking() if entrant.final.mean is not None}


@pytest.mark.parametrize(("name", "start"), [("race.png", b"\x89PNG"), ("race.svg", b"<?xml"), ("race.PDF", b"%PDF")])
def test_the_suffix_decides_and_the_bytes_repeat(record, tmp_path, name, start):
    race_figure(record, tmp_path / name)
    first = (tmp_path / name).read_bytes()
    race_figure(record, tmp_path / name)
    assert first.startswith(start)
    assert (tmp_path / name).read_bytes() == first
    assert [entry.name for entry in tmp_path.iterdir()] == [name]


def test_another_suffix_and_theme_are_refused_before_anything_is_drawn(record, tmp_path):
    with pytest.raises(InputError, match=r"must end in \.pdf, \.png, \.svg"):
        race_figure(record, tmp_path / "race.jpg")
    with pytest.raises(UnknownNameError, match="no theme is called"):
        race_figure(record, theme="sepia")


def test_an_unwritable_place_is_one_sentence(record, tmp_path):
    with pytest.raises(InputError, match="cannot be written: No such file or directory"):
        race_figure(record, tmp_path / "nowhere" / "race.png")


def test_themes_differ_in_paper_only_where_they_must(record):
    light, dark = race_figure(record), race_figure(record, theme="dark")
    assert light.get_facecolor() != dark.get_facecolor()


def test_a_rising_metric_is_drawn_on_a_linear_axis(tmp_path):
    path = tmp_path / "a.ravine"
    ranking = records_fixture.write(path, optimizers=("adam", "wild"), seeds=2)
    with resume(path) as writer:
        writer.set_ranking([replace(entrant, final=replace(entrant.final, metric="accuracy")) for entrant in ranking.entrants])
        writer.set_meta("task", {"name": "rising", "rank_by": "accuracy", "higher_is_better": True})
        writer.set_meta("protocol", {"split": "test", "target": None})
    with open_record(path) as opened:
        curves, rates = race_figure(opened).axes
    assert (curves.get_yscale(), rates.get_yscale()) == ("linear", "linear")
    assert curves.get_title(loc="left").startswith("test accuracy")
    assert not [text for text in curves.texts if text.get_text().startswith("target")]


def test_a_race_that_has_just_begun_can_be_drawn(tmp_path):
    create(tmp_path / "a.ravine").close()
    with open_record(tmp_path / "a.ravine") as opened:
        figure = race_figure(opened, tmp_path / "a.png")
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["no final lanes yet", "no rates yet"]


def test_a_shared_rate_is_labelled_in_the_figure(tmp_path):
    records_fixture.write(tmp_path / "a.ravine", optimizers=("sgd", "adam"), seeds=1, shared_lr=0.01)
    with open_record(tmp_path / "a.ravine") as opened:
        figure = race_figure(opened)
    assert "not a fair comparison" in figure.get_suptitle()
    assert figure.axes[0].get_title(loc="left") == "test loss: one seed"


def test_a_race_in_which_everything_diverged_says_so_without_a_warning(tmp_path):
    records_fixture.write(tmp_path / "a.ravine", optimizers=("wild",), seeds=2)
    with open_record(tmp_path / "a.ravine") as opened:
        figure = race_figure(opened, tmp_path / "a.png")
    rates = figure.axes[1]
    assert rates.get_title(loc="left") == "every rate diverged"
    assert not rates.get_yticks().size
    word = next(text for text in rates.texts if text.get_text() == "diverged").get_window_extent()
    crosses = [line.get_transform().transform(line.get_xydata()) for line in rates.lines if line.get_marker() == "x"]
    assert not any(word.contains(x, y) for points in crosses for x, y in points)


def test_culled_rates_are_faint_and_apart_from_the_line_of_those_that_ended(tmp_path):
    path = tmp_path / "a.ravine"
    records_fixture.write(path)
    with open_record(path) as record:
        lanes = [lane for lane in record.lanes(stage="tune") if lane.optimizer == "sgd" and lane.status == "done"][:3]
    with resume(path) as writer:
        writer.mark_culled([lane.lane for lane in lanes], 16, ["third"] * 3)
    with open_record(path) as record:
        _, rates = race_figure(record).axes
        (faint,) = [line for line in rates.lines if line.get_alpha() is not None]
        assert sorted(faint.get_xdata()) == sorted(lane.lr for lane in lanes)
        assert "faint where it ended early" in rates.get_title(loc="left")
        whole = [line for line in rates.lines if line.get_color() == faint.get_color() and line.get_linestyle() != "None"]
        assert not {lr for line in whole for lr in line.get_xdata()} & {lane.lr for lane in lanes}
        crosses = [line for line in rates.lines if line.get_marker() == "x" and line.get_color() == faint.get_color()]
        assert not {lr for line in crosses for lr in line.get_xdata()} & {lane.lr for lane in lanes}


def test_a_culled_rate_beyond_the_panel_is_a_triangle_at_its_edge(tmp_path, monkeypatch):
    whole, path, worst = records_fixture.curve, tmp_path / "a.ravine", records_fixture.RATES[0]
    leap = np.where(np.arange(len(records_fixture.STEPS)) > 3, 5e7, 1.0)
    grown = {("sgd", worst): leap}
    monkeypatch.setattr(records_fixture, "curve", lambda name, lr, seed: whole(name, lr, seed) * grown.get((name, lr), 1.0))
    records_fixture.write(path, optimizers=("sgd", "adam"), seeds=2)
    with open_record(path) as record:
        (lane,) = [lane for lane in record.lanes(stage="tune") if (lane.optimizer, lane.lr) == ("sgd", worst)]
    with resume(path) as writer:
        writer.mark_culled([lane.lane], 16, ["third"])
    with open_record(path) as record:
        _, rates = race_figure(record).axes
    (mark,) = [line for line in rates.lines if line.get_marker() == "^" and line.get_alpha() is not None]
    assert list(mark.get_xdata()) == [worst]
    low, high = rates.get_ylim()
    assert low < mark.get_ydata()[0] <= high < 50
    least = min(min(line.get_ydata()) for line in rates.lines)
    assert 0.03 < np.log(least / low) / np.log(high / low) < 0.1, "what lies off the top takes no room below"


def test_lanes_that_diverge_far_off_the_panel_leave_it_its_room_and_keep_their_names(tmp_path, monkeypatch):
    whole = records_fixture.curve
    monkeypatch.setitem(records_fixture.TRUTH, "wilder", records_fixture.TRUTH["wild"])
    monkeypatch.setitem(records_fixture.COST, "wilder", records_fixture.COST["wild"])
    leap = np.where(np.arange(len(records_fixture.STEPS)) == 3, 1e35, 1)
    monkeypatch.setattr(records_fixture, "curve", lambda *lane: whole(*lane) * leap)
    records_fixture.write(tmp_path / "a.ravine", optimizers=("wild", "wilder"), seeds=2, shared_lr=1e9)
    with open_record(tmp_path / "a.ravine") as opened:
        curves, _ = race_figure(opened, tmp_path / "a.png").axes
    low, high = curves.get_ylim()
    crosses = [line for line in curves.lines if line.get_marker() == "x"]
    assert len(crosses) == 4
    assert all(low <= line.get_ydata()[0] <= high for line in crosses)
    named = [text for text in curves.texts if text.get_text() in ("wild diverged", "wilder diverged")]
    assert len(named) == 2
    assert not named[0].get_window_extent().overlaps(named[1].get_window_extent())
    assert curves.get_position().width > 0.3
