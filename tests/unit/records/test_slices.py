"""A slice as plain values, and the barrier between two models."""

import json

import numpy as np
import pytest

from ravine.records.slices import LossSlice


def line(losses, kind="between", ends=(1.0, 0.5)):
    x = np.linspace(-0.25, 1.25, len(losses))
    return LossSlice("tiny", kind, x, None, np.array(losses), np.array([[0.0], [1.0]]), np.array(ends), (), 10, 3)


def test_the_barrier_is_the_highest_point_between_less_the_higher_end():
    assert line([9.0, 1.0, 1.4, 1.7, 0.9, 0.5, 9.0]).barrier == pytest.approx(0.7)
    assert line([9.0, 1.0, 0.9, 0.7, 0.6, 0.5, 9.0]).barrier == 0.0
    assert line([np.nan] * 7).barrier is None
    assert line([1.0] * 7, kind="around").barrier is None


def test_json_has_null_where_a_loss_is_no_number():
    found = json.loads(json.dumps(line([1.0, np.nan, 2.0, 1.0, 1.0, 1.0, 1.0]).summary(), allow_nan=False))
    assert found["losses"][:3] == [1.0, None, 2.0]
    assert found["y"] is None
    square = LossSlice("t", "around", np.zeros(2), np.zeros(2), np.array([[1, np.inf], [2, 3]]), np.zeros((1, 2)), np.ones(1), (), 1, 1)
    assert json.loads(json.dumps(square.summary(), allow_nan=False))["losses"] == [[1.0, None], [2.0, 3.0]]
