"""Every schedule that can be raced, as plain code: the same bits at every step."""

import math

import numpy as np
import pytest

from ravine.race._schedule_text import BODIES, EXPRESSIONS, schedule_text
from ravine.schedules import KINDS

MULTIPLIERS = {kind.name: kind for kind in KINDS}


def test_every_schedule_has_its_text():
    assert sorted([*EXPRESSIONS, *BODIES]) == sorted(MULTIPLIERS)


@pytest.mark.parametrize("steps", [37, 1000])
@pytest.mark.parametrize("warmup", [0, 5])
@pytest.mark.parametrize("name", MULTIPLIERS)
def test_the_text_gives_the_same_bits(name, warmup, steps):
    expected = MULTIPLIERS[name]().warmup(warmup)(np.arange(steps), horizon=steps)
    text = schedule_text(name, is_warmed=warmup > 0)
    known = {"math": math, "STEPS": steps, "WARMUP": warmup}
    exec(text.section, known)
    multiplier = eval(text.expression or "lambda step: 1.0", known)
    assert [multiplier(step) for step in range(steps)] == expected.tolist()


def test_a_short_one_is_an_expression_and_a_long_one_a_function():
    assert schedule_text("constant", is_warmed=False) == ("", "")
    assert schedule_text("linear", is_warmed=False) == ("", "lambda step: 1.0 - step / STEPS")
    section, expression = schedule_text("one_cycle", is_warmed=True)
    assert expression == "multiplier"
    assert section.startswith("def multiplier(step):\n")
    assert "length" not in schedule_text("inverse_sqrt", is_warmed=True).section
