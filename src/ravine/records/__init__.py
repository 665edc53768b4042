"""The `.ravine` record: writing it, reading it, and what its numbers permit one to say."""

from ravine.records.comparison import Pair
from ravine.records.entrants import FinalLane, TunedLane
from ravine.records.ranking import ALPHA, Cost, Ranking, RankingSettings, is_fragile, rank
from ravine.records.reader import Record, open_record
from ravine.records.rows import Evaluations, Final, Lane, LaneRow, RankedEntrant, Steps
from ravine.records.schema import SCHEMA
from ravine.records.statistics import (
    Difference,
    Interval,
    holm,
    mean_interval,
    median_interval,
    paired_difference,
    steps_to_target,
    unpaired_difference,
)
from ravine.records.store import Writer, create, resume
from ravine.records.targets import MEDIUM, SMALLEST_REGRET, Targets, regret

__all__ = [
    "ALPHA",
    "MEDIUM",
    "SCHEMA",
    "SMALLEST_REGRET",
    "Cost",
    "Difference",
    "Evaluations",
    "Final",
    "FinalLane",
    "Interval",
    "Lane",
    "LaneRow",
    "Pair",
    "RankedEntrant",
    "Ranking",
    "RankingSettings",
    "Record",
    "Steps",
    "Targets",
    "TunedLane",
    "Writer",
    "create",
    "holm",
    "is_fragile",
    "mean_interval",
    "median_interval",
    "open_record",
    "paired_difference",
    "rank",
    "regret",
    "resume",
    "steps_to_target",
    "unpaired_difference",
]
