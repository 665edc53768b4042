"""Pictures of one or several panels, described by data and drawn in the one style: curves with bands, bars with intervals, contours."""

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure

from ravine.report._styles import Style, Theme, styles, theme_named
from ravine.report.drawing import NOTE, blank, checked, dress, key, label_ends, save, short_name, titled

FEW_DECADES = 1e4
"""Ratio of its ends up to which a logarithmic axis has room for numbers between the powers of ten."""
WIDTH, HEIGHT = 4.4, 3.3
"""Inches of one panel of several."""
FEW = 10
"""Points of a curve up to which each has its mark."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """A line, or separate points.

    Attributes:
        name: an optimiser's name is drawn in its own style everywhere.
        x, y: equally many; what is not finite is left out.
        low, high: a band around it.
        is_points: whether only marks are drawn.
        is_broken: whether it ended before its time: a cross stands at its end.
    """

    name: str
    x: Sequence[float] | np.ndarray
    y: Sequence[float] | np.ndarray
    low: Sequence[float] | np.ndarray | None = None
    high: Sequence[float] | np.ndarray | None = None
    is_points: bool = False
    is_broken: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """A value with its interval, named on the left.

    Attributes:
        label: what stands on the left.
        value: its length.
        low, high: its interval; None where there is none.
        name: gives it its style; the label if empty.
    """

    label: str
    value: float
    low: float | None = None
    high: float | None = None
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contour:
    """A function of the plane behind the curves.

    Attributes:
        x: (W,).
        y: (H,).
        z: (H, W); drawn at levels that are evenly spaced in its logarithm above its least value.
    """

    x: np.ndarray
    y: np.ndarray
    z: np.ndarray


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One pair of axes, with curves or with bars.

    Attributes:
        title, across, up: what it shows, and what its axes are.
        curves: drawn in this order.
        bars: from top to bottom.
        contour: behind the curves.
        levels: name -> height of a dashed horizontal line (of a vertical one among bars).
        log_x, log_y: whether an axis is logarithmic.
        x_range, y_range: what is shown; all of it if None.
        ticks: position on the x axis -> its label, in place of numbers.
    """

    title: str
    across: str = ""
    up: str = ""
    curves: tuple[Curve, ...] = ()
    bars: tuple[Bar, ...] = ()
    contour: Contour | None = None
    levels: Mapping[str, float] = field(default_factory=dict)
    log_x: bool = False
    log_y: bool = False
    x_range: tuple[float, float] | None = None
    y_range: tuple[float, float] | None = None
    ticks: Mapping[float, str] = field(default_factory=dict)

    @property
    def names(self) -> list[str]:
        """Whatever needs a style."""
        return [curve.name for curve in self.curves] + [bar.name or bar.label for bar in self.bars]


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A figure.

    Attributes:
        panels: row by row.
        caption: what it shows, in one sentence that a reader without eyes understands too.
        across: panels in a row.
    """

    panels: tuple[Panel, ...]
    caption: str
    across: int = 2


def picture_figure(picture: Picture, path: str | os.PathLike[str] | None = None, *, theme: str = "light") -> Figure:
    """Draw a picture.

    Args:
        picture: what to draw.
        path: where to write it, as PNG, SVG or PDF by its suffix; None to write nothing.
        theme: "light" or "dark".

    Raises:
        InputError: unknown suffix or theme, or the file cannot be written.
    """
    target = None if path is None else checked(Path(path))
    look, count = theme_named(theme), len(picture.panels)
    across = min(picture.across, count)
    down = -(-count // across)
    figure = blank((7.0, 4.2) if count == 1 else (WIDTH * across, HEIGHT * down + 0.3), look)
    grid = figure.subplots(down, across, squeeze=False).flatten()
    chosen = styles(list(dict.fromkeys(name for panel in picture.panels for name in panel.names)), look)
    for axes, panel in zip(grid, picture.panels, strict=False):
        draw_panel(axes, panel, chosen, look, labels=count == 1)
    for axes in grid[count:]:
        axes.set_axis_off()
    curves = {curve.name: chosen[curve.name] for panel in picture.panels for curve in panel.curves}
    if count > 1 and len(curves) > 1:
        key(figure, curves, look)
    if target is not None:
        save(figure, target)
    return figure


def draw_panel(axes: Axes, panel: Panel, chosen: Mapping[str, Style], look: Theme, *, labels: bool) -> None:
    """One panel on its axes; with `labels`, every curve is named at its end."""
    dress(axes, look)
    if panel.bars:
        _draw_bars(axes, panel, chosen, look)
    else:
        _draw_curves(axes, panel, chosen, look)
        if labels and len(panel.curves) > 1:
            _label_ends(axes, panel.curves, chosen, look)
    titled(axes, look, panel.title, across=panel.across, up=panel.up)


def _draw_curves(axes: Axes, panel: Panel, chosen: Mapping[str, Style], look: Theme) -> None:
    _set_scales(axes, panel)
    if panel.contour is not None:
        _draw_contour(axes, panel.contour, look)
    for curve in panel.curves:
        _draw_curve(axes, curve, chosen[curve.name])
    for name, height in panel.levels.items():
        axes.axhline(height, color=look.faint, linewidth=0.9, linestyle=(0, (2, 2)))
        place: dict[str, Any] = {
            "xy": (0.99, height),
            "xycoords": axes.get_yaxis_transform(),
            "xytext": (0, 2),
            "textcoords": "offset points",
        }
        axes.annotate(name, **place, color=look.ink, fontsize=NOTE, ha="right")
    if panel.ticks:
        axes.set_xticks(list(panel.ticks), list(panel.ticks.values()))
        axes.minorticks_off()
    if panel.x_range is not None:
        axes.set_xlim(panel.x_range)
    if panel.y_range is not None:
        axes.set_ylim(panel.y_range)
    for curve in panel.curves:
        if curve.is_broken:
            _draw_break(axes, curve, chosen[curve.name])


def _set_scales(axes: Axes, panel: Panel) -> None:
    """Logarithmic axes name two and five between the powers of ten where there are few of these."""
    for axis, is_log, set_scale in ((axes.xaxis, panel.log_x, axes.set_xscale), (axes.yaxis, panel.log_y, axes.set_yscale)):
        set_scale("log" if is_log else "linear")
        if is_log:
            axis.set_major_formatter(_plain)
            axis.set_minor_formatter(partial(_between, axis))


def _plain(value: float, position: object) -> str:
    return f"{value:g}".replace("e-0", "e-").replace("e+0", "e+")


def _between(axis: Axis, value: float, position: object) -> str:
    low, high = sorted(axis.get_view_interval())
    return _plain(value, position) if f"{value:e}"[0] in "25" and high < FEW_DECADES * low else ""


def _draw_break(axes: Axes, curve: Curve, style: Style) -> None:
    """A cross at the last point; at the edge of the panel where that is off it."""
    y = np.asarray(curve.y, dtype=np.float64)
    known = np.flatnonzero(np.isfinite(y))
    if known.size:
        low, high = sorted(axes.get_ylim())
        place = (float(np.asarray(curve.x)[known[-1]]), min(max(float(y[known[-1]]), low), high))
        axes.plot(*place, "x", color=style.color, markersize=7, markeredgewidth=1.8, clip_on=False, zorder=4)


def _draw_curve(axes: Axes, curve: Curve, style: Style) -> None:
    x, y = np.asarray(curve.x, dtype=np.float64), np.asarray(curve.y, dtype=np.float64)
    dash: Any = "none" if curve.is_points else style.dash
    if curve.low is not None and curve.high is not None:
        low, high = np.asarray(curve.low, dtype=np.float64), np.asarray(curve.high, dtype=np.float64)
        if curve.is_points or len(x) <= FEW:
            axes.vlines(x, low, high, color=style.color, linewidth=1.2, alpha=0.6)
        else:
            axes.fill_between(x, low, high, color=style.color, alpha=0.16, linewidth=0)
    mark = style.mark if curve.is_points or len(x) <= FEW else ""
    axes.plot(x, np.where(np.isfinite(y), y, np.nan), color=style.color, linestyle=dash, linewidth=1.6, marker=mark, markersize=4)


def _draw_contour(axes: Axes, contour: Contour, look: Theme) -> None:
    above = contour.z - np.nanmin(contour.z)
    positive = above[np.isfinite(above) & (above > 0)]
    if positive.size:
        levels = np.geomspace(max(float(np.quantile(positive, 0.002)), 1e-12), float(positive.max()), 14)
        axes.contour(contour.x, contour.y, above, levels=np.unique(levels), colors=look.faint, linewidths=0.6, alpha=0.7)


def _draw_bars(axes: Axes, panel: Panel, chosen: Mapping[str, Style], look: Theme) -> None:
    """A mark with its interval for each, which also stands right on a logarithmic axis, where a bar would have no foot."""
    _set_scales(axes, panel)
    for place, bar in enumerate(panel.bars):
        style = chosen[bar.name or bar.label]
        if bar.low is not None and bar.high is not None and math.isfinite(bar.low) and math.isfinite(bar.high):
            axes.hlines(place, bar.low, bar.high, color=style.color, linewidth=1.8)
        axes.plot(bar.value, place, marker=style.mark, color=style.color, markersize=6, linestyle="none")
        axes.annotate(
            f"{bar.value:.4g}", (bar.value, place), xytext=(0, 6), textcoords="offset points", color=look.ink, fontsize=NOTE, ha="center"
        )
    axes.set_yticks(range(len(panel.bars)), [short_name(bar.label) for bar in panel.bars])
    axes.set_ylim(len(panel.bars) - 0.4, -0.7)
    for name, value in panel.levels.items():
        axes.axvline(value, color=look.faint, linewidth=0.9, linestyle=(0, (2, 2)))
        place_of: dict[str, Any] = {
            "xy": (value, 0.01),
            "xycoords": axes.get_xaxis_transform(),
            "xytext": (3, 0),
            "textcoords": "offset points",
        }
        axes.annotate(name, **place_of, color=look.ink, fontsize=NOTE)
    if panel.x_range is not None:
        axes.set_xlim(panel.x_range)
    else:
        axes.margins(x=0.12)


def _label_ends(axes: Axes, curves: Sequence[Curve], chosen: Mapping[str, Style], look: Theme) -> None:
    """Name every curve right of the panel, at the height of its last point, moved apart where labels would overlap."""
    (left, right), (bottom, top) = axes.get_xlim(), sorted(axes.get_ylim())
    ends = {}
    for curve in curves:
        x, y = np.asarray(curve.x, dtype=np.float64), np.asarray(curve.y, dtype=np.float64)
        known = np.flatnonzero(np.isfinite(y) & (x >= min(left, right)) & (x <= max(left, right)))
        if known.size:
            ends[curve.name] = (float(x[known[-1]]), min(max(float(y[known[-1]]), bottom), top))
    label_ends(axes, ends, chosen, look, gap=0.06)
