"""Steps to the target seed by seed: a dot for each, and a place of its own for those that never reached it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ravine.records import Lane, Record, steps_to_target
from ravine.report._styles import Style, Theme, theme_named
from ravine.report.drawing import NAME, TICK, blank, dress, name_decades, short_name, titled
from ravine.report.facts import Facts
from ravine.report.figures import entrant_styles

SPREAD = 0.36
"""Share of a row's height by which dots of one entrant move apart."""


@dataclass(frozen=True, slots=True)
class Reached:
    """What one fresh seed of an entrant came to.

    Attributes:
        lane: its lane.
        steps: steps to the target; infinite where it was never reached.
    """

    lane: Lane
    steps: float

    @property
    def text(self) -> str:
        """For a table."""
        if math.isfinite(self.steps):
            return f"{self.steps:,.0f}"
        return f"diverged at step {self.lane.diverged_at:,}" if self.lane.status == "diverged" else "never"


def reached_by_seed(record: Record, facts: Facts) -> dict[str, list[Reached]]:
    """The fresh seeds of every ranked entrant at its ranked rate, by name; empty where the race has no target."""
    target = facts.target
    if target is None:
        return {}
    sign = -1.0 if facts.higher_is_better else 1.0
    groups = {entrant.optimizer: sorted(facts.final_lanes(entrant), key=lambda lane: lane.seed) for entrant in facts.ranking}
    everyone = [lane for lanes in groups.values() for lane in lanes]
    # One reading for all: one for each entrant would go over the whole final as often.
    steps, values = record.curves(everyone, facts.split, facts.metric)
    times = dict[int, float]()
    for lane, row in zip(everyone, values, strict=True):
        is_lost = lane.status == "diverged" or not row.size or not math.isfinite(row[-1])
        times[lane.lane] = math.inf if is_lost else steps_to_target(steps, sign * row, sign * target)
    return {name: [Reached(lane, times[lane.lane]) for lane in lanes] for name, lanes in groups.items()}


def seeds_figure(facts: Facts, reached: dict[str, list[Reached]]) -> Figure:
    """A row for each entrant, best first; the tick is the median, with never-reached counted as infinite."""
    look = theme_named("light")
    figure = blank((6.6, 1.1 + 0.42 * len(reached)), look)
    axes = figure.subplots()
    dress(axes, look)
    chosen = entrant_styles(facts, look)
    times = [one.steps for group in reached.values() for one in group if math.isfinite(one.steps)]
    first, last = (
        min([0.5 if time == 0 else time for time in times], default=1.0),
        float(facts.protocol.get("steps") or max(times, default=1)),
    )
    axes.set_xscale("log")
    never = last * (last / first) ** 0.12 if last > first else last * 1.5
    axes.set_xlim(first / 1.3, never * (never / last))
    axes.axvspan(math.sqrt(never * last), axes.get_xlim()[1], color=look.faint, alpha=0.18, linewidth=0)
    for row, (name, group) in enumerate(reached.items()):
        _draw_row(axes, group, row, never, chosen[name])
        _draw_median(axes, group, row, look)
    _label(axes, list(reached), look, never, last)
    return figure


def _draw_row(axes: Axes, group: Sequence[Reached], row: int, never: float, style: Style) -> None:
    offsets = np.linspace(-SPREAD, SPREAD, len(group)) if len(group) > 1 else np.zeros(1)
    for one, offset in zip(group, offsets, strict=True):
        if math.isfinite(one.steps):
            axes.plot(max(one.steps, 0.5), row + offset, style.mark, color=style.color, markersize=4)
        else:
            mark = "x" if one.lane.status == "diverged" else style.mark
            axes.plot(never, row + offset, mark, color=style.color, markersize=4, markerfacecolor="none", clip_on=False)


def _draw_median(axes: Axes, group: Sequence[Reached], row: int, look: Theme) -> None:
    middle = sorted(one.steps for one in group)
    median = (middle[(len(middle) - 1) // 2] + middle[len(middle) // 2]) / 2 if middle else math.inf
    if math.isfinite(median):
        axes.plot(max(median, 0.5), row, "|", color=look.ink, markersize=22, markeredgewidth=1.2)


def _label(axes: Axes, names: Sequence[str], look: Theme, never: float, last: float) -> None:
    axes.set_yticks(range(len(names)), [short_name(name) for name in names], color=look.ink, fontsize=NAME)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.grid(visible=False, axis="y")
    name_decades(axes.xaxis, lambda value: f"{value:,.10g}" if value <= last else "")
    titled(axes, look, across="steps to the target")
    axes.annotate(
        "never",
        (never, 1.0),
        xycoords=("data", "axes fraction"),
        xytext=(0, 3),
        textcoords="offset points",
        color=look.ink,
        fontsize=TICK,
        ha="center",
    )
