"""A slice of a model's own loss as text and as a picture: a curve, or contours with the models on them."""

import math
import os
from pathlib import Path
from textwrap import fill

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from ravine.records.slices import LossSlice
from ravine.report._styles import Theme, theme_named
from ravine.report.drawing import NOTE, TICK, blank, checked, dress, save, titled
from ravine.report.surface_maps import HIGH, LOW, mixed
from ravine.report.tables import WIDTH

LEVELS = 14
CURVE, MAP = (7.0, 3.8), (6.4, 5.4)

TITLES = {
    "around": "training loss around the model",
    "between": "training loss along the line between two models",
    "trajectory": "training loss in the plane of the trajectory",
}


def slice_text(found: LossSlice, *, width: int = WIDTH) -> str:
    """What was computed, and what it came to, in a few sentences."""
    points = f"{len(found.x)} points" if found.y is None else f"{len(found.x)} x {len(found.y)} points"
    size = f"{found.parameters:,} parameters, mean losses over {found.rows:,} training rows"
    lines = [f"{found.task}: {TITLES[found.kind]}, {points}; {size}.", _came_to(found), *found.notes]
    return "\n".join(fill(line, width) for line in lines)


def _came_to(found: LossSlice) -> str:
    known = found.losses[np.isfinite(found.losses)]
    spread = f"from {known.min():.4g} to {known.max():.4g}" if known.size else "nowhere finite"
    if found.kind == "around":
        return f"Loss of the model {found.path_losses[0]:.4g}; in the slice {spread}."
    if found.kind == "between":
        barrier = "unknown" if found.barrier is None else f"{found.barrier:.4g}"
        ends = " and ".join(f"{loss:.4g}" for loss in found.path_losses)
        return f"Losses of the models {ends}; barrier between them (highest point less the higher end) {barrier}."
    first, second = found.explained
    shares = f"{first:.1%} of the trajectory lies along the first direction, {second:.1%} along the second"
    return f"{shares}; loss of its models from {found.path_losses[0]:.4g} to {found.path_losses[-1]:.4g}, in the slice {spread}."


def slice_figure(found: LossSlice, path: str | os.PathLike[str] | None = None, *, theme: str = "light") -> Figure:
    """Draw a slice.

    Args:
        found: what to draw.
        path: where to write it, as PNG, SVG or PDF by its suffix; None to write nothing.
        theme: "light" or "dark".

    Raises:
        InputError: unknown suffix or theme, or the file cannot be written.
    """
    target = None if path is None else checked(Path(path))
    look = theme_named(theme)
    figure = blank(CURVE if found.y is None else MAP, look)
    axes = figure.subplots()
    dress(axes, look)
    if found.y is None:
        _draw_curve(axes, found, look)
    else:
        _draw_map(axes, found, found.y, look)
    titled(axes, look, f"{found.task}: {TITLES[found.kind]}")
    if target is not None:
        save(figure, target)
    return figure


def _draw_curve(axes: Axes, found: LossSlice, look: Theme) -> None:
    axes.plot(found.x, found.losses, color=look.colors[0], linewidth=1.7)
    names = ["first", "second"] if found.kind == "between" else ["the model"]
    for name, place, loss in zip(names, found.path[:, 0], found.path_losses, strict=True):
        axes.plot(place, loss, "o", color=look.ink, markerfacecolor=look.paper, markersize=6, zorder=5)
        axes.annotate(name, (place, loss), xytext=(0, 9), textcoords="offset points", color=look.ink, fontsize=TICK, ha="center")
    known = found.losses[np.isfinite(found.losses)]
    if known.size and known.min() > 0 and known.max() > 20 * known.min():
        axes.set_yscale("log")
    else:
        axes.margins(y=0.14)
    across = "from the first model (0) to the second (1)" if found.kind == "between" else "lengths of the model's filters, random direction"
    titled(axes, look, across=across, up="training loss")


def _draw_map(axes: Axes, found: LossSlice, y: np.ndarray, look: Theme) -> None:
    axes.grid(visible=False)
    values = np.where(np.isfinite(found.losses), found.losses, np.nan)
    known = values[np.isfinite(values)]
    if known.size and known.max() > known.min():
        is_log = known.min() > 0
        levels = np.geomspace(known.min(), known.max(), LEVELS) if is_log else np.linspace(known.min(), known.max(), LEVELS)
        shade = LinearSegmentedColormap.from_list("losses", [mixed(look, 1.6 * LOW), mixed(look, HIGH)])
        place = (found.x[0], found.x[-1], y[0], y[-1])
        axes.imshow(
            np.log(values) if is_log else values,
            cmap=shade,
            extent=place,
            origin="lower",
            interpolation="bilinear",
            aspect="auto",
            zorder=0,
        )
        lines = axes.contour(found.x, y, values, levels=levels[1:-1], colors=look.ink, linewidths=0.6, alpha=0.75)
        axes.clabel(lines, levels[1:-1:2], fmt=lambda value: f"{value:.3g}", fontsize=NOTE, colors=look.ink)
    halo = [withStroke(linewidth=2.4, foreground=look.paper)]
    if found.kind == "trajectory":
        axes.plot(*found.path.T, color=look.colors[0], linewidth=1.6, marker="o", markersize=3, path_effects=halo, zorder=4)
        _name(axes, found, 0, "first", look)
        _name(axes, found, len(found.path) - 1, "last", look)
        names = [f"direction {number} ({share:.1%} of the way)" for number, share in enumerate(found.explained, start=1)]
    else:
        _name(axes, found, 0, "the model", look)
        names = [f"lengths of the model's filters, random direction {number}" for number in (1, 2)]
    titled(axes, look, across=names[0], up=names[1])


def _name(axes: Axes, found: LossSlice, which: int, name: str, look: Theme) -> None:
    place, loss = found.path[which], float(found.path_losses[which])
    axes.plot(*place, "o", color=look.ink, markerfacecolor=look.paper, markersize=6, zorder=5)
    words = f"{name} {loss:.3g}" if math.isfinite(loss) else name
    halo = [withStroke(linewidth=2.6, foreground=look.paper)]
    axes.annotate(words, place, xytext=(7, 7), textcoords="offset points", color=look.ink, fontsize=TICK, zorder=6, path_effects=halo)
