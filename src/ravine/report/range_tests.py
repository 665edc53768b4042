"""A range test as text and as a picture."""

import os
from pathlib import Path
from textwrap import fill

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ravine.records.sweeps import STATEMENT, RangeTest
from ravine.report._styles import Theme, theme_named
from ravine.report.drawing import HEADROOM, NOTE, TICK, blank, checked, dress, name_decades, save, titled
from ravine.report.tables import WIDTH, empty_table, rendered
from ravine.report.wording import rate

TALL = 10.0
"""Ratio of the highest to the lowest drawn from which the loss's axis is logarithmic; a shorter one has hardly a power of ten to name."""


def range_text(test: RangeTest, *, width: int = WIDTH) -> str:
    """Both bounds of every seed, their mean, and what they are not."""
    result = empty_table(["seed", "first descent", "divergence"], numeric=(1, 2))
    for seed, (low, high) in enumerate(zip(test.descents, test.divergences, strict=True)):
        result.add_row(str(seed), _shown(low), _shown(high))
    result.add_row("mean", _shown(test.descent), _shown(test.divergence))
    ramp = f"{test.task}, {test.optimizer}: the rate rises from {rate(float(test.rates[0]))} to {rate(float(test.rates[-1]))}"
    return f"{ramp} in {len(test.rates):,} steps\n{rendered(result, width)}\n{fill(STATEMENT, width)}"


def _shown(value: float | None) -> str:
    return "-" if value is None else rate(value)


def range_figure(test: RangeTest, path: str | os.PathLike[str] | None = None, *, theme: str = "light") -> Figure:
    """The loss of every seed over the rate, the bounds shaded.

    Args:
        test: what to draw.
        path: where to write it, as PNG, SVG or PDF by its suffix; None to write nothing.
        theme: "light" or "dark".

    Raises:
        InputError: unknown suffix or theme, or the file cannot be written.
    """
    target = None if path is None else checked(Path(path))
    look = theme_named(theme)
    figure = blank((7.0, 4.0), look)
    axes = figure.subplots()
    dress(axes, look)
    _draw(axes, test, look)
    if target is not None:
        save(figure, target)
    return figure


def _draw(axes: Axes, test: RangeTest, look: Theme) -> None:
    axes.set_xscale("log")
    start = float(np.nanmedian(test.losses[0]))
    # Beyond the start a diverging curve only squeezes all else.
    top, low = HEADROOM * start, float(np.nanmin(test.smoothed))
    is_log = low > 0 and top > TALL * low
    axes.set_yscale("log" if is_log else "linear")
    if is_log:
        name_decades(axes.yaxis)
    axes.set_ylim(low / 1.2 if is_log else low - 0.05 * abs(start), top if start > 0 else start + abs(start - low))
    for seed in range(test.losses.shape[1]):
        color = look.colors[seed % 6]
        axes.plot(test.rates, test.losses[:, seed], color=color, linewidth=0.6, alpha=0.25)
        axes.plot(test.rates, test.smoothed[:, seed], color=color, linewidth=1.5, label=f"seed {seed}")
    for name, values in (("first descent", test.descents), ("divergence", test.divergences)):
        _mark(axes, name, [value for value in values if value is not None], look)
    axes.set_xlim(float(test.rates[0]), float(test.rates[-1]))
    title = f"{test.task}, {test.optimizer}: a range test bounds the rate, it does not pick it"
    titled(axes, look, title, across="learning rate, rising from step to step", up="training loss (smoothed; faint: as it was)")
    axes.legend(fontsize=NOTE, frameon=False, labelcolor=look.ink, loc="lower left")


def _mark(axes: Axes, name: str, values: list[float], look: Theme) -> None:
    """The spread over seeds of one bound."""
    if not values:
        return
    axes.axvspan(min(values), max(values), color=look.faint, alpha=0.25, linewidth=0)
    axes.axvline(float(np.exp(np.mean(np.log(values)))), color=look.faint, linewidth=1.0, linestyle="--")
    axes.text(min(values), 0.97, f"{name} ", color=look.ink, fontsize=TICK, transform=axes.get_xaxis_transform(), ha="right", va="top")
