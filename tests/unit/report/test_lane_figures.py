import re

import numpy as np
import pytest
from matplotlib.collections import LineCollection

import records_fixture
from ravine.records import create, open_record, resume
from ravine.report import lane_figures, read_facts
from ravine.report.lane_figures import drawn_columns, fates, lane_panels


@pytest.fixture(scope="module")
def record(tmp_path_factory):
    path = tmp_path_factory.mktemp("lanes") / "race.ravine"
    records_fixture.write(path)
    with open_record(path) as opened:
        culled = [lane.lane for lane in opened.lanes(stage="tune", optimizer="sgd") if lane.status == "done"][:2]
    with resume(path) as writer:
        writer.mark_culled(culled, 16, ["third"] * 2)
    with open_record(path) as opened:
        yield opened


@pytest.fixture(scope="module")
def panels(record):
    return {name: (figure, fate) for name, figure, fate in lane_panels(record, read_facts(record))}


def marks(figure, kind):
    return [line for line in figure.axes[0].lines if line.get_marker() == kind]


def test_every_lane_of_every_entrant_is_drawn(record, panels):
    assert list(panels) == [entrant.optimizer for entrant in record.ranking()]
    for name, (figure, _) in panels.items():
        lines = [line for part in figure.axes[0].collections if isinstance(part, LineCollection) for line in part.get_segments()]
        assert len(lines) == len(record.lanes(optimizer=name))


def test_the_fresh_seeds_at_the_ranked_rate_are_strong(panels):
    faint, strong = panels["adam"][0].axes[0].collections
    assert faint.get_alpha() < strong.get_alpha() == 1.0
    assert len(strong.get_segments()) == 5


def test_diverged_lanes_end_in_a_cross_and_culled_ones_in_a_circle(record, panels):
    for name, (figure, _) in panels.items():
        assert len(marks(figure, "x")) == sum(lane.status == "diverged" for lane in record.lanes(optimizer=name))
    assert len(marks(panels["sgd"][0], "o")) == 2
    assert not marks(panels["adam"][0], "o")


def test_words_say_what_became_of_the_lanes(record, panels):
    assert re.fullmatch(r"19 lanes; 19 diverged: (lr=\S+ at step 5, ){3}lr=\S+ at step 5 and 15 more\.", panels["wild"][1])
    assert panels["sgd"][1].endswith("; 2 ended early.")
    waiting = [lane for lane in record.lanes() if lane.status == "done"][:1]
    assert fates(waiting) == "1 lane; none diverged."


def test_panels_share_their_axes(panels):
    axes = [figure.axes[0] for figure, _ in panels.values()]
    assert len({(each.get_xlim(), each.get_ylim(), each.get_yscale()) for each in axes}) == 1
    assert axes[0].get_yscale() == "log"


def test_very_many_points_become_a_picture(record, monkeypatch):
    monkeypatch.setattr(lane_figures, "MOST_POINTS", 10)
    _, figure, _ = next(iter(lane_panels(record, read_facts(record))))
    assert all(part.get_rasterized() for part in figure.axes[0].collections)


def test_very_many_lanes_share_their_columns(record, monkeypatch):
    facts = read_facts(record)
    assert drawn_columns(facts) == 80
    monkeypatch.setattr(lane_figures, "SHARED_COLUMNS", 30 * len(facts.lanes))
    assert drawn_columns(facts) == 30
    monkeypatch.setattr(lane_figures, "SHARED_COLUMNS", 1)
    assert drawn_columns(facts) == 16


def test_a_loss_below_zero_takes_a_linear_axis(record, monkeypatch):
    monkeypatch.setattr(type(record), "losses", lambda self, lane: np.array([1.0, -2.0, -3.0], dtype=np.float32))
    _, figure, _ = next(iter(lane_panels(record, read_facts(record))))
    assert figure.axes[0].get_yscale() == "linear"
    assert figure.axes[0].get_ylim()[0] == -3.0


def test_without_losses_there_is_no_panel(tmp_path):
    create(tmp_path / "a.ravine").close()
    with open_record(tmp_path / "a.ravine") as record:
        assert list(lane_panels(record, read_facts(record))) == []
