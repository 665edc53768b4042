"""A race on a surface as a picture: paths over contours, beside the height above the minimum at every step.

More optimisers than colours get a small map each.
"""

import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ravine.records.surfaces import SurfacePath, SurfaceRace, SurfaceView
from ravine.report._styles import Style, Theme, styles, theme_named
from ravine.report.drawing import NAME, blank, checked, dress, label_ends, save, short_name, titled
from ravine.report.surface_maps import Strand, draw_path, draw_surface, ground_of
from ravine.report.surface_tables import steps_words
from ravine.report.wording import rate

TOGETHER = 8
"""Paths that one map has colours for."""

ACROSS = 5
"""Small maps in a row."""

SMALL, GAP, ABOVE, HEAD = 2.0, 0.1, 0.45, 0.3
"""Inches: width of a small map, space around it, room for its title, and for the figure's."""

WIDE = 0.8
"""Height over width of a map, below which it gets more of the figure."""

FLOOR = 1e-12
"""Share of the height at the start: below it a curve is at its end, whatever the last digits do."""
CEILING = 20.0
"""The same for a path that climbs, which must not flatten all others."""


def surface_figure(race: SurfaceRace, path: str | os.PathLike[str] | None = None, *, theme: str = "light") -> Figure:
    """Draw a race on a surface.

    Left the paths, each with its optimiser's colour, dash and mark; a cross ends one that left the picture for good or diverged.
    Right the height above the minimum; a mark stands where a path comes to stay at a minimum.

    Args:
        race: what to draw.
        path: where to write it, as PNG, SVG or PDF by its suffix; None to write nothing.
        theme: "light" or "dark".

    Raises:
        InputError: unknown suffix or theme, or the file cannot be written.
    """
    target = None if path is None else checked(Path(path))
    figure, _ = drawn(race, theme_named(theme))
    if target is not None:
        save(figure, target)
    return figure


def drawn(race: SurfaceRace, look: Theme) -> tuple[Figure, list[Strand]]:
    """The figure, and what in it grows with the steps."""
    shown = list({path.optimizer: path for path in reversed(race.paths)}.values())[::-1]
    chosen = styles([path.optimizer for path in shown], look)
    together = _together if len(shown) <= TOGETHER else _apart
    return together(race, shown, chosen, look)


def _together(race: SurfaceRace, shown: Sequence[SurfacePath], chosen: Mapping[str, Style], look: Theme) -> tuple[Figure, list[Strand]]:
    (left, right), (low, high) = race.surface.domain
    ratio = min(max((high - low) / (right - left), 0.5), 1.25)
    figure = blank((11.0, 2.2 + 3.9 * ratio), look)
    plane, curves = figure.subplots(1, 2, width_ratios=(1.45 if ratio < WIDE else 1.0, 1.0))
    draw_surface(plane, race.surface, look)
    lost = [path for path in race.paths if path.diverged_at is not None]
    strands = []
    for path in race.paths:
        line = lost.index(path) if path in lost else len(lost)
        strands.append(draw_path(plane, race.surface, path, chosen[path.optimizer], look, line=line))
    strands += _draw_heights(curves, race, chosen, look)
    _key(figure, shown, chosen, look)
    noise = f", gradient noise {race.noise:g}" if race.noise else ""
    rates = "each at its own rate" if race.tuned else "at the rates given"
    figure.suptitle(f"{short_formula(race.surface)}: {rates}{noise}", color=look.ink, fontsize=11, x=0.01, ha="left")
    return figure, strands


def _apart(race: SurfaceRace, shown: Sequence[SurfacePath], chosen: Mapping[str, Style], look: Theme) -> tuple[Figure, list[Strand]]:
    """A small map for each optimiser, the first to arrive first, or the lowest where no minimum is known."""
    order = sorted(shown, key=_place)
    down = -(-len(order) // ACROSS)
    (left, right), (low, high) = race.surface.domain
    ratio = min(max((high - low) / (right - left), 0.5), 1.25)
    size = (SMALL, SMALL * ratio)
    figure, grid = _grid(size, down, look)
    ground, strands = ground_of(race.surface, look, size), list[Strand]()
    for axes, best in zip(grid, order, strict=False):
        draw_surface(axes, race.surface, look, ground=ground)
        own = [path for path in race.paths if path.optimizer == best.optimizer]
        strands += [draw_path(axes, race.surface, path, chosen[best.optimizer], look, is_small=True) for path in own]
        axes.set_title(f"{best.optimizer}\nlr {rate(best.lr)}: {steps_words(best)}", color=look.ink, fontsize=NAME, loc="left")
    for axes in grid[len(order) :]:
        axes.set_axis_off()
    rates = "each at its own rate" if race.tuned else "at the rates given"
    # Numbers at the axes of every map would say thirty times what is said once here.
    side = f"x from {left:g} to {right:g}, y from {low:g} to {high:g}"
    first = "the first to arrive first" if race.surface.minima else "the lowest at the end first"
    words = f"{short_formula(race.surface)}: {rates}, {first}; {side}"
    figure.suptitle(words, color=look.ink, fontsize=11, x=0.01, ha="left", y=1 - 0.1 / figure.get_figheight())
    return figure, strands


def _grid(size: tuple[float, float], down: int, look: Theme) -> tuple[Figure, list[Axes]]:
    """Axes of so many inches in rows, two lines of text above each; laid out by hand, which is quick where maps are many."""
    width, height = ACROSS * size[0] + (ACROSS + 1) * GAP, down * (size[1] + ABOVE) + HEAD
    figure = blank((width, height), look)
    figure.set_layout_engine(None)
    gaps = {"wspace": GAP / size[0], "hspace": ABOVE / size[1]}
    top = 1 - (HEAD + ABOVE - GAP) / height
    figure.subplots_adjust(left=GAP / width, right=1 - GAP / width, bottom=GAP / height, top=top, **gaps)
    return figure, list(figure.subplots(down, ACROSS, squeeze=False).flatten())


def _place(path: SurfacePath) -> tuple[float, float]:
    steps = math.inf if path.steps_to_minimum is None else path.steps_to_minimum
    return steps, math.inf if path.final_height is None else path.final_height


def short_formula(surface: SurfaceView) -> str:
    """The surface's name; a long formula's beginning."""
    return surface.name if len(surface.name) <= 48 else f"{surface.name[:47]}…"


def _draw_heights(axes: Axes, race: SurfaceRace, chosen: Mapping[str, Style], look: Theme) -> list[Strand]:
    dress(axes, look)
    start = next((float(path.heights[0]) for path in race.paths if path.heights[0] > 0), 1.0)
    ends: dict[str, tuple[float, float]] = {}
    strands = []
    for path in race.paths:
        strand = _draw_height(axes, path, chosen[path.optimizer], look, start)
        strands.append(strand)
        if path.diverged_at is None:
            x, y = np.asarray(strand.line.get_xydata())[-1]
            ends.setdefault(path.optimizer, (float(x), float(y)))
    axes.set_yscale("log")
    axes.set_xlim(0, race.steps)
    axes.set_ylim(bottom=max(FLOOR * start, axes.get_ylim()[0]))
    of = "the minimum" if race.surface.minima else "the lowest height seen"
    there = "first there" if race.noise else "there to stay"
    mark = f"; a mark: {there}" if race.surface.minima else ""
    titled(axes, look, f"height above {of}{mark}", across="step")
    label_ends(axes, ends, chosen, look)
    return strands


def _draw_height(axes: Axes, path: SurfacePath, style: Style, look: Theme, start: float) -> Strand:
    """One curve, with a mark where its path arrives or a cross where it is lost."""
    known = np.flatnonzero(np.isfinite(path.heights))
    values = np.clip(path.heights[known], FLOOR * start, CEILING * start)
    (line,) = axes.plot(known, values, color=style.color, linestyle=style.dash, linewidth=1.5)
    marks: list[Artist] = []
    if path.steps_to_minimum is not None:
        place = (path.steps_to_minimum, values[path.steps_to_minimum])
        marks += axes.plot(*place, marker=style.mark, color=style.color, markersize=6.5, markeredgecolor=look.paper, zorder=5)
    if path.diverged_at is not None:
        marks += axes.plot(known[-1], values[-1], "x", color=style.color, markersize=8, markeredgewidth=1.8, zorder=5, clip_on=False)
    return Strand(line, tuple(marks))


def _key(figure: Figure, shown: Sequence[SurfacePath], chosen: Mapping[str, Style], look: Theme) -> None:
    """Below the maps: how each optimiser is drawn, its rate and when it arrived."""
    dashes: list[Any] = [chosen[path.optimizer].dash for path in shown]
    lines = [
        Line2D([], [], color=chosen[path.optimizer].color, linestyle=dash, marker=chosen[path.optimizer].mark, markersize=5)
        for path, dash in zip(shown, dashes, strict=True)
    ]
    names = [f"{short_name(path.optimizer)}, lr {rate(path.lr)}: {steps_words(path)}" for path in shown]
    columns = max(1, min(len(names), 130 // (max(map(len, names)) + 8)))
    figure.legend(
        lines, names, loc="outside lower left", ncols=columns, fontsize=NAME, frameon=False, labelcolor=look.ink, handlelength=3.2
    )
