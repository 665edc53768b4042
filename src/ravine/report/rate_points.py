"""What every rate came to: the points of the rate sensitivity, drawn by the figure and by the page."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ravine.records import Lane, Record
from ravine.report.facts import Facts


@dataclass(frozen=True, slots=True)
class RateValues:
    """Of one race, each by (optimizer, rate).

    Attributes:
        lanes: whose values they are.
        stage: theirs.
        split: that was measured.
        starts: first values, finite ones only.
        lasts: last finite value of each of `lanes` that has any, by number.
        finals: where a lane came to its end.
        early: what lanes had come to that tuning ended early.
    """

    lanes: tuple[Lane, ...]
    stage: str
    split: str
    starts: np.ndarray
    lasts: Mapping[int, float]
    finals: Mapping[tuple[str, float], float]
    early: Mapping[tuple[str, float], float]


def rate_values(record: Record, facts: Facts) -> RateValues:
    """Tuning's values; those of the final where nothing was tuned."""
    stage, split = ("tune", "validation") if any(lane.stage == "tune" for lane in facts.lanes) else ("final", facts.split)
    lanes = tuple(lane for lane in facts.lanes if lane.stage == stage)
    ends = record.ends(stage=stage, split=split, metric=facts.metric)
    lasts = {lane: last for lane, (_, last) in ends.items()}
    # Of several settings tried at one rate, tuning went on with the best; of several seeds at a shared rate, the middle one stands for all.
    several = np.median if stage == "final" else np.max if facts.higher_is_better else np.min
    finals, early = (_by_rate(lanes, lasts, status, several) for status in ("done", "culled"))
    return RateValues(lanes, stage, split, np.array([first for first, _ in ends.values()]), lasts, finals, early)


def _by_rate(lanes: Sequence[Lane], lasts: Mapping[int, float], status: str, several: Callable[..., Any]) -> dict[tuple[str, float], float]:
    """The last value of every (optimizer, lr) of lanes with a status, `several` of them where more than one lane ran."""
    found: dict[tuple[str, float], list[float]] = {}
    for lane in lanes:
        if lane.status == status and lane.lane in lasts:
            found.setdefault((lane.optimizer, lane.lr), []).append(lasts[lane.lane])
    return {key: float(several(group)) for key, group in found.items()}
