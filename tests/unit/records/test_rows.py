import json

import numpy as np
import pytest

from ravine.records import Final, LaneRow, RankedEntrant, Steps
from ravine.records.rows import finite

ENTRANT = RankedEntrant(
    rank=1,
    optimizer="adam",
    tied_with=("adamw",),
    lr=1e-3,
    lr_window_decades=1.0,
    at_grid_edge=False,
    diverges_at_lr=None,
    steps_to_target=Steps(96.0, 80.0, None, 4, 5),
    final=Final("loss", 0.2, 0.1, 0.3),
    bytes_per_parameter=16.0,
    gradients_per_step=1.0,
    seconds_per_step=float("nan"),
)


def test_as_json_has_the_fields_of_schema_1_and_nothing_else():
    row = ENTRANT.as_json()
    assert set(row) == {
        "rank",
        "optimizer",
        "tied_with",
        "lr",
        "lr_window_decades",
        "at_grid_edge",
        "diverges_at_lr",
        "steps_to_target",
        "final",
        "bytes_per_parameter",
        "gradients_per_step",
        "seconds_per_step",
        "schedule",
        "hypers",
    }
    assert row["steps_to_target"] == {"median": 96.0, "low": 80.0, "high": None, "reached": 4, "seeds": 5}
    assert row["final"] == {"metric": "loss", "mean": 0.2, "low": 0.1, "high": 0.3}
    json.dumps(row, allow_nan=False)


def test_from_json_undoes_as_json():
    row = ENTRANT.as_json()
    assert RankedEntrant.from_json(row).as_json() == row


@pytest.mark.parametrize(
    ("value", "expected"),
    [(float("inf"), None), (float("nan"), None), (np.float32(np.nan), None), (np.int64(3), 3), (0.5, 0.5), ("inf", "inf"), (True, True)],
)
def test_finite_drops_only_numbers_that_are_not(value, expected):
    assert finite(value) == expected
    assert not isinstance(finite(value), np.generic)


def test_a_lane_knows_what_it_was_set_to():
    row = LaneRow(lane=0, stage="tune", optimizer="adam", lr=0.1, schedule="constant", seed=0, hypers={"l2": 0.5, "beta1": 0.9})
    assert row.is_set(0.1, {})
    assert row.is_set(0.1, {"weight_decay": 0.5, "beta1": 0.9})
    assert not row.is_set(0.1, {"weight_decay": 0.5, "beta1": 0.8})
    assert not row.is_set(0.2, {"weight_decay": 0.5})
