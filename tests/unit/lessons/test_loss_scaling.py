import numpy as np
import pytest

from lesson_checks import quick
from ravine.exhibits import cast_gradients
from ravine.lessons import loss_scaling as lesson


def test_what_is_lost_vanishes_or_overflows():
    cast = cast_gradients([1e-9, 1e-3, 1.0, 3.0], ["fp16"], (1.0, 2.0**15))
    assert lesson._lost(cast, "fp16", 1.0) == 0.25
    assert lesson._lost(cast, "fp16", 2.0**15) == 0.25


def test_an_error_is_the_worst_of_its_neighbours():
    sizes = np.full(20, 1.0)
    sizes[10] = 1e-9
    errors = lesson._error(cast_gradients(sizes, ["fp16"]), "fp16", 1.0, sizes)
    assert np.flatnonzero(errors == 1.0).tolist() == list(range(6, 15))


def test_the_quick_form():
    outcome = quick("loss-scaling")
    found = {one.part.number: one.interval.estimate for one in outcome.judged}
    assert (found["vanish"], found["rescued"], found["ceiling"], found["bf16"]) == (1.0, 5.0, 0.0, 5.0)
    also = {label: sample.values[0] for label, sample in outcome.also.items()}
    # Half of 2^-24 is the least that does not become 0, and what is above it becomes 2^-24.
    assert also["4e-08 in fp16 becomes"] == 2.0**-24 == also["smallest number of fp16"]
    assert also["9e-09 in fp16 becomes"] == 0.0
    assert also["largest gradient that a scale of 2^15 leaves finite"] == pytest.approx(65504 / 2**15)
