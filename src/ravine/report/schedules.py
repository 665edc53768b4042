"""A schedule as a table and as a picture."""

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ravine.report._styles import Theme, theme_named
from ravine.report.drawing import NOTE, TICK, blank, checked, dress, save, titled
from ravine.report.tables import WIDTH, empty_table, rendered
from ravine.report.thinning import thinned
from ravine.schedules import Schedule

FEW = 60
"""Steps up to which each is drawn as a point of its own."""

COLUMNS = 1200
"""Of a picture: of more steps than that, the least and the greatest in each column are drawn."""


@dataclass(frozen=True, slots=True)
class ScheduleView:
    """A schedule over its horizon, to be looked at.

    Attributes:
        schedule: with its settings.
        horizon: number of steps.
        lr: the peak rate; None shows multipliers.
        multipliers: one a step, 0 to horizon - 1.
    """

    schedule: Schedule
    horizon: int
    lr: float | None
    multipliers: np.ndarray

    @property
    def rates(self) -> np.ndarray:
        """What is shown: rates, or multipliers where there is no peak rate."""
        return self.multipliers * (1.0 if self.lr is None else self.lr)

    @property
    def title(self) -> str:
        """Name and settings in one line."""
        settings = {key: value for key, value in self.schedule.settings.items() if key != "horizon"}
        return ", ".join([self.schedule.name, *(f"{key}={_short(value)}" for key, value in settings.items())])

    @property
    def warmup(self) -> int:
        """Steps of the warm-up."""
        given = self.schedule.warmup_length
        return given if isinstance(given, int) else round(given * self.horizon)

    def rows(self, every: int | None = None) -> list[int]:
        """Steps to tabulate: every so many, the last, and where the warm-up ends; about ten if None."""
        spacing = max(1, round(self.horizon / 10)) if every is None else every
        corners = {self.horizon - 1} | ({self.warmup - 1, self.warmup} if self.warmup and every is None else set())
        return sorted({*range(0, self.horizon, spacing), *corners})


def view_schedule(schedule: Schedule, horizon: int, lr: float | None = None) -> ScheduleView:
    """A schedule at every step of its horizon."""
    return ScheduleView(schedule, horizon, lr, schedule(np.arange(horizon), horizon))


def schedule_table(view: ScheduleView, every: int | None = None, *, width: int = WIDTH) -> str:
    """Multipliers, and rates where there is a peak rate, as plain text."""
    has_rate = view.lr is not None
    result = empty_table(["step", "multiplier", *(["learning rate"] if has_rate else [])], numeric=(0, 1, 2))
    for step in view.rows(every):
        cells = [f"{step:,}", f"{view.multipliers[step]:.6g}"]
        result.add_row(*cells, *([f"{view.rates[step]:.6g}"] if has_rate else []))
    return rendered(result, width)


def schedule_summary(view: ScheduleView, every: int = 1) -> dict[str, Any]:
    """The same as plain values (schema 1); `lr` is null where no peak rate was given."""
    steps = view.rows(every)
    rates = None if view.lr is None else [float(view.rates[step]) for step in steps]
    return {
        "schema": 1,
        "schedule": {"name": view.schedule.name, "formula": view.schedule.formula, "settings": _finite(view.schedule.settings)},
        "horizon": view.horizon,
        "lr": view.lr,
        "steps": steps,
        "multipliers": [float(view.multipliers[step]) for step in steps],
        "rates": rates,
    }


def schedule_figure(view: ScheduleView, path: str | os.PathLike[str] | None = None, *, theme: str = "light") -> Figure:
    """The rate at every step.

    Args:
        view: what to draw.
        path: where to write it, as PNG, SVG or PDF by its suffix; None to write nothing.
        theme: "light" or "dark".

    Raises:
        InputError: unknown suffix or theme, or the file cannot be written.
    """
    target = None if path is None else checked(Path(path))
    look = theme_named(theme)
    figure = blank((7.0, 3.6), look)
    axes = figure.subplots()
    draw_schedule(axes, view, look)
    titled(axes, look, view.title, across="step", up="multiplier of the peak rate" if view.lr is None else "learning rate")
    if target is not None:
        save(figure, target)
    return figure


def gallery_figure(views: Sequence[ScheduleView], path: str | os.PathLike[str], *, across: int = 5, theme: str = "light") -> Figure:
    """Small pictures of several schedules side by side."""
    look = theme_named(theme)
    across = min(across, len(views))
    down = -(-len(views) // across)
    figure = blank((max(2.1 * across, 4.2), max(1.6 * down, 2.4)), look)
    grid = figure.subplots(down, across, sharey=True, sharex=True, squeeze=False).flatten()
    for axes, view in zip(grid, views, strict=False):
        draw_schedule(axes, view, look)
        axes.set_title(view.title, color=look.ink, fontsize=TICK, loc="left")
    for axes in grid[len(views) :]:
        axes.set_axis_off()
    save(figure, checked(Path(path)))
    return figure


def gallery_text(views: Sequence[ScheduleView], *, width: int = WIDTH) -> str:
    """The multipliers of several schedules at quarters of the horizon."""
    shares = (0.0, 0.25, 0.5, 0.75, 1.0)
    result = empty_table(["schedule", *(f"{100 * share:g} %" for share in shares)], numeric=range(1, len(shares) + 1))
    for view in views:
        steps = [round(share * (view.horizon - 1)) for share in shares]
        result.add_row(view.title, *(f"{view.multipliers[step]:.3g}" for step in steps))
    below = f"Multipliers of the peak rate over {views[0].horizon:,} steps, each schedule with its own defaults."
    return f"{rendered(result, width).rstrip()}\n{below}"


def gallery_summary(views: Sequence[ScheduleView]) -> dict[str, Any]:
    """The same at every step as plain values (schema 1)."""
    return {"schema": 1, "figure": "schedules", "schedules": [schedule_summary(view) for view in views]}


def draw_schedule(axes: Axes, view: ScheduleView, look: Theme) -> None:
    """The curve from zero up, the warm-up shaded."""
    dress(axes, look)
    steps, values = thinned(view.rates, columns=COLUMNS, span=view.horizon)
    mark = "o" if view.horizon <= FEW else ""
    # A rate holds for its whole step, and falls at once to the next.
    style = "steps-mid" if view.horizon <= FEW else "default"
    axes.plot(steps, values, color=look.colors[0], linewidth=1.6, marker=mark, markersize=3, drawstyle=style)
    if view.warmup:
        axes.axvspan(0, view.warmup, color=look.grid, zorder=0, linewidth=0)
        place = axes.get_xaxis_transform()
        axes.text(view.warmup, 0.02, " warm-up ends", color=look.faint, fontsize=NOTE, transform=place, ha="left", va="bottom")
    axes.set_ylim(bottom=0.0)
    axes.set_xlim(0, max(view.horizon - 1, 1))


def schedule_csv(view: ScheduleView, every: int = 1) -> str:
    """Step, multiplier and rate as CSV, numbers in full."""
    has_rate = view.lr is not None
    lines = ["step,multiplier,lr" if has_rate else "step,multiplier"]
    for step in view.rows(every):
        numbers = [float(view.multipliers[step]), *([float(view.rates[step])] if has_rate else [])]
        lines.append(",".join([str(step), *map(repr, numbers)]))
    return "\n".join(lines) + "\n"


def _finite(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings for JSON, which has no infinity."""
    return {key: str(value) if isinstance(value, float) and not math.isfinite(value) else value for key, value in settings.items()}


def _short(value: object) -> str:
    if isinstance(value, (tuple, list)):
        return f"({', '.join(map(_short, value))})"
    if isinstance(value, Mapping):
        return "..."
    return f"{value:.4g}" if isinstance(value, float) else str(value)
