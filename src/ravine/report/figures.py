"""The race as one figure: the loss against steps, beside the final value against the learning rate."""

import math
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from ravine.records import Lane, RankedEntrant, Record
from ravine.report._styles import Style, Theme, styles, theme_named
from ravine.report.drawing import (
    HEADROOM,
    NAME,
    NOTE,
    blank,
    checked,
    dress,
    headed,
    key,
    label_ends,
    mark_level,
    name_decades,
    save,
    short_name,
    titled,
)
from ravine.report.facts import Facts, read_facts
from ravine.report.measures import band_of
from ravine.report.rate_points import rate_values
from ravine.report.wording import rate

CULLED_ALPHA = 0.45
# Share of a panel's height that is left below the least value.
MARGIN = 0.06
# Share of the right panel's height kept for the rates that diverged.
DIVERGED_BAND = 0.12


def race_figure(record: Record, path: str | os.PathLike[str] | None = None, *, theme: str = "light") -> Figure:
    """Draw a race.

    Left: median over the fresh seeds and the band between their extremes, for each optimiser at its ranked rate; a cross ends a lane that
    diverged. Right: what tuning found at each rate, the ranked rate ringed, diverged rates crossed in the band at the top,
    and faintly what a rate had come to where it was culled.

    Args:
        record: the record, finished or not.
        path: where to write it, as PNG, SVG or PDF by its suffix; None to write nothing.
        theme: "light" or "dark".

    Raises:
        InputError: unknown suffix or theme, or the file cannot be written.
    """
    target = None if path is None else checked(Path(path))
    facts, look = read_facts(record), theme_named(theme)
    figure = blank((11.0, 4.6), look)
    curves, rates = figure.subplots(1, 2, width_ratios=(1.35, 1.0))
    chosen = entrant_styles(facts, look)
    for axes in (curves, rates):
        dress(axes, look)
    _draw_curves(curves, record, facts, chosen, look)
    _draw_rates(rates, record, facts, chosen, look)
    name = facts.task.get("name", "race")
    subtitle = f" at the shared rate {rate(facts.shared_lr)}: not a fair comparison" if facts.shared_lr is not None else ""
    headed(figure, look, f"{name}{subtitle}")
    if target is not None:
        save(figure, target)
    return figure


def curves_figure(record: Record, *, theme: str = "light") -> Figure:
    """The left part of `race_figure` alone."""
    facts, look = read_facts(record), theme_named(theme)
    figure = blank((6.6, 4.4), look)
    axes = figure.subplots()
    dress(axes, look)
    _draw_curves(axes, record, facts, entrant_styles(facts, look), look)
    return figure


def rates_figure(record: Record, *, theme: str = "light") -> Figure:
    """The right part of `race_figure` alone, with a line of the key for every optimiser."""
    facts, look = read_facts(record), theme_named(theme)
    figure = blank((6.6, 4.4), look)
    axes = figure.subplots()
    dress(axes, look)
    chosen = entrant_styles(facts, look)
    _draw_rates(axes, record, facts, chosen, look)
    key(figure, chosen, look)
    return figure


def entrant_styles(facts: Facts, look: Theme) -> dict[str, Style]:
    """A style for each entrant, best first; for whoever has a lane while there is no ranking."""
    return styles([entrant.optimizer for entrant in facts.ranking] or sorted({lane.optimizer for lane in facts.lanes}), look)


def _draw_curves(axes: Axes, record: Record, facts: Facts, chosen: Mapping[str, Style], look: Theme) -> None:
    found = {entrant.optimizer: record.curves(facts.final_lanes(entrant), facts.split, facts.metric) for entrant in facts.ranking}
    found = {name: (steps, values) for name, (steps, values) in found.items() if np.isfinite(values).any()}
    ends = {}
    for name, (steps, values) in found.items():
        ends[name] = _draw_band(axes, steps, values, chosen[name], worst_is_high=not facts.higher_is_better)
    titled(axes, look, across="step")
    if not found:
        titled(axes, look, "no final lanes yet")
        return
    grid = next(iter(found.values()))[0]
    # Linear up to the first evaluation, so that step 0 has its place on a logarithmic axis.
    axes.set_xscale("symlog", linthresh=max(float(grid[grid > 0].min(initial=grid[-1])), 1.0), linscale=0.4)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axes.set_xlim(0, max(float(grid[-1]), 1.0))
    everything = np.concatenate([values.ravel() for _, values in found.values()])
    starts = np.concatenate([values[:, 0] for _, values in found.values()])
    _scale_values(axes, everything[np.isfinite(everything)], starts[np.isfinite(starts)], facts)
    for name, (steps, values) in found.items():
        _draw_breaks(axes, steps, values, chosen[name])
    if facts.target is not None:
        mark_level(axes, facts.target, f"target {facts.target:.3g}", look)
    _label_ends(axes, ends, chosen, look)
    seeds = facts.ranking[0].steps_to_target.seeds
    titled(axes, look, f"{facts.split} {facts.metric}: {f'median and range of {seeds} seeds' if seeds > 1 else 'one seed'}")


def _scale_values(axes: Axes, values: np.ndarray, starts: np.ndarray, facts: Facts) -> None:
    """Logarithmic where lower is better and all is positive; the top not far above the initial value."""
    if facts.higher_is_better or not values.size or values.min() <= 0:
        return
    axes.set_yscale("log")
    name_decades(axes.yaxis)
    if starts.size:
        (bottom, top), low = axes.get_ylim(), float(values.min())
        top = min(top, HEADROOM * float(starts.max()))
        # Of what is seen: a margin for what lies off the top, which may be eight powers of ten, would fill the panel with nothing.
        axes.set_ylim(max(bottom, low * (low / top) ** MARGIN) if low < top else bottom, top)


def _draw_band(axes: Axes, steps: np.ndarray, values: np.ndarray, style: Style, *, worst_is_high: bool) -> tuple[float, float]:
    """Median and range; a diverged lane counts as the worst value, so the median stops where half the lanes have diverged."""
    middle, low, high = band_of(values, worst_is_high=worst_is_high)
    drawn, alive = np.isfinite(middle), np.isfinite(low)
    axes.fill_between(steps[alive], low[alive], high[alive], color=style.color, alpha=0.16, linewidth=0)
    axes.plot(steps[drawn], middle[drawn], color=style.color, linestyle=style.dash, linewidth=1.7)
    return float(steps[drawn][-1]), float(middle[drawn][-1])


def _draw_breaks(axes: Axes, steps: np.ndarray, values: np.ndarray, style: Style) -> None:
    """A cross at the last value of a lane that diverged; at the edge of the panel where that is off it."""
    low, high = sorted(axes.get_ylim())
    for lane in values:
        known = np.flatnonzero(np.isfinite(lane))
        if known.size and known[-1] < len(steps) - 1:
            # Unclipped and far off the panel, a cross would leave the layout no room for the axes.
            height = min(max(float(lane[known[-1]]), low), high)
            axes.plot(steps[known[-1]], height, "x", color=style.color, markersize=7, markeredgewidth=1.6, clip_on=False, zorder=4)


def _label_ends(axes: Axes, ends: Mapping[str, tuple[float, float]], chosen: Mapping[str, Style], look: Theme) -> None:
    """Name every curve at its end, right of the panel, moved apart where labels would overlap; one that diverged where it broke off."""
    last, (low, high) = axes.get_xlim()[1], sorted(axes.get_ylim())
    taken: Counter[tuple[float, float]] = Counter()
    for name, (step, value) in ends.items():
        if step < last:
            point = (step, min(max(value, low), high))
            # Of several that left the panel at one step, each has a line of its own.
            below = (8, -11 * taken[point] - (7 if value > high else 0))
            taken[point] += 1
            text = f"{short_name(name)} diverged"
            axes.annotate(text, point, xytext=below, textcoords="offset points", fontsize=NAME, color=look.ink, va="center")
    label_ends(axes, {name: point for name, point in ends.items() if point[0] == last}, chosen, look)


def _draw_rates(axes: Axes, record: Record, facts: Facts, chosen: Mapping[str, Style], look: Theme) -> None:
    found = rate_values(record, facts)
    lanes, finals, early = found.lanes, found.finals, found.early
    axes.set_xscale("log")
    if lanes and len({lane.lr for lane in lanes}) == 1:
        # A single rate has no width of its own.
        axes.set_xlim(lanes[0].lr / 10, lanes[0].lr * 10)
    ranked = {entrant.optimizer: entrant for entrant in facts.ranking}
    for name, style in chosen.items():
        points = sorted((lr, value) for (optimizer, lr), value in finals.items() if optimizer == name)
        if points:
            _draw_rate_line(axes, points, style, ranked.get(name))
        culled = sorted((lr, value) for (optimizer, lr), value in early.items() if optimizer == name and (optimizer, lr) not in finals)
        if culled:
            axes.plot(*zip(*culled, strict=True), "o", color=style.color, markersize=3.2, markerfacecolor="none", alpha=CULLED_ALPHA)
    _scale_values(axes, np.array([*finals.values(), *early.values()]), found.starts, facts)
    _mark_beyond(axes, {key: value for key, value in early.items() if key not in finals}, chosen)
    _draw_diverged(axes, [lane for lane in lanes if lane.status == "diverged"], chosen, look)
    faint = ", faint where it ended early" if early else ""
    title = f"final {found.split} {facts.metric} by rate{faint}" if finals else _without_values(facts, lanes)
    titled(axes, look, title, across="learning rate")


def _without_values(facts: Facts, lanes: Sequence[Lane]) -> str:
    """Why no rate has a final value."""
    if lanes and all(lane.status == "diverged" for lane in lanes):
        return "every rate diverged"
    return "no rate has a final value" if facts.status == "done" and lanes else "no rates yet"


def _draw_rate_line(axes: Axes, points: Sequence[tuple[float, float]], style: Style, entrant: RankedEntrant | None) -> None:
    axes.plot(*zip(*points, strict=True), color=style.color, linestyle=style.dash, linewidth=1.5, marker=style.mark, markersize=3.6)
    best = [(lr, value) for lr, value in points if entrant is not None and math.isclose(lr, entrant.lr)]
    if best:
        axes.plot(*best[0], "o", markersize=9, markerfacecolor="none", markeredgecolor=style.color, markeredgewidth=1.8)


def _mark_beyond(axes: Axes, early: Mapping[tuple[str, float], float], chosen: Mapping[str, Style]) -> None:
    """A triangle at the upper edge for every rate that ended early with a value beyond it, which would not be seen otherwise."""
    top = max(axes.get_ylim())
    for (name, lr), value in early.items():
        if value > top and name in chosen:
            axes.plot(lr, top, "^", color=chosen[name].color, markersize=4.0, markerfacecolor="none", alpha=CULLED_ALPHA, clip_on=False)


def _draw_diverged(axes: Axes, lanes: Sequence[Lane], chosen: Mapping[str, Style], look: Theme) -> None:
    if not lanes:
        return
    bottom, top = axes.get_ylim()
    # The data end below the band, whatever the scale of the axis.
    if axes.get_yscale() == "log":
        axes.set_ylim(bottom, bottom * (top / bottom) ** (1 / (1 - DIVERGED_BAND)))
    else:
        axes.set_ylim(bottom, bottom + (top - bottom) / (1 - DIVERGED_BAND))
    axes.add_patch(Rectangle((0, 1 - DIVERGED_BAND), 1, DIVERGED_BAND, transform=axes.transAxes, color=look.faint, alpha=0.18, linewidth=0))
    if not axes.lines:
        # Nothing but crosses: there is no value to read off.
        axes.set_yticks([])
    # Beside the band: inside it the word would lie under a cross.
    axes.text(1.01, 1 - DIVERGED_BAND / 2, "diverged", transform=axes.transAxes, color=look.ink, fontsize=NOTE, va="center")
    names = [name for name in chosen if any(lane.optimizer == name for lane in lanes)]
    for index, name in enumerate(names):
        rates = sorted({lane.lr for lane in lanes if lane.optimizer == name})
        height = 1 - DIVERGED_BAND * (index + 1) / (len(names) + 1)
        axes.plot(
            rates,
            [height] * len(rates),
            "x",
            transform=axes.get_xaxis_transform(),
            color=chosen[name].color,
            markersize=5.5,
            markeredgewidth=1.5,
        )
