"""A schedule as a table and as a picture: every extreme is drawn."""

import numpy as np
import pytest

from ravine.base.errors import InputError
from ravine.report.schedules import (
    gallery_figure,
    gallery_summary,
    gallery_text,
    schedule_csv,
    schedule_figure,
    schedule_summary,
    schedule_table,
    view_schedule,
)
from ravine.schedules import Constant, Cosine, Linear, MultiStep, OneCycle, Piecewise


def line(figure):
    return figure.axes[0].lines[0]


def test_every_step_of_a_short_horizon_is_a_point():
    drawn = line(schedule_figure(view_schedule(Cosine(), 20, 0.1)))
    assert drawn.get_xdata().tolist() == list(range(20))
    assert drawn.get_ydata().tolist() == (Cosine(horizon=20)(np.arange(20)) * 0.1).tolist()
    assert drawn.get_marker() == "o"


def test_thinning_keeps_the_extremes():
    spike = Piecewise(milestones=(50_000, 50_001), values=(0.5, 1.0, 0.4))
    view = view_schedule(spike, 100_000)
    drawn = line(schedule_figure(view))
    assert len(drawn.get_xdata()) < 5000
    assert 50_000 in drawn.get_xdata()
    assert drawn.get_ydata().min() == view.rates.min()


def test_the_axis_begins_at_zero_and_the_warmup_is_marked():
    axes = schedule_figure(view_schedule(Cosine(floor=0.5).warmup(0.1), 100)).axes[0]
    assert axes.get_ylim()[0] == 0.0
    assert [text.get_text() for text in axes.texts] == [" warm-up ends"]
    assert axes.texts[0].get_position()[0] == 10
    assert len(schedule_figure(view_schedule(Cosine(), 100)).axes[0].texts) == 0
    assert axes.get_title(loc="left") == "cosine, warmup=0.1, floor=0.5"


def test_labels_say_what_is_shown():
    assert schedule_figure(view_schedule(Cosine(), 9)).axes[0].get_ylabel() == "multiplier of the peak rate"
    assert schedule_figure(view_schedule(Cosine(), 9, 0.1)).axes[0].get_ylabel() == "learning rate"


def test_titles_of_lists_and_of_chains():
    assert view_schedule(MultiStep(milestones=(1 / 3, 0.5)), 9).title == "multistep, milestones=(0.3333, 0.5)"
    assert view_schedule(Constant(horizon=3) >> Linear(), 9).title == "chain, parts=(..., ...)"


@pytest.mark.parametrize("horizon", [1, 2, 7])
def test_few_steps(horizon, tmp_path):
    view = view_schedule(Linear(), horizon)
    assert schedule_table(view).count("\n") >= horizon
    assert schedule_csv(view).count("\n") == horizon + 1
    schedule_figure(view, tmp_path / "s.svg")


def test_rows_hold_the_end_of_the_warmup_unless_told():
    view = view_schedule(Cosine().warmup(25), 100)
    assert view.rows() == [0, 10, 20, 24, 25, *range(30, 100, 10), 99]
    assert view.rows(40) == [0, 40, 80, 99]


def test_infinity_is_no_number_of_json():
    assert schedule_summary(view_schedule(OneCycle(div_factor=float("inf")), 9))["schedule"]["settings"] == {"div_factor": "inf"}


def test_pictures_side_by_side(tmp_path):
    figure = gallery_figure([view_schedule(kind(), 50) for kind in (Constant, Linear, Cosine)], tmp_path / "g.png", across=2)
    assert [len(axes.lines) for axes in figure.axes] == [1, 1, 1, 0]
    assert (tmp_path / "g.png").stat().st_size > 1000


def test_schedules_side_by_side_as_text_and_numbers():
    views = [view_schedule(kind(), 41) for kind in (Constant, Linear)]
    rows = [line.split() for line in gallery_text(views).splitlines()]
    assert ["constant", "1", "1", "1", "1", "1"] in rows
    assert ["linear", "1", "0.756", "0.512", "0.268", "0.0244"] in rows
    found = gallery_summary(views)
    assert (found["schema"], found["figure"], len(found["schedules"])) == (1, "schedules", 2)
    assert found["schedules"][1] == schedule_summary(views[1])


def test_one_schedule_alone_has_room(tmp_path):
    figure = gallery_figure([view_schedule(Cosine(), 50)], tmp_path / "g.svg", theme="dark")
    assert len(figure.axes) == 1
    assert figure.get_figwidth() > 4


def test_an_unknown_format(tmp_path):
    with pytest.raises(InputError, match="a figure's name must end in"):
        schedule_figure(view_schedule(Cosine(), 9), tmp_path / "s.gif")
