"""Training losses for a page that zooms: thinned to what its width shows, every step where the range is narrow enough."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ravine.records import Record
from ravine.report.facts import Facts
from ravine.report.packed import floats, wholes
from ravine.report.thinning import thinned
from ravine.report.views import LaneCurves, LossBand, LossBands


@dataclass(frozen=True, slots=True)
class Window:
    """Steps that are shown.

    Attributes:
        start: the first.
        stop: the step behind the last, above `start`.
        columns: how many places across the page has; a curve has at most two points in each.
    """

    start: int
    stop: int
    columns: int

    @property
    def width(self) -> int:
        """Number of steps."""
        return self.stop - self.start


def whole_window(facts: Facts, *, columns: int, recorded: int = 0) -> Window:
    """All steps of a race.

    Args:
        facts: of the record.
        columns: see `Window`.
        recorded: losses of its longest lane.
    """
    planned = int(facts.protocol.get("steps") or 0)
    return Window(0, max(planned, recorded, *(lane.steps_done for lane in facts.lanes), 1), columns)


def lane_curves(record: Record, lanes: Sequence[int], window: Window, *, exact: Sequence[int] = ()) -> LaneCurves:
    """Curves of lanes; those with at most two losses a column, and those of `exact`, have every loss."""
    whole = set(exact)
    numbers, firsts, is_exact, broken = list[int](), list[int](), list[bool](), list[int | None]()
    steps, values = list[np.ndarray](), list[np.ndarray]()
    for lane, first, losses in record.losses_of(lanes, start=window.start, stop=window.stop):
        begin = max(first, window.start)
        own = losses[begin - first : window.stop - first]
        lost = np.flatnonzero(~np.isfinite(own))
        is_all = lane in whole or len(own) <= 2 * window.columns
        places, kept = (np.arange(len(own)), own) if is_all else thinned(own, columns=window.columns, span=window.width)
        numbers.append(lane)
        firsts.append(begin)
        is_exact.append(is_all)
        broken.append(begin + int(lost[0]) if lost.size else None)
        steps.append(places[:0] if is_all else places + (begin - window.start))
        values.append(kept)
    nothing = np.empty(0)
    return {
        "start": window.start,
        "stop": window.stop,
        "columns": window.columns,
        "lanes": numbers,
        "counts": [len(kept) for kept in values],
        "first": firsts,
        "is_exact": is_exact,
        "broken": broken,
        "steps": wholes(np.concatenate([nothing, *steps]), below=window.width),
        "values": floats(np.concatenate([nothing, *values])),
    }


def loss_bands(record: Record, facts: Facts, names: Sequence[str], window: Window) -> LossBands:
    """Each entrant's lanes as bands: those that it was ranked by, and all others.

    Args:
        record: the record.
        facts: of it.
        names: of the entrants.
        window: what is shown.
    """
    ranked = {lane.lane for entrant in facts.ranking for lane in facts.final_lanes(entrant)}
    diverged = {lane.lane for lane in facts.diverged}
    edges = _edges(window)
    bands = list[LossBand]()
    for entrant, name in enumerate(names):
        own = [lane.lane for lane in facts.lanes if lane.optimizer == name]
        for group in ("ranked", "other"):
            lanes = [lane for lane in own if (lane in ranked) == (group == "ranked")]
            matrix = _losses(record, lanes, window, diverged)
            if matrix.size:
                bands.append(_band(matrix, edges, entrant, is_ranked=group == "ranked"))
    return {"start": window.start, "stop": window.stop, "steps": (window.start + edges[1:] - 1).tolist(), "bands": bands}


def _edges(window: Window) -> np.ndarray:
    """Where columns begin, counted from the window's start, and where the last one ends."""
    columns = min(window.columns, window.width)
    return np.arange(columns + 1) * window.width // columns


def _losses(record: Record, lanes: Sequence[int], window: Window, diverged: set[int]) -> np.ndarray:
    """Losses (lanes, steps): NaN where a lane has none, infinite from where a lane that diverged ended or was not finite."""
    rows = []
    for lane, first, losses in record.losses_of(lanes, start=0 if diverged & set(lanes) else window.start, stop=window.stop):
        row = np.full(window.width, math.inf if lane in diverged else np.nan, dtype=np.float32)
        begin = max(first, window.start)
        own = losses[begin - first : window.stop - first]
        row[begin - window.start : begin - window.start + len(own)] = np.where(np.isfinite(own), own, math.inf)
        rows.append(row)
    return np.array(rows, dtype=np.float32).reshape(len(rows), window.width)


def _band(matrix: np.ndarray, edges: np.ndarray, entrant: int, *, is_ranked: bool) -> LossBand:
    shown = np.where(np.isfinite(matrix), matrix, np.nan)
    # fmin and fmax pass over NaN, and warn of none.
    low = np.fmin.reduce(np.fmin.reduceat(shown, edges[:-1], axis=1), axis=0)
    high = np.fmax.reduce(np.fmax.reduceat(shown, edges[:-1], axis=1), axis=0)
    last = matrix[:, edges[1:] - 1]
    return {
        "entrant": entrant,
        "group": "ranked" if is_ranked else "other",
        "low": floats(low),
        "high": floats(high),
        "median": floats(_median(last)),
        "count": np.isfinite(last).sum(axis=0).tolist(),
    }


def _median(values: np.ndarray) -> np.ndarray:
    """Median of each column over what is there; NaN where that is not finite, or nothing is."""
    ordered = np.sort(values, axis=0)  # NaN comes last
    there = (~np.isnan(values)).sum(axis=0)
    upper = np.minimum(there // 2, len(values) - 1)
    lower = np.maximum((there - 1) // 2, 0)
    columns = np.arange(values.shape[1])
    middle = (ordered[lower, columns] + ordered[upper, columns]) / 2
    return np.where(np.isfinite(middle), middle, np.nan)
