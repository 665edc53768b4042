"""Activations and gradients through the layers of deep networks and the steps of recurrent ones: as text and as pictures."""

import os
from collections.abc import Mapping
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ravine.report._styles import Style, Theme, series, theme_named
from ravine.report.drawing import blank, checked, dress, label_ends, mark_level, save, titled
from ravine.report.tables import WIDTH, empty_table, rendered

if TYPE_CHECKING:
    from ravine.exhibits.depth import DepthStudy
    from ravine.exhibits.through_time import TimeStudy

LIMITS = {"float16 ends": 2.0**-24, "float32 ends": 2.0**-149}
"""Smallest numbers above 0, which the arithmetic of the figure goes below."""
LEAST = 1e-60
MARKS = 8
GAP = 0.068


def depth_text(study: "DepthStudy", *, width: int = WIDTH) -> str:
    """Each network's first and last layer and what a layer multiplies, as the mean over the seeds with the extremes."""
    titles = ["network", "activations", "gradient", "a layer forwards", "a layer backwards"]
    result = empty_table(titles, numeric=(1, 2, 3, 4))
    for one in study.levels:
        forward = np.median(one.activations[:, -1] / one.activations[:, 0])
        backward = np.median(_ratio(one.gradients))
        result.add_row(one.network.label, f"{forward:.3g}", f"{backward:.3g}", _spread(one.forward_factor), _spread(one.backward_factor))
    depth, seeds = study.levels[0].depth, len(study.levels[0].signals)
    notes = [
        f"{depth} layers of {study.width}, {seeds} seeds.",
        "Activations: the last layer's over the first's; gradient: of the first weight over the last's.",
        "A layer multiplies what goes through it by so much: geometric mean over the layers [range of seeds].",
    ]
    return f"{rendered(result, width).rstrip()}\n{fill(' '.join(notes), width)}"


def time_text(study: "TimeStudy", *, width: int = WIDTH) -> str:
    """Each recurrent network's gradient at the first step over that at the last, its norm, and what clipping leaves of it."""
    titles = ["network", "first/last", "a step backwards", "norm", "clipped by"]
    result = empty_table(titles, numeric=(1, 2, 3, 4))
    for one in study.levels:
        ratio = np.median(_ratio(one.signals))
        cells = (f"{ratio:.3g}", _spread(one.backward_factor), f"{np.median(one.norms):.3g}", f"{np.median(one.shrink):.3g}")
        result.add_row(one.recurrence.label, *cells)
    steps, clip, seeds = study.levels[0].steps, study.levels[0].clip, len(study.levels[0].norms)
    clipping = "nothing is clipped" if clip is None else f"clipping to {clip:g} multiplies it by the last column"
    notes = [
        f"{steps} steps, states of {study.width}, {seeds} seeds.",
        "First/last: gradient by the state after the first step over that after the last.",
        "A step multiplies it on its way back by so much [range of seeds].",
        f"Norm: of the gradient by all weights; {clipping}.",
    ]
    return f"{rendered(result, width).rstrip()}\n{fill(' '.join(notes), width)}"


def _ratio(levels: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore", invalid="ignore"):
        found: np.ndarray = levels[:, 0] / levels[:, -1]
    return found


def _spread(values: np.ndarray) -> str:
    known = values[np.isfinite(values)]
    return f"{known.mean():.3g} [{known.min():.3g}, {known.max():.3g}]" if known.size else "-"


def depth_figure(study: "DepthStudy", path: str | os.PathLike[str] | None = None, *, theme: str = "light") -> Figure:
    """Activations from the first layer to the last, gradients of the weights from the last back to the first.

    Args:
        study: what to draw.
        path: where to write it, as PNG, SVG or PDF by its suffix; None to write nothing.
        theme: "light" or "dark".

    Raises:
        InputError: unknown suffix or theme, or the file cannot be written.
    """
    target = None if path is None else checked(Path(path))
    look, depth = theme_named(theme), study.levels[0].depth
    figure = blank((9.2, 4.0), look)
    forward, backward = figure.subplots(1, 2)
    chosen = series([one.network.label for one in study.levels], look)
    layers = np.arange(1, depth + 1)
    _draw_levels(forward, layers, {one.network.label: one.activations for one in study.levels}, chosen, look)
    # From the loss back, so that both are read from left to right as they are computed.
    backward.invert_xaxis()
    ends = _draw_levels(backward, layers[::-1], {one.network.label: one.gradients[:, ::-1] for one in study.levels}, chosen, look)
    titled(forward, look, "activations on the way forwards", across=f"layer ({_seeds(study.levels[0].signals)})", up="root mean square")
    titled(backward, look, "gradients on the way back", across="layer, from the last to the first", up="norm of the weight's gradient")
    label_ends(backward, ends, chosen, look, gap=GAP)
    if target is not None:
        save(figure, target)
    return figure


def time_figure(study: "TimeStudy", path: str | os.PathLike[str] | None = None, *, theme: str = "light") -> Figure:
    """The gradient by the state back through time; each step's part of the recurrent weight's gradient, faint before clipping.

    Args:
        study: what to draw.
        path: where to write it, as PNG, SVG or PDF by its suffix; None to write nothing.
        theme: "light" or "dark".

    Raises:
        InputError: unknown suffix or theme, or the file cannot be written.
    """
    target = None if path is None else checked(Path(path))
    look, clip = theme_named(theme), study.levels[0].clip
    figure = blank((9.2, 4.0), look)
    signals, parts = figure.subplots(1, 2)
    chosen = series([one.recurrence.label for one in study.levels], look)
    back = np.arange(study.levels[0].steps)
    _draw_levels(signals, back, {one.recurrence.label: one.signals[:, ::-1] for one in study.levels}, chosen, look)
    # The first state has seen no earlier one, so that its part of the recurrent weight's gradient is 0.
    held = {one.recurrence.label: one.clipped_parts[:, :0:-1] for one in study.levels}
    ends = _draw_levels(parts, back[:-1], held, chosen, look)
    if clip is not None:
        _draw_levels(parts, back[:-1], {one.recurrence.label: one.parts[:, :0:-1] for one in study.levels}, chosen, look, alpha=0.3)
    clipped = f", the sum clipped to {clip:g} (faint: before)" if clip is not None else ""
    across = f"steps back from the end ({_seeds(study.levels[0].signals)})"
    titled(signals, look, "gradient by the state", across=across, up="root mean square")
    titled(parts, look, f"each step's part{clipped}", across="steps back from the end", up="norm of the part of the gradient")
    label_ends(parts, ends, chosen, look, gap=GAP)
    if target is not None:
        save(figure, target)
    return figure


def _seeds(levels: np.ndarray) -> str:
    return f"median and range of {len(levels)} seeds" if len(levels) > 1 else "one seed"


def _draw_levels(
    axes: Axes,
    places: np.ndarray,
    curves: Mapping[str, np.ndarray],
    chosen: Mapping[str, Style],
    look: Theme,
    *,
    alpha: float = 1.0,
) -> dict[str, tuple[float, float]]:
    """Medians over the seeds with their extremes; where each curve ends."""
    if alpha == 1.0:
        dress(axes, look)
        axes.set_yscale("log")
    ends, every = {}, max(1, len(places) // MARKS)
    for turn, (name, values) in enumerate(curves.items()):
        # What underflowed even here has no place on a logarithmic axis.
        shown = np.where(values > LEAST, values, np.nan)
        middle, style = _middle(shown), chosen[name]
        line: Any = style.dash
        known = np.isfinite(middle)
        if alpha == 1.0 and len(values) > 1:
            axes.fill_between(places, *_extremes(shown), color=style.color, alpha=0.18, linewidth=0)
        marks: Any = (min(turn * every // len(curves), len(places) - 1), every)
        drawn = {"linewidth": 1.6 * (alpha + 1) / 2, "marker": style.mark, "markersize": 4 * alpha, "markevery": marks}
        axes.plot(places, middle, color=style.color, linestyle=line, alpha=alpha, **drawn)
        if known.any():
            ends[name] = (float(places[known][-1]), float(middle[known][-1]))
    margin = 0.0 if len(places) > 1 else 0.5
    first, last = sorted((float(places[0]), float(places[-1])))
    axes.set_xlim(*((first - margin, last + margin) if not axes.xaxis_inverted() else (last + margin, first - margin)))
    if alpha == 1.0:
        _name_limits(axes, look)
    return ends


def _middle(values: np.ndarray) -> np.ndarray:
    # A seed that underflowed counts as the least.
    order = np.sort(np.where(np.isfinite(values), values, 0.0), axis=0)
    middle = order[len(order) // 2]
    return np.where(middle > 0, middle, np.nan)


def _extremes(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    low, high = (np.where(np.isfinite(values), values, other) for other in (np.inf, -np.inf))
    lowest, highest = low.min(axis=0), high.max(axis=0)
    return np.where(np.isfinite(lowest), lowest, np.nan), np.where(np.isfinite(highest), highest, np.nan)


def _name_limits(axes: Axes, look: Theme) -> None:
    bottom, top = axes.get_ylim()
    for name, level in LIMITS.items():
        if bottom < level < top:
            mark_level(axes, level, name, look)
