"""Inputs that are always the same, and gradients that are changed too late."""

import numpy as np
import pytest

from ravine.doctor.checks_steps import LATE, SAME_ROWS, steps
from ravine.doctor.loop_log import Looked
from watched_loops import log, measured


def run(batches=(7,) * 6, left=(), validation=1.0, end=0.1):
    looks = [Looked(100 * n, measured(left=list(left)), 0.1, rows=8, batch=batch) for n, batch in enumerate(batches)]
    values = [(100 * n, {"loss": validation}) for n in range(6)]
    return log(looks=looks, losses=np.linspace(2.0, end, 600).tolist(), validations=values)


def titles(found):
    return [finding.title for finding in steps(found)]


def test_the_same_inputs_at_every_look():
    (found,) = steps(run())
    assert (found.severity, found.title) == ("warning", SAME_ROWS)
    assert found.measured.startswith("the same numbers at all 6 looks, 8 rows; training fell from 1.997 to 0.1")


@pytest.mark.parametrize(
    "changes",
    [{"batches": (7, 7, 7, 7, 7, 8)}, {"batches": (7, 7)}, {"batches": (None,) * 6}, {"validation": 0.3}, {"end": 1.5}],
    ids=["others", "too few looks", "not known", "all rows there are", "nothing is learnt"],
)
def test_and_not_where_they_are_others_or_validation_follows(changes):
    assert titles(run(**changes)) == []


OTHERS = (1, 2, 3, 4, 5, 6)
NAN = float("nan")


@pytest.mark.parametrize(
    ("left", "expected"),
    [((0.5, 0.5), [LATE]), ((0.5, 1.0), [LATE]), ((1.0, 1.0), []), ((0.0, 0.0), []), ((NAN, NAN), []), ((0.5, 2.0), []), ((), [])],
    ids=["clipped", "one clipped", "left", "zeroed", "none", "another pass", "not measured"],
)
def test_gradients_that_are_made_smaller_after_the_step(left, expected):
    assert titles(run(batches=OTHERS, left=left)) == expected


def test_one_look_is_too_few():
    found = run(batches=OTHERS, left=(1.0, 1.0))
    found.looks[0].measured.left[:] = [0.5, 0.5]
    assert titles(found) == []
