"""What is measured of paths: when they arrive and stay, how far they miss, overshoot and wander, and whether they are lost.

T steps, L paths.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from ravine.surfaces.functions import Surface

FAR = 10.0
"""Diagonals of the domain: a path that ends farther from its middle than that is lost."""

LATE = 0.1
"""Share of the steps, the last ones, over which the final height is a mean: where a path ends up, not where it happens to stop."""


@dataclass(frozen=True, eq=False)
class Measured:
    """Many paths and their measures.

    Attributes:
        positions: (T + 1, L, 2), NaN from where a path is lost.
        heights: above the floor, (T + 1, L).
        distances: from the nearest minimum, (T + 1, L); all NaN where no minimum is known.
        floor: from which heights are counted.
        diverged_at: (L,), 0 where a path is not lost.
        arrived: step of the arrival, (L,), infinite where a path does not come to stay.
        final_heights: (L,), infinite where a path is lost.
        stays: (L,), whether a path never leaves the domain.
    """

    positions: np.ndarray
    heights: np.ndarray
    distances: np.ndarray
    floor: float
    diverged_at: np.ndarray
    arrived: np.ndarray
    final_heights: np.ndarray
    stays: np.ndarray


def measure(surface: Surface, positions: np.ndarray, *, floor: float | None = None, is_noisy: bool = False) -> Measured:
    """Everything that tuning looks at.

    Args:
        surface: what the paths go over.
        positions: (T + 1, L, 2), NaN where a path has come to no number.
        floor: where none is known of the surface; the lowest height of any path if None.
        is_noisy: whether a path counts as arrived when it is first there, since noise drives it out again.
    """
    with np.errstate(all="ignore"):
        diverged_at = _lost(surface, positions)
        steps = np.arange(len(positions))[:, None]
        positions = np.where((steps >= diverged_at)[..., None] & (diverged_at > 0)[:, None], np.nan, positions)
        raw = surface(positions)
        known = surface.floor if surface.minima else floor
        floor = float(np.nanmin(raw)) if known is None else known
        heights = raw - floor
        distances = _distances(surface, positions)
        late = heights[-max(1, round(LATE * (len(positions) - 1))) :].mean(axis=0)
    near = distances <= surface.tolerance
    arrived = _first(near) if is_noisy else _arrived(near)
    final = np.where(np.isfinite(late), late, np.inf)
    low, high = np.array(surface.domain).T
    stays = ((positions >= low) & (positions <= high)).all(axis=(0, 2))
    return Measured(positions, heights, distances, floor, diverged_at, arrived, final, stays)


def details(surface: Surface, found: Measured, place: int) -> dict[str, Any]:
    """The attributes of a `SurfacePath` that are measured."""
    positions, is_lost = found.positions[:, place], bool(found.diverged_at[place])
    moves = np.diff(positions[np.isfinite(positions).all(axis=1)], axis=0)
    length = float(np.hypot(*moves.T).sum())
    straight = float(np.hypot(*(positions[-1] - positions[0])))
    has_end = not is_lost and bool(surface.minima)
    return {
        "steps_to_minimum": int(found.arrived[place]) if math.isfinite(found.arrived[place]) else None,
        "final_distance": float(found.distances[-1, place]) if has_end else None,
        "final_height": None if is_lost else float(found.final_heights[place]),
        "overshoot": _overshoot(surface, positions) if has_end else None,
        "length": None if is_lost else length,
        "directness": None if is_lost or length == 0 else straight / length,
        "turns": int((np.einsum("tk,tk->t", moves[1:], moves[:-1]) < 0).sum()),
        "diverged_at": int(found.diverged_at[place]) if is_lost else None,
    }


def _lost(surface: Surface, positions: np.ndarray) -> np.ndarray:
    """The first step from which on a path is far outside or nowhere for good; 0 where it ends inside."""
    low, high = np.array(surface.domain).T
    is_out = ~(np.hypot(*np.moveaxis(positions - (low + high) / 2, -1, 0)) <= FAR * np.hypot(*(high - low)))
    is_out |= ~np.isfinite(surface(positions))
    # A path may begin outside; it is its steps that lose it.
    back = len(positions) - np.argmax(~is_out[::-1], axis=0)
    return np.where(is_out[-1], np.where(is_out.all(axis=0), 1, back), 0)


def _distances(surface: Surface, positions: np.ndarray) -> np.ndarray:
    found = np.full(positions.shape[:-1], np.nan)
    for minimum in surface.minima:
        found = np.fmin(found, np.hypot(*np.moveaxis(positions - np.array(minimum), -1, 0)))
    return found


def _arrived(is_near: np.ndarray) -> np.ndarray:
    """The first step from which on a path is near for good, as floats; infinite without any."""
    back = len(is_near) - np.argmax(~is_near[::-1], axis=0)
    first = np.where(is_near.all(axis=0), 0, back)
    return np.where(is_near[-1], first, np.inf).astype(float)


def _first(is_near: np.ndarray) -> np.ndarray:
    """The first step that ends near, whatever comes after it."""
    return np.where(is_near.any(axis=0), np.argmax(is_near, axis=0), np.inf).astype(float)


def _overshoot(surface: Surface, positions: np.ndarray) -> float | None:
    """How far the path went beyond the minimum that is nearest to its end; None where it began there."""
    minima = np.array(surface.minima)
    target = minima[np.argmin(np.hypot(*(minima - positions[-1]).T))]
    way = target - positions[0]
    distance = float(np.hypot(*way))
    if distance == 0:
        return None
    return max(0.0, float((((positions - target) @ way) / distance**2).max()))
