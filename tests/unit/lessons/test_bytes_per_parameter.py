import pytest

from lesson_checks import holding, quick
from ravine.lessons import bytes_per_parameter as lesson
from ravine.lessons import exact


def test_the_quick_form_measures_the_formula():
    outcome = quick("bytes-per-parameter")
    also = {label: sample.values[0] for label, sample in outcome.also.items()}
    for name in lesson.OPTIMIZERS:
        assert also[f"{name}, measured"] == pytest.approx(also[f"{name}, by the formula"], abs=lesson.OFF)
    # 4 bytes of weight and gradient each, and 8 of state divided by 8 processes.
    assert also["adam, ZeRO stage 1 over 8 processes, by the formula"] == 9.0
    told = {one.part.number: one.holds for one in outcome.judged}
    assert told == {"adam": True, "lion": True, "8 bits": True, "zero": True, "training": False}


def test_an_optimiser_with_other_needs_fails():
    numbers = {"adam": exact(20.0), "lion": exact(16.0), "8 bits": exact(12.5), "zero": exact(32.0), "training": exact(16.0)}
    assert [number for number, holds in holding(lesson.PARTS, numbers).items() if holds] == ["training"]
