"""A run's curve: all of it, with holes where there is nothing, and a mark for every finding."""

import numpy as np
import pytest

from ravine.base.errors import InputError
from ravine.records.findings import Diagnosis
from ravine.records.run_curves import CurveReading, Mark, RunCurve, series
from ravine.report.curve_figures import curve_figure


def reading(**changes):
    steps = [0, 10, 20, 30, 400, 410, 420]
    losses = series("loss", steps, [4.0, 3.0, 9.0, 2.0, 1.0, float("nan"), float("inf")])
    validation = series("val_loss", [0, 420], [4.0, 2.0])
    marks = (Mark(410, "not finite from here on"), Mark(30, "no values", until=400), Mark(20, "spike", 9.0))
    return CurveReading(RunCurve("run.csv", "CSV", losses, {"loss": validation}), Diagnosis({}, ()), changes.get("marks", marks))


def test_every_value_is_drawn_and_no_line_leads_over_a_hole():
    axes = curve_figure(reading()).axes[0]
    x, y = axes.lines[0].get_data()
    np.testing.assert_array_equal(y, [4, 3, 9, 2, np.nan, 1, np.nan, np.nan])
    assert np.isnan(x[4])
    low, high = axes.get_xlim()
    assert low < 0
    assert high > 420


def test_every_finding_is_marked_once():
    axes = curve_figure(reading()).axes[0]
    assert sorted(text.get_text() for text in axes.texts) == ["no values", "not finite from here on", "spike"]
    many = tuple(Mark(200 + step, "spike", 3.0) for step in range(5))
    axes = curve_figure(reading(marks=many)).axes[0]
    assert [text.get_text() for text in axes.texts] == ["spike"]
    assert sum(line.get_fillstyle() == "none" for line in axes.lines) == 5


def test_a_file_is_written_and_another_kind_refused(tmp_path):
    curve_figure(reading(), tmp_path / "c.svg")
    assert (tmp_path / "c.svg").read_text().startswith("<?xml")
    with pytest.raises(InputError, match="must end in"):
        curve_figure(reading(), tmp_path / "c.txt")
