"""Losses over the probability of what is true, and gradients in narrow numbers: as text and as pictures."""

import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from ravine.report._styles import Style, Theme, series, theme_named
from ravine.report.drawing import NAME, NOTE, TICK, blank, checked, dress, key, name_decades, save, titled
from ravine.report.tables import WIDTH, empty_table, rendered

if TYPE_CHECKING:
    from ravine.exhibits.loss_scaling import CastGradients, LossScaling
    from ravine.exhibits.loss_shapes import LossShapes

TOP = 5.0
"""Loss above which nothing is drawn."""
SLOPES = (1e-2, 3e2)
"""Steepness between which it is drawn."""
MARKS = 9
"""Marks on a curve."""
DOT = {"survives": "o", "coarse": "o", "vanishes": "x", "overflows": "^"}
DECADES_BESIDE = 0.7
BINS_A_DECADE = 6
FEW_COLUMNS, FEW_DOTS = 9, 40
"""Gradients up to which each has a column of a table, and a dot of its own."""
TEXTBOOK_P = 0.01
_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def loss_shapes_text(shapes: "LossShapes", *, width: int = WIDTH) -> str:
    """Every loss at every p: its value, its slope, and the slope against the logit."""
    result = empty_table(["p", "loss", "value", "slope by p", "slope by logit"], numeric=(0, 2, 3, 4))
    for place, p in enumerate(shapes.p):
        for shape in shapes.shapes:
            numbers = (shape.values[place], shape.slopes[place], shape.logit_slopes[place])
            result.add_row(f"{p:g}", shape.name, *(f"{number:.4g}" for number in numbers))
    return rendered(result, width)


def loss_shapes_figure(shapes: "LossShapes", path: str | os.PathLike[str] | None = None, *, theme: str = "light") -> Figure:
    """Values, slopes by p, and slopes by the logit, side by side.

    Args:
        shapes: what to draw, at many p.
        path: where to write it, as PNG, SVG or PDF by its suffix; None to write nothing.
        theme: "light" or "dark".

    Raises:
        InputError: unknown suffix or theme, or the file cannot be written.
    """
    target = None if path is None else checked(Path(path))
    look = theme_named(theme)
    figure = blank((9.6, 3.7), look)
    grid = figure.subplots(1, 3)
    chosen = series([shape.name for shape in shapes.shapes], look)
    for axes, part in zip(grid, ("values", "slopes", "logit_slopes"), strict=True):
        dress(axes, look)
        for place, shape in enumerate(shapes.shapes):
            _draw_shape(axes, shapes.p, np.abs(getattr(shape, part)), chosen[shape.name], place)
        axes.set_xlim(0, 1)
    _finish_shapes(grid, look)
    _name_textbook(grid[0], shapes, look)
    key(figure, {_spoken(name, shapes): style for name, style in chosen.items()}, look)
    if target is not None:
        save(figure, target)
    return figure


def _draw_shape(axes: Axes, p: np.ndarray, heights: np.ndarray, style: Style, place: int) -> None:
    # Marks stand apart, so that of curves that lie on each other all are seen.
    every = max(1, len(p) // MARKS)
    marks: Any = (place * every // 6, every)
    line: Any = style.dash
    axes.plot(p, heights, color=style.color, linestyle=line, linewidth=1.6, marker=style.mark, markersize=4, markevery=marks)


def _finish_shapes(grid: Sequence[Axes], look: Theme) -> None:
    values, slopes, logits = grid
    values.set_ylim(0, TOP)
    slopes.set_yscale("log")
    slopes.set_ylim(*SLOPES)
    name_decades(slopes.yaxis, between=False)
    logits.set_ylim(bottom=0)
    titled(values, look, "the loss", across="p of the true class")
    titled(slopes, look, "its slope: |d loss / dp|", across="p of the true class")
    titled(logits, look, "what the logit gets: |d loss / dz|", across="p of the true class")


def _name_textbook(axes: Axes, shapes: "LossShapes", look: Theme) -> None:
    """Values at a p at which the model is surely wrong, in figures."""
    found = np.flatnonzero(shapes.p == TEXTBOOK_P)
    if found.size:
        lines = [f"{shape.name.replace('_', '-')} {shape.values[found[0]]:.3g}" for shape in shapes.shapes]
        text = "\n".join([f"at p = {TEXTBOOK_P:g}", *lines])
        axes.text(0.97, 0.96, text, transform=axes.transAxes, ha="right", va="top", color=look.ink, fontsize=NOTE, linespacing=1.4)


def _spoken(name: str, shapes: "LossShapes") -> str:
    chosen = shapes.settings
    settings = {
        "focal": f", gamma {chosen.gamma:g}",
        "huber": f", delta {chosen.delta:g}",
        "label_smoothed": f", {chosen.smoothing:g} over {chosen.classes}",
    }
    return name.replace("_", "-") + settings.get(name, "")


def loss_scaling_text(scaling: "LossScaling", *, width: int = WIDTH) -> str:
    """What each format makes of the gradients under each scale: of few each one, of many the shares."""
    few = len(scaling.gradients) <= FEW_COLUMNS
    titles = [f"{g:.3g}" for g in scaling.gradients] if few else list(scaling.casts[0].shares)
    result = empty_table(["format", "scale", "largest", "smallest", *titles], numeric=range(1, 4 + len(titles)))
    for cast in scaling.casts:
        kept = [_outcome(fate, value) for fate, value in zip(cast.fates, cast.kept, strict=True)] if few else []
        cells = kept or [f"{100 * share:.3g} %" for share in cast.shares.values()]
        result.add_row(cast.format.name, _scale(cast.scale), _large(cast.format.largest), f"{cast.format.smallest:.3g}", *cells)
    below = (
        "A star: among the format's smallest numbers, with fewer digits."
        if few
        else "Coarse: among the smallest numbers, with fewer digits."
    )
    return f"{rendered(result, width).rstrip()}\n{below}"


def _outcome(fate: str, value: float) -> str:
    return f"{value:.3g}{'*' if fate == 'coarse' else ''}" if fate in ("survives", "coarse") else fate


def _large(value: float) -> str:
    return f"{value:,.0f}" if value < 1e6 else f"{value:.3g}"


def _scale(scale: float) -> str:
    exponent = math.log2(scale)
    return f"2{f'{exponent:.0f}'.translate(_SUPERSCRIPTS)}" if exponent == round(exponent) and abs(exponent) > 3 else f"{scale:g}"


def loss_scaling_figure(scaling: "LossScaling", path: str | os.PathLike[str] | None = None, *, theme: str = "light") -> Figure:
    """A row for each format and scale: the gradients that it can hold, and what became of those that there are.

    Args:
        scaling: what to draw.
        path: where to write it, as PNG, SVG or PDF by its suffix; None to write nothing.
        theme: "light" or "dark".

    Raises:
        InputError: unknown suffix or theme, or the file cannot be written.
    """
    target = None if path is None else checked(Path(path))
    look = theme_named(theme)
    rows, few = len(scaling.casts), len(scaling.gradients) <= FEW_DOTS
    figure = blank((8.0, 1.5 + 0.36 * rows + (0.0 if few else 1.3)), look)
    axes = figure.subplots() if few else None
    if axes is None:
        upper, axes = figure.subplots(2, 1, sharex=True, height_ratios=(1.3, 0.36 * rows + 0.4))
        _draw_histogram(upper, scaling, look)
    dress(axes, look)
    _draw_rows(axes, scaling, look, few=few)
    axes.set_xscale("log")
    low, high = math.log10(scaling.gradients.min()), math.log10(scaling.gradients.max())
    axes.set_xlim(10 ** min(low - DECADES_BESIDE, -9), 10 ** max(high + DECADES_BESIDE, 1))
    titled(axes, look, across=f"size of the gradient before scaling ({scaling.source})")
    if few:
        titled(axes, look, "which gradients a format holds, with and without a scale on the loss")
    _explain_rows(figure, look, few=few)
    if target is not None:
        save(figure, target)
    return figure


def _draw_histogram(axes: Axes, scaling: "LossScaling", look: Theme) -> None:
    dress(axes, look)
    sizes = np.log10(scaling.gradients)
    first, last = math.floor(sizes.min()), math.ceil(sizes.max())
    edges = np.logspace(first, last, max(1, last - first) * BINS_A_DECADE + 1)
    axes.hist(scaling.gradients, bins=edges.tolist(), color=look.colors[0], alpha=0.85)
    axes.tick_params(labelbottom=False)
    titled(axes, look, f"the model's gradients: {len(scaling.gradients):,} numbers that are not 0", up="how many")


def _draw_rows(axes: Axes, scaling: "LossScaling", look: Theme, *, few: bool) -> None:
    for row, cast in enumerate(scaling.casts):
        color = look.colors[0] if cast.scale == 1 else look.colors[2]
        _draw_range(axes, cast, row, color)
        if few:
            for g, fate in zip(scaling.gradients, cast.fates, strict=True):
                face = "none" if fate == "coarse" else look.ink
                axes.plot(g, row, DOT[fate], color=look.ink, markerfacecolor=face, markersize=6, markeredgewidth=1.5, zorder=4)
    labels = [f"{cast.format.name.replace('_', ' ')}" + ("" if cast.scale == 1 else f" × {_scale(cast.scale)}") for cast in scaling.casts]
    axes.set_yticks(range(len(labels)), labels, color=look.ink, fontsize=NAME)
    axes.set_ylim(len(labels) - 0.5, -0.5)
    axes.grid(visible=False, axis="y")
    if not few:
        for row, cast in enumerate(scaling.casts):
            text = f"{100 * cast.shares['survives']:.3g} %"
            axes.annotate(text, (1.01, row), xycoords=("axes fraction", "data"), color=look.ink, fontsize=TICK, va="center")
        axes.annotate("survive", (1.01, -0.6), xycoords=("axes fraction", "data"), color=look.ink, fontsize=TICK, va="center")


def _draw_range(axes: Axes, cast: "CastGradients", row: int, color: str) -> None:
    """From the least to the largest gradient that survives, faint where digits are lost."""
    least, normal, largest = (value / cast.scale for value in (cast.format.smallest, cast.format.smallest_normal, cast.format.largest))
    axes.add_patch(Rectangle((normal, row - 0.3), largest - normal, 0.6, color=color, alpha=0.5, linewidth=0))
    axes.add_patch(Rectangle((least, row - 0.3), normal - least, 0.6, color=color, alpha=0.2, linewidth=0))


def _explain_rows(figure: Figure, look: Theme, *, few: bool) -> None:
    handles: list[Any] = [
        Rectangle((0, 0), 1, 1, color=look.colors[0], alpha=0.5, linewidth=0),
        Rectangle((0, 0), 1, 1, color=look.colors[0], alpha=0.2, linewidth=0),
    ]
    names = ["held with all digits", "held with fewer digits"]
    if few:
        for name, fate in (("survives", "survives"), ("coarse", "coarse"), ("becomes 0", "vanishes"), ("overflows", "overflows")):
            face = "none" if fate == "coarse" else look.ink
            handles.append(Line2D([], [], color=look.ink, marker=DOT[fate], markerfacecolor=face, linestyle="none", markersize=5))
            names.append(name)
    figure.legend(handles, names, loc="outside lower left", ncols=6, fontsize=NOTE, frameon=False, labelcolor=look.ink)
