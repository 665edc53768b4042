"""Every lane of an entrant in one small panel: training losses as recorded, thinned for drawing only."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from ravine.records import Lane, Record
from ravine.report._styles import Style, theme_named
from ravine.report.drawing import HEADROOM, blank, dress, name_decades, short_name, titled
from ravine.report.facts import Facts
from ravine.report.figures import entrant_styles
from ravine.report.thinning import thinned
from ravine.report.wording import rate

COLUMNS, LEAST_COLUMNS = 80, 16
SHARED_COLUMNS = 9_000
"""Columns of all lanes together: a page of very many lanes draws each in fewer."""
MOST_POINTS = 40_000
"""Points of a panel from which its lines are a picture, which takes the space of one however many they are."""
DECADES = 1e4
"""Most that the largest loss of a panel may be of its smallest."""
FAINT = 0.35
NAMED = 4
"""Diverged lanes that a caption names; the table has all."""


@dataclass(frozen=True, slots=True)
class Trail:
    """One lane as it is drawn.

    Attributes:
        lane: the lane.
        steps, values: points of its curve; empty where nothing was recorded.
    """

    lane: Lane
    steps: np.ndarray
    values: np.ndarray


@dataclass(frozen=True, slots=True)
class Window:
    """What all panels show.

    Attributes:
        end: last step.
        low, high: of the loss; what lies beyond is cut off.
        is_log: whether no loss is below 0.
    """

    end: int
    low: float
    high: float
    is_log: bool


def lane_panels(record: Record, facts: Facts) -> Iterator[tuple[str, Figure, str]]:
    """For each entrant its name, its panel, and what became of its lanes in words; all panels share their axes."""
    chosen = entrant_styles(facts, theme_named("light"))
    end = max([int(facts.protocol.get("steps") or 0), *(lane.steps_done for lane in facts.lanes)], default=0)
    columns = drawn_columns(facts)
    trails = {name: [_trail(record, lane, end, columns) for lane in facts.lanes if lane.optimizer == name] for name in chosen}
    window = _window([trail for group in trails.values() for trail in group], end)
    if window is None:
        return
    ranked = {lane.lane for entrant in facts.ranking for lane in facts.final_lanes(entrant)}
    for name, style in chosen.items():
        yield name, _panel(name, trails[name], style, window, ranked), fates([trail.lane for trail in trails[name]])


def drawn_columns(facts: Facts) -> int:
    """Into how many columns every lane is thinned."""
    return min(COLUMNS, max(LEAST_COLUMNS, SHARED_COLUMNS // max(len(facts.lanes), 1)))


def fates(lanes: Sequence[Lane]) -> str:
    """What became of lanes: how many there are, which diverged at what step, how many ended early."""
    diverged = [lane for lane in lanes if lane.status == "diverged"]
    culled = sum(lane.status == "culled" for lane in lanes)
    open_ended = sum(lane.status in ("waiting", "running") for lane in lanes)
    named = ", ".join(f"lr={rate(lane.lr)} at step {lane.diverged_at:,}" for lane in diverged[:NAMED])
    more = f" and {len(diverged) - NAMED} more" if len(diverged) > NAMED else ""
    said = [f"{len(lanes)} {'lane' if len(lanes) == 1 else 'lanes'}"]
    said += [f"{len(diverged)} diverged: {named}{more}"] if diverged else ["none diverged"]
    said += [f"{culled} ended early"] if culled else []
    said += [f"{open_ended} not done"] if open_ended else []
    return f"{'; '.join(said)}."


def _trail(record: Record, lane: Lane, end: int, columns: int) -> Trail:
    losses = record.losses(lane.lane)
    return Trail(lane, *thinned(losses, columns=columns, span=max(end, len(losses))))


def _window(trails: Sequence[Trail], end: int) -> Window | None:
    """None where no lane has a loss."""
    drawn = [trail.values for trail in trails if trail.values.size]
    if not drawn:
        return None
    low, start = min(float(values.min()) for values in drawn), float(np.median([values[0] for values in drawn]))
    if low >= 0 and start > 0:
        # A loss that rounds to 0 has no place on a logarithmic axis, and one near it would squeeze all others.
        return Window(end, max(low / 1.2, start / DECADES), HEADROOM * start, is_log=True)
    return Window(end, low, start + 0.5 * (start - low) if start > low else low + 1.0, is_log=False)


def _panel(name: str, trails: Sequence[Trail], style: Style, window: Window, ranked: set[int]) -> Figure:
    look = theme_named("light")
    figure = blank((3.5, 2.5), look)
    axes = figure.subplots()
    dress(axes, look)
    axes.set_xlim(0, max(window.end, 1))
    axes.set_yscale("log" if window.is_log else "linear")
    axes.set_ylim(window.low, window.high)
    name_decades(axes.yaxis, between=window.high < 30 * window.low)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axes.locator_params(axis="x", nbins=5)
    strong = [trail for trail in trails if trail.lane.lane in ranked]
    others = [trail for trail in trails if trail.lane.lane not in ranked]
    _draw(axes, others, style, faint=True)
    _draw(axes, strong, style, faint=False)
    _draw_ends(axes, trails, style, look.ink, window)
    titled(axes, look, short_name(name), across="step")
    return figure


def _draw(axes: Axes, trails: Sequence[Trail], style: Style, *, faint: bool) -> None:
    bottom, _ = axes.get_ylim()
    lines = [np.column_stack([trail.steps, np.maximum(trail.values, bottom)]) for trail in trails if trail.steps.size > 1]
    if not lines:
        return
    alpha, width = (FAINT, 0.7) if faint else (1.0, 1.0)
    drawn = LineCollection(lines, colors=style.color, alpha=alpha, linewidths=width)
    drawn.set_rasterized(sum(map(len, lines)) > MOST_POINTS)
    axes.add_collection(drawn, autolim=False)


def _draw_ends(axes: Axes, trails: Sequence[Trail], style: Style, ink: str, window: Window) -> None:
    """A cross where a lane diverged, at the edge where it was beyond; a small circle where one ended early."""
    for trail in trails:
        status = trail.lane.status
        if status not in ("diverged", "culled"):
            continue
        step, value = _end(trail, window)
        if status == "diverged":
            axes.plot(step, value, "x", color=ink, markersize=5, markeredgewidth=1.3, clip_on=False, zorder=4)
        else:
            axes.plot(step, value, "o", color=style.color, markersize=3, markerfacecolor="none", markeredgewidth=0.8, alpha=0.7, zorder=3)


def _end(trail: Trail, window: Window) -> tuple[float, float]:
    if not trail.steps.size:
        return float(trail.lane.diverged_at or trail.lane.steps_done), window.high
    value = float(trail.values[-1])
    return float(trail.steps[-1]), min(max(value, window.low), window.high) if math.isfinite(value) else window.high
