"""Fewer points for drawing that show what all of them do: the least and the greatest of every column, in the order they came."""

import numpy as np


def thinned(values: np.ndarray, *, columns: int, span: int) -> tuple[np.ndarray, np.ndarray]:
    """Steps and values of at most two points a column, and of the first and the last point.

    Whatever is finite and shown: a spike of one step stays. Values that are not finite are left out.

    Args:
        values: one for each step from 0 on.
        columns: into how many the whole width is cut.
        span: steps of the whole width, at least as many as there are values.
    """
    steps = np.flatnonzero(np.isfinite(values))
    if steps.size <= 2:
        return steps, values[steps]
    column = steps * columns // max(span, 1)
    found = values[steps]
    # By column, then by value: the first of each run is the least of its column, the last the greatest.
    order = np.lexsort((steps, found, column))
    ends = np.flatnonzero(np.diff(column[order], append=-1))
    begins = np.concatenate([[0], ends[:-1] + 1])
    kept = np.unique(np.concatenate([order[begins], order[ends], [0, steps.size - 1]]))
    return steps[kept], found[kept]
