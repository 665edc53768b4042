"""What came of a race on a surface: every optimiser's path over it, and what was measured of each."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np

Point: TypeAlias = tuple[float, float]


@dataclass(frozen=True, eq=False)
class SurfaceView:
    """A surface as it is drawn.

    Attributes:
        name: what tables call it.
        formula: as text.
        domain: ((least x, greatest x), (least y, greatest y)).
        minima: all of them; empty where none is known.
        start: where paths begin.
        tolerance: distance from a minimum that counts as there.
        floor: the height from which heights are counted: of the minima, or else the lowest that was seen.
        x, y: coordinates of the grid, ascending.
        heights: above the floor, (len(y), len(x)); not finite where the surface is not.
    """

    name: str
    formula: str
    domain: tuple[Point, Point]
    minima: tuple[Point, ...]
    start: Point
    tolerance: float
    floor: float
    x: np.ndarray = field(repr=False)
    y: np.ndarray = field(repr=False)
    heights: np.ndarray = field(repr=False)


@dataclass(frozen=True, eq=False)
class SurfacePath:
    """The way of one optimiser at one rate.

    Attributes:
        optimizer: as it was entered.
        lr: its rate.
        seed: of the noise.
        positions: (steps + 1, 2), the start first; NaN once diverged.
        heights: above the floor, (steps + 1,); NaN once diverged.
        steps_to_minimum: the first step from which on it stays within the tolerance of a minimum, under noise the first that
            ends there; None if there is none.
        final_distance: from the nearest minimum; None if it diverged, or no minimum is known.
        final_height: mean over the last tenth of the steps; None if it diverged.
        overshoot: how far it went beyond the minimum that it came closest to at its end, along the line from the start to
            there and as a share of its length; None where `final_distance` is.
        length: of the way; None if it diverged.
        directness: straight distance from its start to its end as a share of its length; None if it diverged or did not move.
        turns: steps that go back: their product with the step before is negative.
        diverged_at: the first step that ended far outside for good, or in no number; None if none did.
        at_grid_edge: whether its rate is the least or the greatest that was tried.
    """

    optimizer: str
    lr: float
    seed: int
    positions: np.ndarray = field(repr=False)
    heights: np.ndarray = field(repr=False)
    steps_to_minimum: int | None
    final_distance: float | None
    final_height: float | None
    overshoot: float | None
    length: float | None
    directness: float | None
    turns: int
    diverged_at: int | None
    at_grid_edge: bool = False

    def as_json(self) -> dict[str, Any]:
        """The path as JSON values: every position until it diverged."""
        known = np.isfinite(self.positions).all(axis=1)
        heights = [float(height) if np.isfinite(height) else None for height in self.heights[known]]
        names = ("optimizer", "lr", "seed", *MEASURED, "diverged_at", "at_grid_edge")
        return {**{name: getattr(self, name) for name in names}, "positions": self.positions[known].tolist(), "heights": heights}


MEASURED = ("steps_to_minimum", "final_distance", "final_height", "overshoot", "length", "directness", "turns")
"""What is measured of a path, in the order of its attributes."""


@dataclass(frozen=True, slots=True)
class TriedRate:
    """What tuning saw of one rate.

    Attributes:
        optimizer, lr, seed: whose path it was.
        steps_to_minimum, final_height, diverged_at: as of `SurfacePath`.
    """

    optimizer: str
    lr: float
    seed: int
    steps_to_minimum: int | None
    final_height: float | None
    diverged_at: int | None


@dataclass(frozen=True, eq=False)
class SurfaceRace:
    """Paths over one surface.

    Attributes:
        surface: what they go over.
        paths: in the order in which the optimisers were entered, each with all of its seeds.
        tried: every rate that tuning saw.
        steps: of each path.
        noise: standard deviation of what is added to both entries of every gradient.
        tuned: whether every optimiser has its own rate, found on `grid`.
        grid: rates that were tried, ascending.
        protocol: one sentence on how rates were chosen, and what the numbers mean.
        left_out: optimisers that "all" does not cover -> why.
    """

    surface: SurfaceView
    paths: tuple[SurfacePath, ...]
    tried: tuple[TriedRate, ...] = field(repr=False)
    steps: int
    noise: float
    tuned: bool
    grid: tuple[float, ...]
    protocol: str
    left_out: Mapping[str, str] = field(default_factory=dict)

    def path(self, optimizer: str, seed: int | None = None) -> SurfacePath:
        """The path of an optimiser, of its first seed if none is given.

        Raises:
            KeyError: there is none.
        """
        for path in self.paths:
            if path.optimizer == optimizer and seed in (None, path.seed):
                return path
        raise KeyError(optimizer)

    def summary(self) -> dict[str, Any]:
        """The race as JSON values (schema 1)."""
        surface = self.surface
        return {
            "schema": 1,
            "surface": {
                "name": surface.name,
                "formula": surface.formula,
                "domain": [list(side) for side in surface.domain],
                "minima": [list(point) for point in surface.minima],
                "start": list(surface.start),
                "tolerance": surface.tolerance,
                "floor": surface.floor,
            },
            "protocol": {
                "steps": self.steps,
                "noise": self.noise,
                "tuned": self.tuned,
                "lr_grid": list(self.grid),
                "left_out": dict(self.left_out),
                "sentence": self.protocol,
            },
            "paths": [path.as_json() for path in self.paths],
        }
