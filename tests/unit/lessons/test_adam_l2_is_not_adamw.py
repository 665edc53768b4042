import pytest

from lesson_checks import check, measured
from ravine.lessons import adam_l2_is_not_adamw as lesson
from ravine.lessons import get
from ravine.lessons._running import carry_out


def test_decoupled_decay_of_a_still_weight_is_the_formula():
    numbers = measured("adam-l2-is-not-adamw", lesson.Settings(lr=1e-3, decay=0.1, steps=40, seeds=4)).numbers
    assert numbers["lr times decay"].values[0] == pytest.approx(10, rel=1e-3)
    assert numbers["plain decay"].values[0] == pytest.approx(1)


def test_l2_shrinks_with_the_size_of_the_gradients():
    numbers = measured("adam-l2-is-not-adamw", lesson.Settings(lr=1e-3, decay=0.1, steps=200, seeds=4)).numbers
    assert max(numbers["l2"].values) < 0.05
    assert numbers["adamw"].values == pytest.approx([1.0] * 4, abs=0.1)


@pytest.mark.slow
def test_the_quick_form_is_supported():
    assert check(carry_out(get("adam-l2-is-not-adamw"), quick=True)).verdict == "supported"
