"""Evaluations of the fresh seeds together: the median over them and their extremes, for every split and metric that was measured."""

import math
from collections.abc import Sequence

import numpy as np

from ravine.records import Record
from ravine.report.facts import Facts
from ravine.report.packed import floats
from ravine.report.views import LaneEvaluations, Measure


def band_of(values: np.ndarray, *, worst_is_high: bool | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Median, least and greatest over lanes at every evaluation; NaN where there is none.

    A lane without a value, as one that diverged, counts as the worst, so the median ends where half the lanes have.

    Args:
        values: (lanes, evaluations).
        worst_is_high: whether lower is better; None where that is not known: the median then ends with the first lane.
    """
    known = np.where(np.isfinite(values), values, np.nan)
    low, high = np.fmin.reduce(known, axis=0), np.fmax.reduce(known, axis=0)
    worst = math.nan if worst_is_high is None else math.inf if worst_is_high else -math.inf
    filled = np.where(np.isfinite(values), values, worst)
    middle = np.sort(filled, axis=0)[len(filled) // 2 if worst_is_high is False else (len(filled) - 1) // 2]
    middle[~np.isfinite(middle) | np.isnan(filled).any(axis=0)] = np.nan
    return middle, low, high


def measures(record: Record, facts: Facts) -> list[Measure]:
    """Every metric on every split on which the ranked lanes were evaluated, the one that ranks first; none before there is a ranking."""
    if not facts.ranking:
        return []
    groups = [[lane.lane for lane in facts.final_lanes(entrant)] for entrant in facts.ranking]
    places = {lane: place for place, lane in enumerate(lane for group in groups for lane in group)}
    found = record.evaluations(stage="final")
    own = np.isin(found.lane, list(places))
    kinds = sorted(set(zip(found.split[own].tolist(), found.metric[own].tolist(), strict=True)))
    kinds.sort(key=lambda kind: kind != (facts.split, facts.metric))
    result = list[Measure]()
    for split, metric in kinds:
        chosen = own & (found.split == split) & (found.metric == metric)
        steps, columns = np.unique(found.step[chosen], return_inverse=True)
        values = np.full((len(places), len(steps)), np.nan)
        values[[places[lane] for lane in found.lane[chosen].tolist()], columns] = found.value[chosen]
        measure: Measure = {"split": split, "metric": metric, "steps": steps.tolist(), "bands": []}
        for place, group in enumerate(groups):
            rows = values[[places[lane] for lane in group]]
            if np.isfinite(rows).any():
                middle, low, high = band_of(rows, worst_is_high=_worst_is_high(facts, metric))
                measure["bands"].append({"entrant": place, "median": floats(middle), "low": floats(low), "high": floats(high)})
        result.append(measure)
    return result


def lane_evaluations(record: Record, lanes: Sequence[int], split: str, metric: str) -> LaneEvaluations:
    """Evaluations of lanes one by one; lanes that have none of this kind are left out."""
    found = record.evaluations(split=split, metric=metric)
    own = np.isin(found.lane, list(lanes))
    steps, columns = np.unique(found.step[own], return_inverse=True)
    numbers, rows = np.unique(found.lane[own], return_inverse=True)
    values = np.full((len(numbers), len(steps)), np.nan)
    values[rows, columns] = found.value[own]
    return {"lanes": numbers.tolist(), "steps": steps.tolist(), "values": floats(values)}


def _worst_is_high(facts: Facts, metric: str) -> bool | None:
    """Whether lower is better, as far as a record says."""
    if metric == facts.metric:
        return not facts.higher_is_better
    return True if metric == "loss" else None
