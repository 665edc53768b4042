"""Where a formula of the user's own is lowest within a piece of the plane: looked for on a grid, then followed down."""

import numpy as np
import scipy  # as a whole: its parts then load on first use, and take as long as much of ravine
import torch

from ravine.surfaces.formula import Formula

GRID = 201
"""Points along each side that are looked at first."""

FOLLOWED = 24
"""Hollows of the grid, the lowest ones, from which the way down is followed."""

SAME_HEIGHT = 1e-9
"""Minima whose heights differ by less than this share (of the range on the grid) are equally deep."""

APART = 1e-3
"""Share of the domain's side: closer ones are one."""

HIGHEST = 1e300
"""Heights and slopes beyond count as infinite: their differences would be, and no axis has ticks for them."""

EVALUATIONS = 300
"""Of the formula on the way down from one hollow: a smooth one takes a tenth, and one that falls without end would take them all."""


def find_minima(formula: Formula, domain: tuple[tuple[float, float], tuple[float, float]]) -> tuple[tuple[float, float], ...]:
    """The lowest points inside the domain; none if it is lowest at its rim, where it may go on falling.

    None either where there is no lowest point: it falls without end, or is as low in more places than are followed, as along
    the floor of a valley.

    Args:
        formula: the function.
        domain: ((least x, greatest x), (least y, greatest y)).
    """
    axes = [np.linspace(low, high, GRID) for low, high in domain]
    x, y = np.meshgrid(*axes)
    with torch.no_grad():
        heights = formula(torch.from_numpy(x), torch.from_numpy(y)).numpy()
    if (heights < -HIGHEST).any() or not (heights <= HIGHEST).any():
        return ()
    heights = np.where(heights <= HIGHEST, heights, np.inf)
    rim = min(heights[[0, -1]].min(), heights[:, [0, -1]].min())
    hollows = _hollows(heights)
    ends = [_down(formula, (float(x[place]), float(y[place])), domain) for place in hollows[:FOLLOWED]]
    lowest = min((height for _, height in ends), default=np.inf)
    span = np.ptp(heights[np.isfinite(heights)])
    falls = lowest < heights.min() - span
    if falls or lowest >= rim - SAME_HEIGHT * span:
        return ()
    deepest = [point for point, height in sorted(ends, key=lambda pair: pair[1]) if height - lowest <= SAME_HEIGHT * span]
    found = _distinct(deepest, domain)
    # Two ways down may lead to one place, so fewer are found than were followed.
    is_cut = len(hollows) > FOLLOWED and len(found) > FOLLOWED // 2
    return () if is_cut else found


def _hollows(heights: np.ndarray) -> list[tuple[int, int]]:
    """Grid points inside that are as low as all of their neighbours, the lowest first."""
    inner = heights[1:-1, 1:-1]
    shifts = [(row, column) for row in (0, 1, 2) for column in (0, 1, 2) if (row, column) != (1, 1)]
    neighbours = [heights[row : row + inner.shape[0], column : column + inner.shape[1]] for row, column in shifts]
    rows, columns = np.nonzero(np.isfinite(inner) & np.all([inner <= other for other in neighbours], axis=0))
    order = np.argsort(inner[rows, columns], kind="stable")
    return [(int(rows[place]) + 1, int(columns[place]) + 1) for place in order]


def _down(
    formula: Formula, point: tuple[float, float], domain: tuple[tuple[float, float], tuple[float, float]]
) -> tuple[tuple[float, float], float]:
    """The minimum that the way down from a point leads to, and its height."""

    def slope(position: np.ndarray) -> tuple[float, np.ndarray]:
        leaf = torch.tensor(position, dtype=torch.float64, requires_grad=True)
        height = formula(*leaf.unbind())
        (gradient,) = torch.autograd.grad(height, leaf)
        return float(height.detach()), gradient.numpy()

    found = scipy.optimize.minimize(
        slope, np.array(point), jac=True, method="L-BFGS-B", bounds=domain, options={"ftol": 0.0, "gtol": 1e-12, "maxfun": EVALUATIONS}
    )
    own, _ = slope(np.array(point))
    if np.isfinite(found.fun) and np.isfinite(found.x).all() and found.fun <= own:
        return (float(found.x[0]), float(found.x[1])), float(found.fun)
    # A tip has no slope, and nothing leads from it: the place is as low as any around it.
    return point, own


def _distinct(
    points: list[tuple[float, float]], domain: tuple[tuple[float, float], tuple[float, float]]
) -> tuple[tuple[float, float], ...]:
    apart = APART * max(high - low for low, high in domain)
    kept: list[tuple[float, float]] = []
    for point in points:
        if all(np.hypot(point[0] - other[0], point[1] - other[1]) > apart for other in kept):
            kept.append(point)
    return tuple(kept)
