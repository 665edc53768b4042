"""An optimiser from inside over one run, as text and as a picture."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ravine.report._styles import Style, Theme, series, theme_named
from ravine.report.drawing import blank, checked, dress, headed, key, mark_level, save, titled
from ravine.report.tables import WIDTH, empty_table, rendered
from ravine.report.wording import rate

if TYPE_CHECKING:
    from ravine.exhibits.internals import Internals

MOST_DRAWN = 5
"""Parameters that a picture has room for."""
USUAL_RATIO = 1e-3
"""A rule of thumb for the update-to-weight ratio."""
TALL = 12.0
"""Ratio of the greatest to the least from which an axis is logarithmic; a shorter one might have no power of ten to name."""
ACROSS = 3
MARKS = 7


def internals_text(run: "Internals", *, width: int = WIDTH) -> str:
    """Every parameter at the last step: gradient, slots, effective rate and update-to-weight ratio."""
    slots = list(run.states)
    titles = ["parameter", "gradient", *slots, "effective rate, 10 - 50 - 90 %", "update/weight"]
    result = empty_table(titles, numeric=range(1, len(titles)))
    for place, name in enumerate(run.names):
        cells = [run.gradients[-1, place], *(run.states[symbol][-1, place] for symbol in slots)]
        rates = " - ".join(_short(value) for value in run.rates[-1, place])
        result.add_row(name, *(_short(value) for value in cells), rates, _short(run.ratios[-1, place]))
    head = (
        f"{run.task}: {run.optimizer} with lr={rate(run.lr)}, after {run.steps:,} steps; loss {run.losses[0]:.4g} -> {run.losses[-1]:.4g}"
    )
    whole = ", ".join(f"{symbol}={values[-1]:.4g}" for symbol, values in run.shared.items())
    note = "Root mean squares. Effective rate: |change| / |gradient| of single entries."
    return "\n".join([head, rendered(result, width).rstrip(), *([f"of the whole model: {whole}"] if whole else []), note])


def _short(value: float) -> str:
    return f"{value:.3g}" if np.isfinite(value) else ""


def internals_figure(run: "Internals", path: str | os.PathLike[str] | None = None, *, theme: str = "light") -> Figure:
    """Loss, gradient, each slot, effective rates with the band of their entries, and the update-to-weight ratio.

    Args:
        run: what to draw; of its parameters the first, the last and some between.
        path: where to write it, as PNG, SVG or PDF by its suffix; None to write nothing.
        theme: "light" or "dark".

    Raises:
        InputError: unknown suffix or theme, or the file cannot be written.
    """
    target = None if path is None else checked(Path(path))
    look = theme_named(theme)
    panels = _panels(run)
    down = -(-len(panels) // ACROSS)
    figure = blank((9.6, 2.5 * down + 0.6), look)
    grid = figure.subplots(down, ACROSS, squeeze=False).flatten()
    drawn = drawn_parameters(run)
    chosen = series([run.names[place] for place in drawn], look)
    steps = np.arange(1, run.steps + 1)
    for axes, (title, values) in zip(grid, panels.items(), strict=False):
        dress(axes, look)
        _draw_panel(axes, steps, values, [(place, chosen[run.names[place]]) for place in drawn], look)
        titled(axes, look, title, across="step")
    for axes in grid[len(panels) :]:
        axes.set_axis_off()
    ratios = grid[list(panels).index(RATIO)]
    mark_level(ratios, USUAL_RATIO, "0.001, a rule of thumb", look)
    key(figure, chosen, look)
    headed(figure, look, f"{run.task}: {run.optimizer} from inside, lr={rate(run.lr)}")
    if target is not None:
        save(figure, target)
    return figure


RATIO = "update-to-weight ratio"


def _panels(run: "Internals") -> Mapping[str, np.ndarray]:
    slots = {f"slot {symbol}, root mean square": values for symbol, values in run.states.items()}
    shared = {f"{symbol}, of the whole model": values for symbol, values in run.shared.items()}
    rates = {"effective rate (band: 80 % of entries)": run.rates}
    return {"loss": run.losses, "gradient, root mean square": run.gradients} | slots | shared | rates | {RATIO: run.ratios}


def drawn_parameters(run: "Internals") -> list[int]:
    """Places of the parameters that are drawn: all of few, else evenly spaced, the first and the last among them."""
    known = [place for place in range(len(run.names)) if np.isfinite(run.gradients[:, place]).any()]
    wanted = np.linspace(0, len(known) - 1, min(MOST_DRAWN, len(known))).round().astype(int)
    return [known[place] for place in wanted]


def _draw_panel(axes: Axes, steps: np.ndarray, values: np.ndarray, drawn: Sequence[tuple[int, Style]], look: Theme) -> None:
    positive = values[np.isfinite(values) & (values > 0)]
    if positive.size and positive.max() > TALL * positive.min() and not (values < 0).any():
        axes.set_yscale("log")
        axes.yaxis.set_minor_formatter("")
    axes.set_xlim(1, max(float(steps[-1]), 2.0))
    if values.ndim == 1:
        axes.plot(steps, values, color=look.ink, linewidth=1.2)
        return
    for turn, (place, style) in enumerate(drawn):
        own = values[:, place]
        line: Any = style.dash
        marks: Any = (turn * len(steps) // MARKS // max(1, len(drawn)), max(1, len(steps) // MARKS))
        if own.ndim > 1:
            low, own, high = own.T
            axes.fill_between(steps, low, high, color=style.color, alpha=0.13, linewidth=0)
        shown = np.where(np.isfinite(own) & ((own > 0) | (axes.get_yscale() == "linear")), own, np.nan)
        axes.plot(steps, shown, color=style.color, linestyle=line, linewidth=1.4, marker=style.mark, markersize=3.5, markevery=marks)
