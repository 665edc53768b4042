"""Each optimiser at its own rate: the same grid of rates for all, every rate a lane, and one criterion fixed before."""

import numpy as np

from ravine.surfaces.functions import Surface
from ravine.surfaces.measures import LATE, Measured

LOWEST, HIGHEST, PER_DECADE = -5, 2, 4

GRID = tuple(float(f"{rate:.3g}") for rate in np.logspace(LOWEST, HIGHEST, (HIGHEST - LOWEST) * PER_DECADE + 1))
"""Rates of every optimiser: seven decades, four a decade. On surfaces slopes differ by orders of magnitude, and with them the rates."""


def best_rate(found: Measured, places: np.ndarray, *, is_noisy: bool = False) -> int:
    """Which rate is the best, by its place.

    Of those whose paths stay in the picture, if there are any: an adaptive rule may leap to hundreds of times the distance
    and back, and be the first by that. Then fewest steps to the minimum count, in the median over seeds; between equals, and
    where no rate arrives, the mean final height. Under noise that alone counts: being near for once says little. Where every
    rate diverges it is the least.

    Args:
        found: measures of all paths.
        places: of one optimiser's paths, (rates, seeds), rates ascending.
        is_noisy: whether gradients were.
    """
    steps = np.zeros(len(places)) if is_noisy else np.median(found.arrived[places], axis=1)
    heights = found.final_heights[places].mean(axis=1)
    leaves = ~found.stays[places].all(axis=1)
    return int(np.lexsort((np.arange(len(places)), heights, steps, leaves))[0])


def sentence(surface: Surface, grid: tuple[float, ...], steps: int, *, is_tuned: bool, is_noisy: bool = False) -> str:
    """The protocol, as it is printed beside every table and picture.

    Args:
        surface: what was raced on.
        grid: rates that were tried; one where all share it.
        steps: of each path.
        is_tuned: whether rates were chosen.
        is_noisy: whether gradients were.
    """
    arrival = f"until it {'is first' if is_noisy else 'stays'} within {surface.tolerance:.3g} of a minimum"
    counted = f"; steps are counted {arrival}" if surface.minima else ""
    low = f"the lowest mean height over the last {LATE:.0%} of {steps:,} steps"
    if is_tuned:
        rates = f"the same {len(grid)} rates from {grid[0]:g} to {grid[-1]:g}"
        criterion = f"{low}{counted}" if is_noisy or not surface.minima else f"fewest steps {arrival}, else {low}"
        return f"each optimiser at the best of {rates} whose path stays in the picture: {criterion}"
    if len(grid) == 1:
        return f"every optimiser at the shared rate {grid[0]:g} for {steps:,} steps, which is not the best of each{counted}"
    return f"rates as given, {steps:,} steps{counted}"
