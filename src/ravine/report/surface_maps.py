"""One surface with paths over it, on one pair of axes: contours, places, paths and where they leave."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, to_rgb
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke

from ravine.records.surfaces import SurfacePath, SurfaceView
from ravine.report._styles import Style, Theme
from ravine.report.drawing import TICK, blank, dress, short_name, titled
from ravine.report.surface_tables import steps_words

LEVELS = 16
DEPTHS = 5.0
"""Decades below the highest height down to which contours are drawn."""

LOW, HIGH = 0.2, 0.03
"""Share of ink in the paper at the bottom and at the top."""


@dataclass(frozen=True, slots=True)
class Strand:
    """A line that grows with the steps, as a film shows it.

    Attributes:
        line: a point for each step, the start first.
        marks: what belongs to it and is not there before its end.
    """

    line: Line2D
    marks: tuple[Artist, ...]


def draw_surface(axes: Axes, surface: SurfaceView, look: Theme, *, ground: np.ndarray | None = None) -> None:
    """Contours at even steps of the logarithm of the height, darker where it is lower, with the start and the minima.

    Args:
        axes: to draw on.
        surface: what lies under the paths.
        look: the theme.
        ground: the contours as a picture, for a small map without numbers.
    """
    dress(axes, look)
    axes.grid(visible=False)
    if ground is None:
        _draw_contours(axes, surface, look)
    else:
        axes.imshow(ground, extent=(*surface.domain[0], *surface.domain[1]), aspect="auto", zorder=0)
    _draw_places(axes, surface, look, is_small=ground is not None)
    for limits, side in ((axes.set_xlim, surface.domain[0]), (axes.set_ylim, surface.domain[1])):
        limits(*side)
    spans = [high - low for low, high in surface.domain]
    if 0.2 < spans[0] / spans[1] < 5:
        axes.set_aspect("equal")
    if ground is not None:
        axes.set_xticks([])
        axes.set_yticks([])
    else:
        titled(axes, look, "paths; small marks at steps 1, 2, 3, 5, 8, 13, 21, ...", across="x", up="y")


def ground_of(surface: SurfaceView, look: Theme, size: tuple[float, float]) -> np.ndarray:
    """The contours as a picture of so many inches, (height, width, 4), drawn once for many small maps."""
    figure = blank(size, look)
    figure.set_layout_engine(None)
    axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    _draw_contours(axes, surface, look)
    axes.set_axis_off()
    figure.draw_without_rendering()
    canvas: Any = figure.canvas
    canvas.draw()
    return np.array(canvas.buffer_rgba())


def _draw_contours(axes: Axes, surface: SurfaceView, look: Theme) -> None:
    above = np.where(np.isfinite(surface.heights), surface.heights, np.nan)
    positive = above[above > 0]
    if not positive.size:
        return
    top = float(positive.max())
    bottom = max(float(np.quantile(positive, 0.002)), top * 10.0**-DEPTHS)
    values = np.clip(above, bottom, top)
    shade = LinearSegmentedColormap.from_list("heights", [mixed(look, LOW), mixed(look, HIGH)])
    place = (*surface.domain[0], *surface.domain[1])
    axes.imshow(np.log(values), cmap=shade, extent=place, origin="lower", interpolation="bilinear", aspect="auto", zorder=0)
    if bottom < top:
        levels = np.unique(np.geomspace(bottom, top, LEVELS))[:-1]
        lines: dict[str, Any] = {"colors": look.faint, "linewidths": 0.45, "alpha": 0.65}
        axes.contour(surface.x, surface.y, values, levels=levels, **lines)


def _draw_places(axes: Axes, surface: SurfaceView, look: Theme, *, is_small: bool) -> None:
    size = 5.0 if is_small else 8.0
    for x, y in surface.minima:
        axes.plot(x, y, "+", color=look.ink, markersize=size, markeredgewidth=1.2, zorder=5)
    axes.plot(*surface.start, "o", color=look.ink, markerfacecolor=look.paper, markersize=size - 2.5, markeredgewidth=1.2, zorder=6)
    if not is_small:
        words: dict[str, Any] = {
            "color": look.ink,
            "fontsize": TICK,
            "zorder": 7,
            "path_effects": [withStroke(linewidth=2.2, foreground=look.paper)],
        }
        axes.annotate("start", surface.start, xytext=(6, 6), textcoords="offset points", **words)
        # One of several is enough: a name at each would hide what lies between them.
        for point in surface.minima[:1]:
            axes.annotate("minimum", point, xytext=(7, -12), textcoords="offset points", **words)


def draw_path(
    axes: Axes, surface: SurfaceView, path: SurfacePath, style: Style, look: Theme, *, is_small: bool = False, line: int = 0
) -> Strand:
    """The path as far as it is in the picture; a cross where it leaves it for good or diverges.

    Args:
        axes: of the surface.
        surface: what lies under it.
        path: to draw.
        style: of its optimiser.
        look: the theme.
        is_small: whether there is room for neither marks nor words.
        line: how many lines of words stand at crosses already.
    """
    known, has_left = _until_it_leaves(path.positions[np.isfinite(path.positions).all(axis=1)], surface)
    width = 1.1 if is_small else 1.6
    # Paper around the line keeps dashes apart where paths cross.
    halo = [withStroke(linewidth=width + 1.4, foreground=look.paper, alpha=0.75)]
    (drawn,) = axes.plot(*known.T, color=style.color, linestyle=style.dash, linewidth=width, zorder=4, path_effects=halo)
    marks: list[Artist] = [] if is_small else _draw_steps(axes, known, style)
    if not has_left and path.diverged_at is None:
        size = 4.5 if is_small else 6.5
        marks += axes.plot(*known[-1], marker=style.mark, color=style.color, markersize=size, markeredgecolor=look.paper, zorder=6)
        return Strand(drawn, tuple(marks))
    size = 6 if is_small else 8
    marks += axes.plot(*known[-1], "x", color=style.color, markersize=size, markeredgewidth=1.8, clip_on=False, zorder=6)
    if not is_small:
        words = f"{short_name(path.optimizer)} {steps_words(path) if path.diverged_at is not None else 'ends outside'}"
        marks.append(_say_at(axes, surface, known[-1], words, look, line=line))
    return Strand(drawn, tuple(marks))


def _say_at(axes: Axes, surface: SurfaceView, place: np.ndarray, words: str, look: Theme, *, line: int) -> Artist:
    """Words beside a cross, towards the middle; each a line of its own, since several may leave at one place."""
    across, up = (1 if at < sum(side) / 2 else -1 for at, side in zip(place, surface.domain, strict=True))
    return axes.annotate(
        words,
        (float(place[0]), float(place[1])),
        xytext=(9 * across, up * (7 + 12 * line)),
        textcoords="offset points",
        ha="left" if across > 0 else "right",
        va="center",
        fontsize=TICK,
        color=look.ink,
        zorder=7,
        path_effects=[withStroke(linewidth=2.4, foreground=look.paper)],
    )


def _draw_steps(axes: Axes, known: np.ndarray, style: Style) -> list[Artist]:
    """Small marks, close together at first, where steps are long."""
    steps = [step for step in (1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144, 233, 377, 610, 987) if step < len(known) - 1]
    return [*axes.plot(*known[steps].T, marker=style.mark, color=style.color, markersize=3.4, linestyle="none", zorder=4)]


def _until_it_leaves(known: np.ndarray, surface: SurfaceView) -> tuple[np.ndarray, bool]:
    """Positions up to where a path that ends outside crossed the edge for the last time, and whether there is such a place."""
    low, high = np.array(surface.domain).T
    is_in = ((known >= low) & (known <= high)).all(axis=1)
    if is_in[-1]:
        return known, False
    if not is_in.any():
        return np.clip(known[:1], low, high), True
    last = int(np.flatnonzero(is_in)[-1])
    inside, outside = known[last], known[last + 1]
    with np.errstate(divide="ignore", invalid="ignore"):
        shares = np.where(outside > high, high - inside, np.where(outside < low, low - inside, outside - inside)) / (outside - inside)
    return np.vstack([known[: last + 1], inside + float(np.nanmin(shares)) * (outside - inside)]), True


def mixed(look: Theme, share: float) -> tuple[float, ...]:
    """Paper with a share of ink in it."""
    ink, paper = (np.array(to_rgb(color)) for color in (look.ink, look.paper))
    return tuple(share * ink + (1 - share) * paper)
