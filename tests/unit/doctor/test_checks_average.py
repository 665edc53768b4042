"""Averages that are evaluated: whether they follow the weights."""

import numpy as np
import pytest

from ravine.doctor.checks_average import BEHIND, STALE, averages
from ravine.doctor.evaluated import Evaluated
from watched_loops import log


def run(way=0.1, dtype="bfloat16", validation=(1.9, 1.9, 1.9, 1.9), end=0.1, statistics=None):
    seen = [Evaluated(1, (float(n),), (float(n if statistics is None else statistics),), (float(n),), way, dtype) for n in range(4)]
    values = [(150 * place, {"loss": value}) for place, value in enumerate(validation)]
    return log(losses=np.linspace(2.0, end, 600).tolist(), evaluated=seen, validations=values)


def titles(found):
    return [finding.title for finding in averages(found)]


def test_an_average_that_stays_behind_is_named_with_its_type():
    (found,) = averages(run())
    assert (found.severity, found.title) == ("warning", BEHIND)
    assert found.measured == "went 10% of the way of the trained weights since the first evaluation; it is kept in bfloat16"
    assert "in bfloat16 small steps are lost in rounding" in found.remedy
    (wide,) = averages(run(dtype=""))
    assert "1 / (1 - decay) steps" in wide.remedy


def test_without_a_loss_only_a_narrow_one_is_told():
    assert [titles(run(validation=(), dtype=dtype)) for dtype in ("bfloat16", "")] == [[BEHIND], []]


@pytest.mark.parametrize(
    "changes",
    [{"way": 0.6}, {"way": float("nan")}, {"validation": (1.9, 0.5, 0.5, 0.5)}, {"end": 1.5}],
    ids=["follows", "not known", "validation follows", "training does not fall"],
)
def test_and_not_where_it_follows(changes):
    assert titles(run(**changes)) == []


def test_old_statistics():
    assert titles(run(way=1.0, statistics=0)) == [STALE]
    assert titles(log()) == []
