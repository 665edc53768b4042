"""Schedules from text."""

import pytest

from ravine.base.errors import InputError, UnknownNameError
from ravine.schedules import REGISTRY, Cosine, CosineRestarts, MultiStep, Piecewise, Plateau, create
from ravine.schedules.reading import plain_value, read


def test_a_name_is_the_schedule_with_its_defaults():
    assert [read(name) for name in REGISTRY] == [create(name) for name in REGISTRY]
    assert read("plateau") == Plateau()


def test_settings_follow_a_colon():
    assert read(" cosine : floor=0.1, warmup=5 ") == Cosine(floor=0.1).warmup(5)
    assert read("cosine_restarts:cycles=5,t_mult=1") == CosineRestarts(cycles=5, t_mult=1)
    assert read("plateau:patience=2,mode=max") == Plateau(patience=2, mode="max")
    assert read("multistep:milestones=30") == MultiStep(milestones=(30,))
    assert read("piecewise:milestones=3,6,values=1,0.5,0,interpolate=true") == Piecewise(
        milestones=(3, 6), values=(1, 0.5, 0), interpolate=True
    )


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("cosin", "no schedule is called 'cosin'; did you mean 'cosine'"),
        ("plateaux", "did you mean 'plateau'"),
        ("cosine:flor=1", "no setting of 'cosine' is called 'flor'; did you mean 'floor'"),
        ("plateau:patienc=1", "no setting of 'plateau' is called 'patienc'"),
        ("cosine:", "'' in 'cosine:': must be NAME=VALUE. Write it like cosine:floor=0.1."),
        ("cosine:0.1", "'0.1' in 'cosine:0.1': must be NAME=VALUE"),
        ("cosine:floor=", "must be NAME=VALUE"),
        ("cosine:floor=0.1,floor=0.2", "a setting is given twice. Leave one out."),
        ("cosine:floor=0.1,0.2", "floor=0.1,0.2 in 'cosine:floor=0.1,0.2': must be one value"),
        ("cosine:floor=2", "floor=2"),
    ],
)
def test_what_cannot_be_read_is_one_sentence(text, sentence):
    with pytest.raises((InputError, UnknownNameError)) as caught:
        read(text)
    assert sentence in str(caught.value)


def test_values_are_what_they_look_like():
    assert [plain_value(text) for text in ("3", "0.5", "True", "none", "cos", "1,2")] == [3, 0.5, True, None, "cos", (1, 2)]
