"""An optimiser from inside, as text and as a picture."""

import numpy as np
import pytest

from ravine.exhibits import Internals
from ravine.report.internals_exhibits import MOST_DRAWN, drawn_parameters, internals_figure, internals_text

STEPS = 4


def run_of(number, **shared):
    falling = np.geomspace(1, 1e-3, STEPS)[:, None] * np.ones(number)
    rates = np.stack([0.1 * falling, falling, 10 * falling], axis=-1)
    names = tuple(f"layer{place}.weight" for place in range(number))
    arrays = {"gradients": falling, "weights": falling * 0 + 2.0, "updates": falling, "rates": rates}
    whole = {name: np.array(values) for name, values in shared.items()}
    return Internals("task", "adam", 1e-3, names, np.arange(STEPS, 0, -1.0), **arrays, states={"m": falling, "v": falling**2}, shared=whole)


def test_a_table_of_the_last_step():
    text = internals_text(run_of(2, d=[1.0, 1.0, 1.0, 0.5]))
    assert text.startswith("task: adam with lr=0.001, after 4 steps; loss 4 -> 1")
    row = next(line.split() for line in text.splitlines() if line.split()[:1] == ["layer0.weight"])
    assert row == ["layer0.weight", "0.001", "0.001", "1e-06", "0.0001", "-", "0.001", "-", "0.01", "0.0005"]
    assert "of the whole model: d=0.5" in text


def test_a_panel_for_each_quantity(tmp_path):
    run = run_of(2, d=[1.0, -1.0, 1.0, 1.0])
    figure = internals_figure(run, tmp_path / "i.png", theme="dark")
    assert (tmp_path / "i.png").stat().st_size > 1000
    panels = {axes.get_title(loc="left"): axes for axes in figure.axes if axes.axison}
    assert list(panels) == [
        *("loss", "gradient, root mean square", "slot m, root mean square", "slot v, root mean square"),
        *("d, of the whole model", "effective rate (band: 80 % of entries)", "update-to-weight ratio"),
    ]
    assert panels["loss"].get_yscale() == "linear"
    assert panels["slot v, root mean square"].get_yscale() == "log"
    assert panels["d, of the whole model"].get_yscale() == "linear", "it is negative once"
    drawn = panels["slot v, root mean square"].lines[0]
    assert drawn.get_ydata() == pytest.approx(run.states["v"][:, 0])
    assert len(panels["effective rate (band: 80 % of entries)"].collections) == 2


def test_of_many_parameters_some_are_drawn_the_first_and_the_last_among_them():
    run = run_of(40)
    places = drawn_parameters(run)
    assert len(places) == MOST_DRAWN
    assert (places[0], places[-1]) == (0, 39)
    assert len(internals_figure(run).legends[0].get_texts()) == MOST_DRAWN


def test_what_has_no_gradient_is_not_drawn():
    run = run_of(3)
    run.gradients[:, 1] = np.nan
    assert drawn_parameters(run) == [0, 2]
