import numpy as np
import pytest

from lesson_checks import reading
from ravine.lessons import _readings as readings


@pytest.fixture(scope="module")
def raced():
    with readings.raced("line", optimizers=["sgd", "adam"], shared_lr=0.1, steps=16, seeds=3) as result:
        yield readings.read(result), result.summary()


def test_final_values_are_those_that_rank(raced):
    found, summary = raced
    assert list(found) == [row["optimizer"] for row in summary["ranking"]]
    for row in summary["ranking"]:
        one = found[row["optimizer"]]
        assert one.finals.mean() == pytest.approx(row["final"]["mean"])
        assert (one.lr, one.diverged, one.values.shape) == (0.1, 0, (3, len(one.steps)))
        assert one.log_finals == pytest.approx(np.log10(one.finals))


def test_race_is_read_at_once():
    found = readings.race("line", optimizers=["sgd"], shared_lr=0.1, steps=4, seeds=2)
    assert found["sgd"].finals.shape == (2,)


def broken():
    one = reading("sgd", [0.1, 0.2, 0.3])
    values = np.array([[2.0, 1.0, np.nan], [2.0, 1.5, np.nan], [2.0, 0.5, 0.1]])
    return readings.Reading("sgd", 0.1, np.array([2.0, 2.0, 0.1]), one.steps, values, 2)


def test_a_curve_ends_where_half_of_the_seeds_are_lost():
    curve = broken().curve()
    assert (list(curve.x), list(curve.y), curve.is_broken) == ([0, 1], [2.0, 1.0], True)
    assert (list(curve.low), list(curve.high)) == ([2.0, 0.5], [2.0, 1.5])
    assert not reading("sgd", [0.1, 0.2]).curve().is_broken


def test_times_count_to_a_target_that_is_held():
    one = readings.Reading("a", 0.1, np.array([0.1]), np.array([0, 5, 9]), np.array([[1.0, 0.4, 0.1]]), 0)
    assert one.times(0.5).tolist() == [5.0]
    assert one.times(0.2).tolist() == [np.inf]
    assert one.times(0.4, higher_is_better=True).tolist() == [0.0]


def test_a_panel_leaves_out_what_blew_up():
    panel = readings.loss_panel("a", {"sgd": broken(), "adam": reading("adam", [0.1, 0.2, 0.3])})
    assert panel.y_range[1] == 4.0
    assert [curve.name for curve in panel.curves] == ["sgd", "adam"]


def test_lost_lanes_are_noted():
    assert readings.divergences({"sgd": broken(), "adam": reading("adam", [0.1])}) == [
        "sgd diverged in 2 of 3 seeds, which count with their loss at the start."
    ]
