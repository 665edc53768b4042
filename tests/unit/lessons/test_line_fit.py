from dataclasses import replace

import numpy as np
import pytest

from lesson_checks import check, holding, measured
from ravine.lessons import get
from ravine.lessons import line_fit as lesson
from ravine.lessons._running import carry_out

SMALL = lesson.Settings(epochs=25, seeds=10)


@pytest.fixture(scope="module")
def outcome():
    return check(carry_out(replace(get("line-fit"), quick=SMALL), quick=True))


def test_every_stated_optimiser_learns_the_line(outcome):
    told = {one.part.number: one.holds for one in outcome.judged}
    assert [told[f"{name} learns"] for name in lesson.STATED] == [True, True, True]


def test_after_one_epoch_nobody_has_learnt_it():
    told = holding(lesson.PARTS, measured("line-fit", lesson.Settings(epochs=1, seeds=10)).numbers)
    assert told["adam learns"] is False


def test_each_seed_is_a_run_of_its_own():
    """The first of ten seeds has the error that it has among twenty: only what the stream draws differs, not the arithmetic."""
    errors = lesson._fit("adam", lesson.Settings(epochs=2, seeds=10))
    assert errors.keys() == {("adam", rate, noise) for rate in lesson.RATES for noise in (0.2, 0.5)}
    assert all(error.shape == (10,) and np.isfinite(error).all() for error in errors.values())
    assert not np.allclose(errors["adam", 0.1, 0.2], errors["adam", 0.1, 0.5])


@pytest.mark.slow
def test_the_quick_form():
    check(carry_out(get("line-fit"), quick=True))
