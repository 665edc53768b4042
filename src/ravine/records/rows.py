"""What a record holds, as plain values: lanes, evaluations and the rows of the ranking."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneRow:
    """One lane as it was planned.

    Attributes:
        lane: number of the lane, unique in the record.
        stage: "tune" or "final".
        optimizer: registry name.
        lr: peak learning rate.
        schedule: registry name of the schedule.
        seed: lane seed; 0 while tuning, fresh seeds from 1 in the final.
        hypers: the other hypers by symbol, and what else was tuned: "warmup", a share of the horizon, and "batch_size".
    """

    lane: int
    stage: str
    optimizer: str
    lr: float
    schedule: str
    seed: int
    hypers: Mapping[str, Any] = field(default_factory=dict)

    def value(self, name: str) -> Any:
        """What was tuned under a name; weight decay is the hyper `l2` where a rule has it coupled."""
        return self.hypers["l2" if name == "weight_decay" and name not in self.hypers else name]

    def is_set(self, lr: float, hypers: Mapping[str, float]) -> bool:
        """Whether it ran at this rate, with these values of what else was tuned."""
        return self.lr == lr and all(self.value(name) == value for name, value in hypers.items())


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane(LaneRow):
    """One lane with what became of it.

    Attributes:
        status: "waiting", "running", "done", "diverged" or "culled": stopped at a rung of the tuning stage, in good health.
        diverged_at: step at which it diverged.
        reason: why it diverged, or was culled.
        steps_done: steps taken.
        mode: how it was trained, e.g. "loop" or "compiled".
        seconds: time it took, its share where lanes ran together.
    """

    status: str = "waiting"
    diverged_at: int | None = None
    reason: str | None = None
    steps_done: int = 0
    mode: str | None = None
    seconds: float | None = None

    @property
    def culled_at(self) -> int | None:
        """Step of the rung at which it was culled; None if it was not."""
        return self.steps_done if self.status == "culled" else None


@dataclass(frozen=True, slots=True)
class Evaluations:
    """Rows of the evaluations table as equally long columns.

    Attributes:
        lane: lane numbers.
        step: steps.
        split: names of the splits.
        metric: names of the metrics.
        value: values; NaN where the value was not finite.
    """

    lane: np.ndarray
    step: np.ndarray
    split: np.ndarray
    metric: np.ndarray
    value: np.ndarray

    def __len__(self) -> int:
        return len(self.lane)


@dataclass(frozen=True, slots=True)
class Steps:
    """Steps to the used target over the fresh seeds; None stands for never.

    Attributes:
        median: the median, never-reached counted as infinity.
        low: lower end of the median's order-statistic interval.
        high: upper end.
        reached: number of seeds that reached the target.
        seeds: number of seeds that ran.
    """

    median: float | None
    low: float | None
    high: float | None
    reached: int
    seeds: int


@dataclass(frozen=True, slots=True)
class Final:
    """The ranking metric at the last step, over the fresh seeds that did not diverge.

    Attributes:
        metric: name of the metric.
        mean: the mean; None where every lane diverged.
        low: lower end of its t-interval; None below two seeds.
        high: upper end.
    """

    metric: str
    mean: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RankedEntrant:
    """One row of the ranking; the fields are those of `ravine show --json`.

    Attributes:
        rank: 1 for the best estimate.
        optimizer: registry name.
        tied_with: every entrant that cannot be told apart from this one.
        lr: the learning rate it was ranked at.
        lr_window_decades: width of the tuned rates within 5 % of the best one.
        at_grid_edge: whether the best rate sat at the end of its extended grid.
        diverges_at_lr: lowest tuned rate above `lr` that diverged or stayed stuck.
        steps_to_target: steps to the used target.
        final: the ranking metric at the last step.
        bytes_per_parameter: memory for weight, gradient and optimiser state.
        gradients_per_step: gradient evaluations a step.
        seconds_per_step: measured time of one step of one lane.
        schedule: registry name of its schedule; empty in records from before entrants had one each.
        hypers: what was tuned besides the rate, by name; empty where nothing was.
    """

    rank: int
    optimizer: str
    tied_with: tuple[str, ...]
    lr: float
    lr_window_decades: float
    at_grid_edge: bool
    diverges_at_lr: float | None
    steps_to_target: Steps
    final: Final
    bytes_per_parameter: float | None
    gradients_per_step: float | None
    seconds_per_step: float | None
    schedule: str = ""
    hypers: Mapping[str, float] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """The row as `ravine show --json` prints it; numbers that are not finite become None."""
        row = {name: getattr(self, name) for name in self.__dataclass_fields__}
        row["tied_with"] = list(self.tied_with)
        row["hypers"] = {name: finite(value) for name, value in self.hypers.items()}
        for name in ("steps_to_target", "final"):
            part = row[name]
            row[name] = {inner: finite(getattr(part, inner)) for inner in part.__dataclass_fields__}
        return {name: finite(value) for name, value in row.items()}

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> "RankedEntrant":
        """The entrant that `as_json` turned into `row`."""
        nested = {"steps_to_target": Steps(**row["steps_to_target"]), "final": Final(**row["final"])}
        return cls(**{**row, **nested, "tied_with": tuple(row["tied_with"])})


def finite(value: Any) -> Any:
    """`value` as a plain Python value, or None where it is a number that is not finite."""
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value
