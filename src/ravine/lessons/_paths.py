"""What lessons draw of races on surfaces."""

from collections.abc import Sequence

import numpy as np

from ravine.records.surfaces import SurfaceRace
from ravine.report.panels import Contour, Curve, Panel


def starts(number: int, seed: int, *, x: tuple[float, float], y: tuple[float, float]) -> list[tuple[float, float]]:
    """Places to start from, even over a rectangle and its three mirror images: they are a lesson's seeds on a surface without chance."""
    stream = np.random.default_rng(seed)
    signs = stream.choice([-1.0, 1.0], (number, 2))
    points = signs * np.column_stack([stream.uniform(*x, number), stream.uniform(*y, number)])
    return [(float(a), float(b)) for a, b in points]


def path_panel(title: str, race: SurfaceRace, optimizers: Sequence[str]) -> Panel:
    """The ways of some optimisers over the surface, each from its first seed."""
    view = race.surface
    curves = []
    for name in optimizers:
        path = race.path(name)
        curves.append(Curve(name=name, x=path.positions[:, 0], y=path.positions[:, 1], is_broken=path.diverged_at is not None))
    contour = Contour(x=view.x, y=view.y, z=view.heights)
    return Panel(title=title, across="x", up="y", curves=tuple(curves), contour=contour, x_range=view.domain[0], y_range=view.domain[1])


def height_panel(title: str, race: SurfaceRace, optimizers: Sequence[str], *, least: float = 1e-16) -> Panel:
    """Height above the minimum at each step."""
    curves = []
    for name in optimizers:
        path = race.path(name)
        heights = np.where(np.isfinite(path.heights), np.maximum(path.heights, least), np.nan)
        curves.append(Curve(name=name, x=np.arange(len(heights)), y=heights, is_broken=path.diverged_at is not None))
    return Panel(title=title, across="step", up="height above the minimum", curves=tuple(curves), log_y=True)
