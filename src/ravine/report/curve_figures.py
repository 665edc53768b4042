"""A run's curves with what was found in them."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ravine.records.run_curves import CurveReading, Mark, RunCurve, Series
from ravine.report._styles import Theme, theme_named
from ravine.report.drawing import TICK, TITLE, blank, checked, dress, save, titled

LOG_FROM = 20.0
"""Ratio of the largest to the least value from which the axis is logarithmic."""
FEW = 60
"""Values below which each is dotted."""
SHARE = 0.02
"""Share of the width within which labels of neighbouring marks are one."""


def curve_figure(reading: CurveReading, path: str | os.PathLike[str] | None = None, *, theme: str = "light") -> Figure:
    """The losses over the steps, every value drawn, with the findings marked.

    Args:
        reading: what to draw.
        path: where to write it, as PNG, SVG or PDF by its suffix; None to write nothing.
        theme: "light" or "dark".

    Raises:
        InputError: unknown suffix or theme, or the file cannot be written.
    """
    target = None if path is None else checked(Path(path))
    look = theme_named(theme)
    figure = blank((8.0, 4.4), look)
    axes = figure.subplots()
    dress(axes, look)
    _draw(axes, reading.curve, look)
    for label in dict.fromkeys(mark.label for mark in reading.marks):
        _mark(axes, [mark for mark in reading.marks if mark.label == label], look)
    axes.set_title(f"{reading.curve.name}: {_headline(reading)}", color=look.ink, fontsize=TITLE, loc="left", wrap=True)
    figure.legend(fontsize=TICK, frameon=False, labelcolor=look.ink, loc="outside lower left", ncols=2)
    if target is not None:
        save(figure, target)
    return figure


def _headline(reading: CurveReading) -> str:
    titles = [finding.title for finding in reading.diagnosis if finding.severity != "information"]
    return "; ".join(titles) if titles else "nothing above a remark"


def _draw(axes: Axes, curve: RunCurve, look: Theme) -> None:
    drawn = [curve.losses, *([curve.evaluations["loss"]] if "loss" in curve.evaluations else [])]
    finite = np.concatenate([one.values[np.isfinite(one.values)] for one in drawn])
    if len(finite) and finite.min() > 0 and finite.max() > LOG_FROM * finite.min():
        axes.set_yscale("log")
    for one, color, width in zip(drawn, look.colors, (0.9, 1.6), strict=False):
        mark = "o" if len(one.values) < FEW else None
        axes.plot(*_broken(one), color=color, linewidth=width, marker=mark, markersize=3, label=one.name)
    first, last = curve.losses.steps[0], curve.losses.steps[-1]
    edge = 0.03 * max(last - first, 1.0)
    # What is not finite has its place on the axis, too.
    axes.set_xlim(first - edge, last + edge)
    titled(axes, look, across="step", up="loss")


def _broken(one: Series) -> tuple[np.ndarray, np.ndarray]:
    """Steps and values with a hole wherever values are missing or not finite, so that no line leads over it."""
    holes = np.searchsorted(one.steps, [before for before, _ in one.gaps], side="right")
    return np.insert(one.steps, holes, np.nan), np.insert(np.where(np.isfinite(one.values), one.values, np.nan), holes, np.nan)


def _mark(axes: Axes, marks: Sequence[Mark], look: Theme) -> None:
    """Everything of one kind: spans shaded, places ringed or with a line through the height, each group named once."""
    left, right = axes.get_xlim()
    near, named = SHARE * (right - left), float("-inf")
    for mark in marks:
        if mark.until is not None:
            axes.axvspan(mark.step, mark.until, color=look.faint, alpha=0.2, linewidth=0)
        elif mark.value is None:
            axes.axvline(mark.step, color=look.ink, linewidth=1.2, linestyle="--")
        else:
            axes.plot([mark.step], [mark.value], marker="o", markersize=9, fillstyle="none", color=look.ink, linestyle="none")
        if mark.step - named > near:
            _name(axes, mark, look, is_right=mark.step > right - 0.25 * (right - left))
        named = mark.step


def _name(axes: Axes, mark: Mark, look: Theme, *, is_right: bool) -> None:
    # Most curves fall, which leaves the upper edge free.
    height = 0.94 if mark.value is None else mark.value
    axes.annotate(
        mark.label,
        (mark.step, height),
        xycoords=axes.get_xaxis_transform() if mark.value is None else axes.transData,
        xytext=(-7 if is_right else 7, 6),
        textcoords="offset points",
        horizontalalignment="right" if is_right else "left",
        fontsize=TICK,
        color=look.ink,
    )
