"""The one look of all figures: size of text, axes, names at the ends of curves, files. Colours, dashes and marks are in `_styles`."""

import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ravine.base.errors import InputError
from ravine.report._styles import Style, Theme

SUFFIXES = (".pdf", ".png", ".svg")
HEADROOM = 2.0
"""Values above this multiple of the initial one are off the top: a lane that blew up must not flatten all others."""
LONGEST_NAME = 30
SHORT = 4.0
"""A logarithmic axis whose ends are closer than this ratio may hold no two numbers that begin with 1, 2 or 5."""
HEAD, TITLE, LABEL, TICK, NAME, NOTE = 11.0, 9.5, 9.0, 8.0, 8.5, 7.5
"""Points of the text of a figure's head, titles of panels, axes, ticks, names of curves, and remarks inside a panel."""


def blank(size: tuple[float, float], look: Theme) -> Figure:
    """A figure of so many inches without axes."""
    # An own canvas and no pyplot: nothing global is left behind, and threads may draw at once.
    figure = Figure(figsize=size, dpi=150, facecolor=look.paper, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def dress(axes: Axes, look: Theme) -> None:
    """The look that all axes share."""
    axes.set_facecolor(look.paper)
    axes.grid(visible=True, color=look.grid, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.tick_params(colors=look.ink, labelsize=TICK, which="both")
    for side, spine in axes.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color(look.faint)


def headed(figure: Figure, look: Theme, text: str) -> None:
    """What a figure of several panels shows, above them."""
    figure.suptitle(text, color=look.ink, fontsize=HEAD, x=0.01, ha="left")


def titled(axes: Axes, look: Theme, title: str = "", *, across: str = "", up: str = "") -> None:
    """What axes show, and what they are."""
    if title:
        axes.set_title(title, color=look.ink, fontsize=TITLE, loc="left")
    if across:
        axes.set_xlabel(across, color=look.ink, fontsize=LABEL)
    if up:
        axes.set_ylabel(up, color=look.ink, fontsize=LABEL)


def name_decades(axis: Axis, text: Callable[[float], str] = "{:g}".format, *, between: bool = True) -> None:
    """Plain numbers on a logarithmic axis; two and five too, or a short one would show a single number, and on one still shorter all.

    Args:
        axis: of some axes.
        text: of a number.
        between: whether anything between the powers of ten is named.
    """

    def minor(value: float, _: object) -> str:
        low, high = sorted(axis.get_view_interval())
        return text(value) if between and (high < SHORT * low or f"{value:e}"[0] in "25") else ""

    axis.set_major_formatter(lambda value, _: text(value))
    axis.set_minor_formatter(minor)


def mark_level(axes: Axes, level: float, name: str, look: Theme) -> None:
    """A dashed line across the axes at a height, with what it stands for."""
    axes.axhline(level, color=look.faint, linewidth=0.9, linestyle=(0, (2, 2)))
    axes.annotate(
        name,
        (0.005, level),
        xycoords=axes.get_yaxis_transform(),
        xytext=(0, 2),
        textcoords="offset points",
        color=look.ink,
        fontsize=NOTE,
        bbox={"facecolor": look.paper, "edgecolor": "none", "alpha": 0.7, "pad": 0.5},
    )


def key(figure: Figure, chosen: Mapping[str, Style], look: Theme) -> None:
    """Name every style below the axes."""
    dashes: list[Any] = [style.dash for style in chosen.values()]
    lines = [
        Line2D([], [], color=style.color, linestyle=dash, marker=style.mark, markersize=4)
        for style, dash in zip(chosen.values(), dashes, strict=True)
    ]
    names = [short_name(name) for name in chosen]
    widest = max(map(len, names), default=1)
    columns = max(1, min(len(names), 84 // (widest + 8)))
    if names:
        figure.legend(lines, names, loc="outside lower left", ncols=columns, fontsize=TICK, frameon=False, labelcolor=look.ink)


def short_name(name: str) -> str:
    """A name that a figure has room for: of a very long one its beginning and its end."""
    return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 9]}…{name[-8:]}"


def label_ends(
    axes: Axes, ends: Mapping[str, tuple[float, float]], chosen: Mapping[str, Style], look: Theme, *, gap: float = 0.052
) -> None:
    """Name every curve right of the panel, moved apart where labels would overlap, with a line from its end to its name.

    Args:
        axes: with their final limits.
        ends: name -> the point where the curve ends.
        chosen: name -> style.
        look: the theme.
        gap: least distance of two names, as a share of the panel's height.
    """
    to_axes = axes.transData + axes.transAxes.inverted()
    places = {name: float(to_axes.transform(point)[1]) for name, point in ends.items()}
    order = sorted(places, key=lambda name: places[name])
    for name, height in zip(order, spread([places[name] for name in order], gap=gap), strict=True):
        style = chosen[name]
        axes.annotate(
            short_name(name),
            ends[name],
            xytext=(1.045, height),
            textcoords="axes fraction",
            fontsize=NAME,
            color=look.ink,
            va="center",
            annotation_clip=False,
            arrowprops={
                "arrowstyle": "-",
                "color": style.color,
                "linestyle": style.dash,
                "linewidth": 1.2,
                "shrinkA": 1,
                "shrinkB": 0,
                "relpos": (0, 0.5),
            },
        )


def spread(heights: Sequence[float], *, gap: float) -> list[float]:
    """Ascending heights moved as little as possible (least squares) to lie `gap` apart, then within 0 and 1 where there is room."""
    # Less index times gap, "gap apart" becomes "ascending": neighbours out of order are pooled at their mean.
    pools: list[list[float]] = []
    for index, height in enumerate(heights):
        pools.append([height - index * gap])
        while len(pools) > 1 and _mean(pools[-2]) > _mean(pools[-1]):
            last = pools.pop()
            pools[-1] += last
    level = [_mean(pool) for pool in pools for _ in pool]
    top = 1 - (len(level) - 1) * gap
    return [max(min(value, top), 0.0) + index * gap for index, value in enumerate(level)]


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def rendered(figure: Figure, kind: str, *, outlines: bool = True) -> bytes:
    """A figure as the bytes of a file; equal figures give equal bytes.

    Args:
        figure: the figure.
        kind: "pdf", "png" or "svg".
        outlines: whether an SVG holds text as outlines, so that labels keep their measured width on every machine, or as text.
    """
    undated: dict[str, Any] = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}
    buffer = io.BytesIO()
    with mpl.rc_context({"svg.hashsalt": "ravine", "svg.fonttype": "path" if outlines else "none"}):
        figure.savefig(buffer, format=kind, facecolor=figure.get_facecolor(), metadata=undated.get(kind))
    return buffer.getvalue()


def save(figure: Figure, path: Path) -> None:
    """Write a figure as its suffix says, whole or not at all."""
    content = rendered(figure, path.suffix.lower()[1:])
    draft = path.with_name(f".{path.name}.draft")
    try:
        draft.write_bytes(content)
        draft.replace(path)
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(f"{path} cannot be written: {reason}; check the folder and its permissions.", given=path) from error
    finally:
        draft.unlink(missing_ok=True)


def checked(path: Path) -> Path:
    """The path, or `InputError` where its suffix is no format of a figure."""
    if path.suffix.lower() not in SUFFIXES:
        raise InputError(f"{path}: a figure's name must end in {', '.join(SUFFIXES)}; give such a name.", given=path)
    return path
